// Everything the page says, in English and Chinese.

const UI = {
  en: {
    operator: "Operator", compare: "Compare with", none: "nothing", side: "Operator {n}",
    settings: "Settings", dimensions: "Dimensions", eachAxis: "each axis by itself", axis: "axis {n}",
    matrix: "As a matrix", facts: "Formula, cost, view", code: "Code", numbers: "Numbers", costs: "Side by side",
    copy: "Copy", copied: "Copied", link: "Copy link", reset: "Start anew", image: "Load an image…",
    imageHint: "An image up to {megabytes} MB and {megapixels} megapixels; it is scaled down to the input's size and becomes numbers from 0 to 9.",
    made: "made-up numbers again", shuffle: "other numbers", numbersHint: "Type your own, in rows, channel by channel.",
    padding: "padding", paddingLow: "padding low", paddingHigh: "padding high", byNumbers: "numbers",
    theme: "Light or dark", "theme-auto": "Auto", "theme-light": "Light", "theme-dark": "Dark",
    picture: "Picture", pictureKeys: "Arrow keys walk over the cells, Page Up and Page Down change the grid, Escape leaves.",
    first: "To the beginning", back: "One step back", play: "Play", pause: "Pause", forward: "One step on", last: "To the end",
    transport: "Steps", step: "Step", speed: "Steps a second", stepOf: "step {at} of {count}", begin: "Press play, or step through the arithmetic.",
    cell: "{grid}, channel {channel}, ({position}) = {value} · reads {sources} cells · reaches {targets}",
    matrixRow: "{name}, acting on the flattened input. Row {line} is this step.",
    matrixColumn: "{name}, acting on the flattened input. Column {line} is this step.",
    matrixLarge: "The matrix is too large to draw.", matrixNone: "What is computed depends on the data or goes through several stages: there is no one matrix to draw.",
    crop: "{grid}: a part, {shown} of {whole}, from {first} on.",
    hint: "Space plays, arrow keys step. Point at a cell to see what it reads and what it reaches.",
    kernelTooLarge: "The kernel spans {span} cells and the padded input has {padded}: make the input or the padding larger.",
    nothingLeft: "The padding cuts off the whole output ({fine} cells are left): make it smaller.",
    tooMuch: "That would be {count} {what} to draw; at most {limit} are drawn. Make input, kernel or channels smaller.",
    wrongCount: "{given} numbers were given, {count} are needed.",
    badNumbers: "Only numbers, please, separated by commas, spaces or lines.",
    negative: "Stochastic pooling draws by value: no number may be below 0.",
    poolPadding: "The padding of a pooling must be smaller than its window, or a window would hold no cell.",
    rotateTwo: "Turning the kernel needs two axes.",
    doesNotFit: "These settings do not go together: {reason}",
    dropped: "The numbers no longer fit this shape; made-up ones are shown.",
    imageType: "That is not an image this page reads (PNG, JPEG, GIF, WebP).", imageLarge: "The image is too large: at most {megabytes} MB and {megapixels} megapixels.",
    imageBroken: "The image could not be decoded.",
    asKernel: "as kernel", fact: "", ratio: "second / first", skip: "To the picture",
  },
  zh: {
    operator: "算子", compare: "对比", none: "无", side: "算子 {n}",
    settings: "设置", dimensions: "维数", eachAxis: "各轴单独设置", axis: "轴 {n}",
    matrix: "写成矩阵", facts: "公式、开销与视野", code: "代码", numbers: "数值", costs: "并排比较",
    copy: "复制", copied: "已复制", link: "复制链接", reset: "重新开始", image: "载入图片…",
    imageHint: "图片不超过 {megabytes} MB、{megapixels} 百万像素；会缩小到输入的尺寸，变成 0 到 9 的数。",
    made: "恢复示例数值", shuffle: "换一组数值", numbersHint: "可输入自己的数值：按行、按通道排列。",
    padding: "填充", paddingLow: "前侧填充", paddingHigh: "后侧填充", byNumbers: "数值",
    theme: "明暗", "theme-auto": "自动", "theme-light": "浅色", "theme-dark": "深色",
    picture: "图", pictureKeys: "方向键在格子间移动，Page Up 与 Page Down 切换网格，Esc 离开。",
    first: "回到开头", back: "后退一步", play: "播放", pause: "暂停", forward: "前进一步", last: "到结尾",
    transport: "步骤", step: "步", speed: "每秒步数", stepOf: "第 {at} 步，共 {count} 步", begin: "按播放，或逐步查看计算。",
    cell: "{grid}，通道 {channel}，({position}) = {value} · 读取 {sources} 格 · 影响 {targets} 格",
    matrixRow: "{name} 作用于展平的输入。当前步是第 {line} 行。",
    matrixColumn: "{name} 作用于展平的输入。当前步是第 {line} 列。",
    matrixLarge: "矩阵太大，不画出。", matrixNone: "计算取决于数据或分为多个阶段，没有单一的矩阵可画。",
    crop: "{grid}：只显示一部分，{whole} 中的 {shown}，从 {first} 起。",
    hint: "空格播放，方向键单步。指向一个格子，可见它读取什么、影响什么。",
    kernelTooLarge: "卷积核跨 {span} 格，填充后的输入只有 {padded} 格：请增大输入或填充。",
    nothingLeft: "填充裁掉了全部输出（剩 {fine} 格）：请减小填充。",
    tooMuch: "需要画 {count} 个（{what}），最多 {limit} 个。请减小输入、卷积核或通道数。",
    wrongCount: "给了 {given} 个数，需要 {count} 个。",
    badNumbers: "请只输入数字，用逗号、空格或换行分隔。",
    negative: "随机池化按数值大小抽取：不能有负数。",
    poolPadding: "池化的填充必须小于窗口，否则窗口里可能没有格子。",
    rotateTwo: "旋转卷积核需要两个轴。",
    doesNotFit: "这些设置不能同时成立：{reason}",
    dropped: "原来的数值与新的形状不符，改用示例数值。",
    imageType: "无法读取这种图片（支持 PNG、JPEG、GIF、WebP）。", imageLarge: "图片太大：最多 {megabytes} MB、{megapixels} 百万像素。",
    imageBroken: "图片无法解码。",
    asKernel: "同卷积核", fact: "", ratio: "后者 / 前者", skip: "跳到图",
  },
};

// Chinese for the words of scenes and of the table of operators; English needs none.
const WORDS = {
  input: "输入", weight: "权重", output: "输出", bias: "偏置", rest: "其余", "other channels": "其他通道",
  start: "开始", between: "中间", "random number": "随机数", probability: "概率", probabilities: "概率",
  draw: "抽取", average: "平均",
};

const OPERATORS = {
  conv: "卷积", "conv-transpose": "转置卷积", "max-pool": "最大池化", "avg-pool": "平均池化",
  "stochastic-pool": "随机池化", "global-avg-pool": "全局平均池化", "max-unpool": "最大反池化", "avg-unpool": "平均反池化",
};

const KINDS = { convolution: "卷积", pooling: "池化" };

const FACTS = {
  "output size": "输出尺寸", weights: "权重数", "multiply-adds": "乘加次数", "multiply-adds inside": "乘加次数（不计填充）",
  view: "视野", matrix: "矩阵大小", groups: "组数", alpha: "α", parts: "组成",
};

const ARGUMENTS = {
  input: ["input size", "输入尺寸"], kernel: ["kernel", "卷积核"], stride: ["stride", "步幅"],
  dilation: ["dilation", "空洞率"], groups: ["groups", "组数"], in_channels: ["input channels", "输入通道"],
  out_channels: ["output channels", "输出通道"], channels: ["channels", "通道"], flip: ["flip the kernel", "翻转卷积核"],
  output_padding: ["output padding", "输出填充"], how: ["picture", "画法"], ceil_mode: ["keep an incomplete last window", "保留不完整的末窗"],
  count_include_pad: ["padding counts", "填充计入个数"], training: ["training", "训练"], alpha: ["alpha", "α"],
  scatter: ["scattering", "散布"], gather: ["zero-stuffed", "插零"], values: ["input", "输入"], weight: ["weight", "权重"],
  bias: ["bias", "偏置"], random: ["random numbers", "随机数"],
};

export class Texts {
  constructor(language = preferred()) {
    this.use(language);
  }

  use(language) {
    this.language = language === "zh" ? "zh" : "en";
  }

  /** A sentence of the page, {name} filled in. */
  t(key, values = {}) {
    const text = UI[this.language][key] ?? UI.en[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  }

  /** A word of a scene: its title, stage or label. */
  word(text) {
    return this.#chinese(WORDS, text) ?? text;
  }

  operator(row) {
    return this.#chinese(OPERATORS, row.name) ?? row.title;
  }

  kind(text) {
    return this.#chinese(KINDS, text) ?? text;
  }

  fact(key) {
    return this.#chinese(FACTS, key) ?? key;
  }

  argument(name) {
    return ARGUMENTS[name]?.[this.language === "zh" ? 1 : 0] ?? name.replaceAll("_", " ");
  }

  /** Fill in the elements that say which text they hold. */
  fill(root) {
    for (const element of root.querySelectorAll("[data-t]")) element.textContent = this.t(element.dataset.t);
  }

  #chinese(table, key) {
    return this.language === "zh" && Object.hasOwn(table, key) ? table[key] : undefined;
  }
}

/** The language last chosen, or the reader's own. */
function preferred() {
  try {
    const chosen = localStorage.getItem("juanji.language");
    if (chosen) return chosen;
  } catch {
    // no memory here
  }
  return navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en";
}
