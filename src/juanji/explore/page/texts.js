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
    octaveGroups: "Alpha must leave channels on every path that the groups divide.",
    groupsDivide: "{groups} groups do not divide {channels} channels.",
    dropped: "The numbers no longer fit this shape; made-up ones are shown.",
    imageType: "That is not an image this page reads (PNG, JPEG, GIF, WebP).", imageLarge: "The image is too large: at most {megabytes} MB and {megapixels} megapixels.",
    imageBroken: "The image could not be decoded.",
    asKernel: "as kernel", ratio: "second / first", skip: "To the picture",
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
    octaveGroups: "α 分出的每条路径的通道数都必须能被组数整除。",
    groupsDivide: "{channels} 个通道不能分成 {groups} 组。",
    dropped: "原来的数值与新的形状不符，改用示例数值。",
    imageType: "无法读取这种图片（支持 PNG、JPEG、GIF、WebP）。", imageLarge: "图片太大：最多 {megabytes} MB、{megapixels} 百万像素。",
    imageBroken: "图片无法解码。",
    asKernel: "同卷积核", ratio: "后者 / 前者", skip: "跳到图",
  },
};

// Chinese for the words of scenes and of the table of operators; English needs none.
const WORDS = {
  input: "输入", weight: "权重", output: "输出", bias: "偏置", rest: "其余", "other channels": "其他通道",
  start: "开始", between: "中间", "random number": "随机数", probability: "概率", probabilities: "概率",
  draw: "抽取", average: "平均", pool: "池化", unpool: "反池化", pooled: "池化结果", indices: "位置", offset: "偏移", sample: "采样",
  mask: "调制", high: "高频", low: "低频", image: "图像", repeat: "重复", repeated: "重复", "high input": "高频输入", "low input": "低频输入",
  "high output": "高频输出", "low output": "低频输出", depthwise: "逐深度", pointwise: "逐点", "across channels": "跨通道", grouped: "分组",
  "grouped again": "再次分组", shuffle: "重排", primary: "主分组", secondary: "次分组", permutation: "置换", "permutation back": "换回",
  squeeze: "压缩", expand: "扩展", scale: "加权", reduce: "降维", convolve: "卷积", first: "第一层", second: "第二层", score: "得分",
  "3 x 3 max": "3 x 3 最大", "reduce pool": "池化后降维", "reduce 3 x 3": "3 x 3 前降维", "reduce 5 x 5": "5 x 5 前降维",
  "layer 1": "第 1 层", "layer 2": "第 2 层", "layer 3": "第 3 层", "layer 4": "第 4 层", "layer 5": "第 5 层",
  "H->H: pool": "高→高：池化", "H->L: pool": "高→低：池化", "L->L: pool": "低→低：池化", "L->H: pool": "低→高：池化",
  "L->H: repeat": "低→高：重复", "L->H: repeat input": "低→高：重复输入", "H->H": "高→高", "H->L": "高→低", "L->H": "低→高", "L->L": "低→低",
  "H->L: sum": "高→低：求和", "H->H: output": "高→高：输出", "L->H: output": "低→高：输出", "H->L: output": "高→低：输出", "L->L: output": "低→低：输出",
  cells: "格", pixels: "像素", steps: "步", taps: "读数",
};

const OPERATORS = {
  conv: "卷积", "conv-transpose": "转置卷积（反卷积）", pointwise: "1×1 卷积", dilated: "空洞卷积", grouped: "分组卷积", depthwise: "逐深度卷积",
  deformable: "可变形卷积", "depthwise-separable": "深度可分离卷积", "spatially-separable": "空间可分离卷积", flattened: "扁平卷积",
  shuffled: "混洗分组卷积", interleaved: "交错组卷积", "channel-shuffle": "通道混洗", octave: "八度卷积", "octave-transpose": "转置八度卷积", "octave-split": "八度拆分",
  "octave-merge": "八度合并", "frequency-split": "频率拆分", "max-pool": "最大池化", "avg-pool": "平均池化", "stochastic-pool": "随机池化",
  "global-avg-pool": "全局平均池化", "max-unpool": "最大反池化", "avg-unpool": "平均反池化", "squeeze-excite": "通道加权（SE）",
  inception: "Inception 模块", bottleneck: "瓶颈结构", residual: "残差连接", gated: "门控连接（Highway）", dense: "密集连接",
  stacked: "堆叠小卷积核", view: "多层的视野",
};

const KINDS = { convolution: "卷积", composition: "组合", frequency: "频率", pooling: "池化", block: "模块" };

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
  alpha_in: ["alpha of the input", "输入的 α"], alpha_out: ["alpha of the output", "输出的 α"], downsample: ["a stride is taken by", "步幅由"],
  pool: ["pooling", "池化"], scatter: ["scattering", "散布"], gather: ["zero-stuffed", "插零"],
  values: ["input", "输入"], weight: ["weight", "权重"], weights: ["weight", "权重"], bias: ["bias", "偏置"], random: ["random numbers", "随机数"],
  offset: ["offsets", "偏移"], mask: ["modulation", "调制"], pattern: ["offsets", "偏移"], free: ["free", "自由"], none: ["none", "无"],
  rotate: ["rotation", "旋转"], scale: ["scaling", "缩放"], aspect: ["aspect", "长宽比"], multiplier: ["channel multiplier", "通道倍数"],
  twice: ["a second grouped convolution", "再做一次分组卷积"], primary_groups: ["primary groups", "主分组数"], secondary_groups: ["secondary groups", "次分组数"],
  reduction: ["reduction", "降维"], middle: ["channels in the middle", "中间通道"], skip: ["weight of the skip connection", "跳跃连接的权重"],
  growth: ["growth", "增长率"], layers: ["layers", "层数"], kernels: ["kernel", "卷积核"], strides: ["stride", "步幅"], dilations: ["dilation", "空洞率"],
  high: ["high input", "高频输入"], low: ["low input", "低频输入"],
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

  /** The names of all sentences, by language. */
  keys() {
    return Object.fromEntries(Object.entries(UI).map(([language, texts]) => [language, Object.keys(texts).sort()]));
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

  /** The name of a field of numbers; of several weights, the one of a grid. */
  field(name, grid) {
    if (!name.startsWith("weights ")) return this.argument(name);
    const stage = grid.name.replace(/ weight$/, "");
    return `${this.argument("weight")}: ${this.word(stage)}`;
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
