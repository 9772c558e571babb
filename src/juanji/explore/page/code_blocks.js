// Code of blocks; see code.js. The two libraries differ in the names of their functions alone.

import { tensor } from "./python.js";

function block(args, grids, weights, body) {
  const dims = args.input.length;
  const given =
    tensor("x", grids.input.values, [1, grids.input.channels, ...grids.input.size]) +
    weights.map(([name, stage, rows]) => {
      const { values, channels, size } = grids[`${stage} weight`];
      return tensor(name, values, [rows, channels / rows, ...size]);
    }).join("");
  const named = (conv, pool) => body.replaceAll("{conv}", conv).replaceAll("{pool}", pool);
  return { given, torch: named(`F.conv${dims}d`, `F.max_pool${dims}d`), juanji: named("F.conv", "F.max_pool") };
}

function bottleneck(args, grids) {
  const weights = [["reduce", "reduce", args.middle], ["w", "convolve", args.middle], ["expand", "expand", args.out_channels]];
  return block(args, grids, weights, 'y = {conv}({conv}({conv}(x, reduce), w, padding="same"), expand)\n');
}

function residual(args, grids) {
  const body = `change = {conv}(torch.relu({conv}(x, w1, padding="same")), w2, padding="same")\ny = torch.relu(change + ${args.skip === 1 ? "" : `${args.skip} * `}x)\n`;
  return block(args, grids, [["w1", "first", args.channels], ["w2", "second", args.channels]], body);
}

function gated(args, grids) {
  const body = `hidden = torch.relu({conv}(x, w, padding="same"))
gate = torch.sigmoid({conv}(x, score, padding="same"))
y = gate * hidden + (1 - gate) * x
`;
  return block(args, grids, [["w", "H", args.channels], ["score", "score", args.channels]], body);
}

function dense(args, grids) {
  const layers = Array.from({ length: args.layers }, (_, n) => n + 1);
  const line = (n) =>
    `y = torch.relu({conv}(x, w${n}, padding="same"))\n${n < args.layers ? "x = torch.cat([x, y], 1)\n" : ""}`;
  return block(args, grids, layers.map((n) => [`w${n}`, `layer ${n}`, args.growth]), layers.map(line).join(""));
}

function stacked(args, grids) {
  const layers = Array.from({ length: args.layers }, (_, n) => n + 1);
  const body = layers.map((n) => `${n === args.layers ? "y" : "x"} = {conv}(x, w${n})\n`).join("");
  return block(args, grids, layers.map((n) => [`w${n}`, `layer ${n}`, 1]), body);
}

function inception(args, grids) {
  const [small, three, five] = [1, 3, 5].map((n) => `${n} x ${n}`);
  const weights = [["w1", small, 1], ["w3", three, 1], ["w5", five, 1]];
  const pooled = "{pool}(x, 3, stride=1, padding=1)";
  const same = (x, w) => `{conv}(${x}, ${w}, padding="same")`;
  if (args.reduction === null)
    return block(args, grids, weights, `y = torch.cat([{conv}(x, w1), ${same("x", "w3")}, ${same("x", "w5")}, ${pooled}], 1)\n`);
  weights.push(["reduce3", `reduce ${three}`, args.reduction], ["reduce5", `reduce ${five}`, args.reduction], ["reduce_pool", "reduce pool", 1]);
  const body = `y = torch.cat([
    {conv}(x, w1),
    ${same("{conv}(x, reduce3)", "w3")},
    ${same("{conv}(x, reduce5)", "w5")},
    {conv}(${pooled}, reduce_pool),
], 1)
`;
  return block(args, grids, weights, body);
}

function squeezeExcite(args, grids) {
  const middle = grids["reduce weight"].size[0];
  const dims = args.input.map((_, a) => a + 2).join(", ");
  return {
    given:
      tensor("x", grids.input.values, [1, args.channels, ...args.input]) +
      tensor("w1", grids["reduce weight"].values, [middle, args.channels]) +
      tensor("w2", grids["expand weight"].values, [args.channels, middle]),
    torch: `gate = torch.sigmoid(F.linear(torch.relu(F.linear(x.mean((${dims},)), w1)), w2))\ny = x * gate.reshape(1, -1, ${args.input.map(() => 1).join(", ")})\n`,
    juanjiHead: "import torch\nfrom juanji import nn\n\n",
    juanji: `unit = nn.SqueezeExcite(${args.channels}, reduction=${args.reduction}, dtype=torch.float64)
zeros = {name: torch.zeros_like(value) for name, value in unit.state_dict().items()}
unit.load_state_dict(zeros | {"reduce.weight": w1, "expand.weight": w2})
y = unit(x).detach()
`,
  };
}

export const BLOCKS = { bottleneck, residual, gated, dense, stacked, inception, "squeeze-excite": squeezeExcite };
