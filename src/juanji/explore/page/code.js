// The Python that computes what is shown: with PyTorch's own functions, and with juanji's.
// Each ends with `y`, the output (of several, a tuple), and prints it.

import { BLOCKS } from "./code_blocks.js";
import { COMPOSED } from "./code_compositions.js";
import { OCTAVES } from "./code_octave.js";
import { boundConv, boundPool, perAxis } from "./operators.js";
import { HEAD, keywords, literal, once, pads, tensor } from "./python.js";

/** {torch, juanji} for the scene of `row` with `args`; null where there is no code for it. */
export function code(row, args, scene) {
  const write = WRITERS[row.as ?? row.name];
  if (!write) return null;
  const grids = Object.fromEntries(scene.grids.map((grid) => [grid.name, grid]));
  const { given, torch, juanji, torchHead = "", juanjiHead = HEAD.juanji } = write(args, grids, args);
  return {
    torch: `${HEAD.torch.trimEnd()}\n${torchHead}\n${given}${torch}print(y)\n`,
    juanji: `${juanjiHead}${given}${juanji}print(y)\n`,
  };
}

/** The lines that make x, w and b. */
function tensors(grids, bound, weightShape) {
  const { input, weight, bias } = grids;
  return (
    tensor("x", input.values, [1, input.channels, ...input.size]) +
    tensor("w", weight.values, [...weightShape, ...weight.size]) +
    (bias ? tensor("b", bias.values, [bias.channels]) : "")
  );
}

function even(bound) {
  return bound.axes.every(({ padLow, padHigh }) => padLow === padHigh);
}

function conv(args, grids) {
  const bound = boundConv(args, { flip: args.flip });
  const dims = bound.axes.length;
  const shared = [["stride", args.stride, 1], ["dilation", args.dilation, 1], ["groups", args.groups, 1]];
  const call = `x, w${grids.bias ? ", b" : ""}`;
  const padding = even(bound) ? once(bound.axes.map((axis) => axis.padLow)) : 0;
  const pad = even(bound) ? "" : `x = F.pad(x, ${pads(bound.axes.map(({ padLow, padHigh }) => [padLow, padHigh]))})\n`;
  const flip = args.flip ? `w = w.flip(${literal(bound.axes.map((_, a) => a + 2))})\n` : "";
  return {
    given: tensors(grids, bound, [args.out_channels, args.in_channels / args.groups]),
    torch: `${pad}${flip}y = F.conv${dims}d(${call}${keywords(["padding", padding, 0], ...shared)})\n`,
    juanji: `y = F.conv(${call}${keywords(["padding", args.padding, 0], ...shared, ["flip", args.flip, false])})\n`,
  };
}

function convTranspose(args, grids) {
  const bound = boundConv(args, { transposed: true, outputPadding: perAxis(args.output_padding, args.input) });
  const shared = [
    ["stride", args.stride, 1], ["output_padding", args.output_padding, 0], ["groups", args.groups, 1],
    ["dilation", args.dilation, 1],
  ];
  const cut = even(bound) ? "" : `[..., ${bound.axes.map(({ padLow, fine }) => `${padLow}:${padLow + fine}`).join(", ")}]`;
  const padding = even(bound) ? once(bound.axes.map((axis) => axis.padLow)) : 0;
  const call = `x, w${grids.bias ? ", b" : ""}`;
  return {
    given: tensors(grids, bound, [args.in_channels, args.out_channels / args.groups]),
    torch: `y = F.conv_transpose${bound.axes.length}d(${call}${keywords(["padding", padding, 0], ...shared)})${cut}\n`,
    juanji: `y = F.conv_transpose(${call}${keywords(["padding", args.padding, 0], ...shared)})\n`,
  };
}

const DEFORM = `
def sample(x, position):  # x (C, *size), position (axes, *output); zero outside
    low, value = position.floor(), 0
    for sides in itertools.product((0, 1), repeat=len(position)):
        share, cell = 1, []
        for p, near, side, n in zip(position, low, sides, x.shape[1:]):
            at = near + side
            share = share * (1 - (p - at).abs()) * ((at >= 0) & (at < n))
            cell.append(at.clamp(0, n - 1).long())
        value = value + x[(slice(None), *cell)] * share
    return value

`;

function deformable(args, grids, given) {
  const bound = boundConv(args);
  const taps = bound.axes.reduce((all, axis) => all * axis.kernel, 1);
  const list = (key) => literal(bound.axes.map((axis) => axis[key]));
  const mask = given.mask ? tensor("mask", given.mask, [1, taps, ...bound.outputSize]) : "";
  return {
    given:
      tensors(grids, bound, [args.out_channels, args.in_channels / args.groups]) +
      tensor("offset", given.offset, [1, taps * bound.axes.length, ...bound.outputSize]) + mask,
    torchHead: `import itertools\n\n${DEFORM}`,
    torch: `y = 0
grid = torch.meshgrid(*[torch.arange(n) for n in offset.shape[2:]], indexing="ij")
for n, tap in enumerate(itertools.product(*[range(k) for k in w.shape[2:]])):
    position = torch.stack([
        o * s + k * d - p + shift
        for o, s, k, d, p, shift in zip(
            grid, ${list("stride")}, tap, ${list("dilation")}, ${list("padLow")}, offset[0, n * len(tap):]
        )
    ])
    cells = sample(x[0], position)${mask ? " * mask[0, n]" : ""}
    kernel = w[(..., *tap)].unflatten(0, (${args.groups}, -1))
    y = y + torch.einsum("gfc,gc...->gf...", kernel, cells.unflatten(0, (${args.groups}, -1))).flatten(0, 1)
y = y.unsqueeze(0)${grids.bias ? ` + b.reshape(1, -1, ${bound.axes.map(() => 1).join(", ")})` : ""}
`,
    juanji: `y = F.deform_conv(x, offset, w${keywords(["stride", args.stride, 1], ["padding", args.padding, 0], ["dilation", args.dilation, 1])}${grids.bias ? ", bias=b" : ""}${mask ? ", mask=mask" : ""})\n`,
  };
}

/** Padding and cropping that leave exactly the cells which the windows cover. */
function covered(bound) {
  return bound.axes.map(({ fine, coarse, kernel, stride, dilation, padLow }) => {
    const last = (coarse - 1) * stride + dilation * (kernel - 1) + 1;
    return [padLow, last - fine - padLow];
  });
}

/** Whether torch's own pooling takes these arguments. */
function ofTorch(bound) {
  return even(bound) && bound.axes.every(({ padLow, kernel }) => 2 * padLow <= kernel);
}

function pooled(args, grids, bound) {
  const kernel = once(bound.axes.map((axis) => axis.kernel));
  const stride = once(bound.axes.map((axis) => axis.stride));
  const padding = once(bound.axes.map((axis) => axis.padLow));
  return { kernel, stride, padding, dims: bound.axes.length, given: tensor("x", grids.input.values, [1, args.channels, ...args.input]) };
}

function maxPool(args, grids) {
  const bound = boundPool(args);
  const { kernel, stride, padding, dims, given } = pooled(args, grids, bound);
  const shared = [["stride", stride, kernel], ["dilation", args.dilation, 1]];
  const torch = ofTorch(bound)
    ? `y = F.max_pool${dims}d(x, ${literal(kernel)}${keywords(["padding", padding, 0], ...shared, ["ceil_mode", args.ceil_mode, false])})\n`
    : `x = F.pad(x, ${pads(covered(bound))}, value=float("-inf"))\ny = F.max_pool${dims}d(x, ${literal(kernel)}${keywords(...shared)})\n`;
  const juanji = `y = F.max_pool(x, ${literal(kernel)}${keywords(...shared, ["padding", args.padding, 0], ["ceil_mode", args.ceil_mode, false])})\n`;
  return { given, torch, juanji };
}

function avgPool(args, grids) {
  const bound = boundPool(args);
  const { kernel, stride, padding, dims, given } = pooled(args, grids, bound);
  const shared = [["stride", stride, kernel], ["ceil_mode", args.ceil_mode, false], ["count_include_pad", args.count_include_pad, true]];
  const direct = ofTorch(bound) && args.dilation === 1;
  const inner = bound.axes.map(({ padLow, padHigh }) => (args.count_include_pad ? [padLow, padHigh] : [0, 0]));
  const outer = covered(bound).map(([low, high], a) => [low - inner[a][0], high - inner[a][1]]);
  const sum = `F.conv${dims}d(F.pad({x}, ${pads(covered(bound))}), ones, groups=${args.channels}${keywords(["stride", stride, 1], ["dilation", args.dilation, 1])})`;
  const torch = direct
    ? `y = F.avg_pool${dims}d(x, ${literal(kernel)}${keywords(["padding", padding, 0], ...shared)})\n`
    : `ones = torch.ones(${args.channels}, 1, ${bound.axes.map((axis) => axis.kernel).join(", ")}, dtype=x.dtype)\n` +
      `counted = F.pad(F.pad(torch.ones_like(x), ${pads(inner)}, value=1), ${pads(outer)})\n` +
      `count = F.conv${dims}d(counted, ones, groups=${args.channels}${keywords(["stride", stride, 1], ["dilation", args.dilation, 1])})\n` +
      `y = ${sum.replace("{x}", "x")} / count\n`;
  const juanji = `y = F.avg_pool(x, ${literal(kernel)}${keywords(...shared, ["padding", args.padding, 0], ["dilation", args.dilation, 1])})\n`;
  return { given, torch, juanji };
}

function stochasticPool(args, grids) {
  const bound = boundPool(args);
  const { kernel, stride, given } = pooled(args, grids, bound);
  const windows = bound.axes.map((axis, a) => `.unfold(${a + 2}, ${axis.kernel}, ${axis.stride})`).join("");
  const random = args.training ? tensor("random", grids.random.values, [1, args.channels, ...bound.outputSize]) : "";
  const torch =
    `windows = F.pad(x, ${pads(covered(bound))})${windows}.flatten(${2 + bound.axes.length})\n` +
    "total = windows.sum(-1, keepdim=True)\n" +
    (args.training
      ? "before = windows.cumsum(-1) - windows  # cells lie end to end; the random number points at one\n" +
        "reached = (windows > 0) & (before <= random.unsqueeze(-1) * total)\n" +
        "index = (reached * torch.arange(windows.shape[-1])).amax(-1, keepdim=True)\n" +
        "y = windows.gather(-1, index).squeeze(-1)\n"
      : "y = (windows * windows / total.clamp(min=1e-300)).sum(-1)\n");
  const options = keywords(["stride", stride, kernel], ["padding", args.padding, 0]);
  return args.training
    ? {
        given: given + random, torch, juanjiHead: "import torch\nfrom juanji.ops.pool import reference\n\n",
        juanji: `# the definition with these random numbers; juanji.functional.stochastic_pool draws its own\ny = reference.stochastic_pool(x, ${literal(kernel)}${options}, random=random)\n`,
      }
    : { given, torch, juanji: `y = F.stochastic_pool(x, ${literal(kernel)}${options}, training=False)\n` };
}

function maxUnpool(args, grids) {
  const bound = boundPool(args);
  const { kernel, stride, dims, given } = pooled(args, grids, bound);
  const around = bound.axes.map(({ padLow, padHigh }) => [padLow, padHigh]);
  const padded = around.flat().some(Boolean);
  const back = pads(around.map(([low, high]) => [-low, -high]));
  const torch =
    (padded ? `x = F.pad(x, ${pads(around)}, value=float("-inf"))\n` : "") +
    `pooled, indices = F.max_pool${dims}d(x, ${literal(kernel)}${keywords(["stride", stride, kernel])}, return_indices=True)\n` +
    `y = F.max_unpool${dims}d(pooled, indices, ${literal(kernel)}${keywords(["stride", stride, kernel])}, output_size=x.shape[2:])\n` +
    (padded ? `y = F.pad(y, ${back})\n` : "");
  const shared = padded ? keywords(["stride", stride, kernel], ["padding", around, 0]) : keywords(["stride", stride, kernel]);
  const juanji =
    `pooled, indices = F.max_pool(x, ${literal(kernel)}${shared}, return_indices=True)\n` +
    `y = F.max_unpool(pooled, indices, ${literal(kernel)}${shared}, output_size=x.shape[2:])\n`;
  return { given, torch, juanji };
}

function avgUnpool(args, grids) {
  const bound = boundPool(args);
  const { dims, kernel, stride } = pooled(args, { input: grids.pooled }, bound);
  const around = bound.axes.map(({ padLow, padHigh }) => [padLow, padHigh]);
  const fit = bound.axes.map((axis) => {
    const full = (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1;
    return [-axis.padLow, axis.fine + axis.padLow - full];
  });
  const spread = (x) => `F.pad(F.conv_transpose${dims}d(${x}, ones, groups=${args.channels}${keywords(["stride", stride, 1])}), ${pads(fit)})`;
  const options = around.flat().some(Boolean) ? [["padding", around, 0]] : [];
  return {
    given: tensor("x", grids.pooled.values, [1, args.channels, ...grids.pooled.size]),
    torch:
      `ones = torch.ones(${args.channels}, 1, ${bound.axes.map((axis) => axis.kernel).join(", ")}, dtype=x.dtype)\n` +
      `y = ${spread("x")}\ny = y / ${spread("torch.ones_like(x)")}.clamp(min=1)  # of windows that overlap, the average\n`,
    juanji: `y = F.avg_unpool(x, ${literal(kernel)}${keywords(["stride", stride, kernel], ...options, ["output_size", bound.inputSize])})\n`,
  };
}

function globalAvgPool(args, grids) {
  return {
    given: tensor("x", grids.input.values, [1, args.channels, ...args.input]),
    torch: `y = F.adaptive_avg_pool${args.input.length}d(x, 1)\n`,
    juanji: "y = F.global_avg_pool(x)\n",
  };
}

export const WRITERS = {
  conv, "conv-transpose": convTranspose, deformable, "max-pool": maxPool, "avg-pool": avgPool,
  "stochastic-pool": stochasticPool, "max-unpool": maxUnpool, "avg-unpool": avgUnpool, "global-avg-pool": globalAvgPool, ...COMPOSED, ...OCTAVES, ...BLOCKS,
};
