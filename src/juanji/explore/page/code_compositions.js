// Code for compositions, octaves and frequencies; see code.js.

import { boundConv } from "./operators.js";
import { lowChannels } from "./octave_paths.js";
import { keywords, literal, once, pads, tensor } from "./python.js";

/** Lines that compute `into` = a convolution of the tensor `from` by torch. */
export function torchConv(bound, from, weight, { into = "y", bias = null, groups = bound.groups } = {}) {
  const { axes } = bound;
  const even = axes.every(({ padLow, padHigh }) => padLow === padHigh);
  const list = (key) => once(axes.map((axis) => axis[key]));
  const source = even ? from : `F.pad(${from}, ${pads(axes.map(({ padLow, padHigh }) => [padLow, padHigh]))})`;
  const options = keywords(
    ["stride", list("stride"), 1], ["padding", even ? list("padLow") : 0, 0], ["dilation", list("dilation"), 1], ["groups", groups, 1],
  );
  return `${into} = F.conv${axes.length}d(${source}, ${weight}${bias ? `, ${bias}` : ""}${options})\n`;
}

function inputOf(grids) {
  return tensor("x", grids.input.values, [1, grids.input.channels, ...grids.input.size]);
}

/** A weight grid as a tensor; its channels are those of `rows` outputs. */
function weightOf(name, grid, rows) {
  return tensor(name, grid.values, [rows, grid.channels / rows, ...grid.size]);
}

/** The bias of the last stage that has one. */
function biasOf(grids) {
  const found = Object.values(grids).find((grid) => grid.name.endsWith(" bias") || grid.name === "bias");
  return found ? tensor("b", found.values, [found.channels]) : "";
}

export function slide(args) {
  return [["stride", args.stride, 1], ["padding", args.padding, 0], ["dilation", args.dilation, 1]];
}

function plain(bound, groups) {
  return { axes: bound.axes.map(({ fine }) => ({ fine, kernel: 1, stride: 1, dilation: 1, padLow: 0, padHigh: 0 })), groups };
}

function depthwiseSeparable(args, grids) {
  const bound = boundConv({ ...args, groups: 1 });
  const middle = args.in_channels * args.multiplier;
  const b = biasOf(grids);
  return {
    given: inputOf(grids) + weightOf("depthwise", grids["depthwise weight"], middle) + weightOf("pointwise", grids["pointwise weight"], args.out_channels) + b,
    torch: torchConv(bound, "x", "depthwise", { groups: args.in_channels }) + torchConv(plain(bound, 1), "y", "pointwise", { bias: b && "b" }),
    juanji: `y = F.depthwise_separable_conv(x, depthwise, pointwise${b ? ", b" : ""}${keywords(...slide(args))})\n`,
  };
}

/** Names of the passes along the axes, as the scene's grids have them. */
function passes(bound) {
  return bound.axes.map((_, axis) => bound.axes.map((own, a) => (a === axis ? own.kernel : 1)).join(" x "));
}

function along(bound, axis, groups) {
  return { axes: bound.axes.map((own, a) => (a === axis ? own : { kernel: 1, stride: 1, dilation: 1, padLow: 0, padHigh: 0 })), groups };
}

function spatiallySeparable(args, grids) {
  const bound = boundConv(args);
  const names = passes(bound);
  const weights = names.map((_, n) => `w${n + 1}`);
  const b = biasOf(grids);
  const last = names.length - 1;
  return {
    given: inputOf(grids) + names.map((name, n) => weightOf(weights[n], grids[`${name} weight`], args.out_channels)).join("") + b,
    torch: names.map((_, n) => torchConv(along(bound, n, args.groups), n ? "y" : "x", weights[n], { bias: n === last && b ? "b" : null })).join(""),
    juanji: `y = F.spatially_separable_conv(x, (${weights.join(", ")},)${b ? ", b" : ""}${keywords(...slide(args), ["groups", args.groups, 1])})\n`,
  };
}

function flattened(args, grids) {
  const bound = boundConv(args);
  const names = passes(bound);
  const weights = names.map((_, n) => `w${n + 1}`);
  const b = biasOf(grids);
  const last = names.length - 1;
  return {
    given:
      inputOf(grids) + weightOf("lateral", grids["across channels weight"], args.out_channels) +
      names.map((name, n) => weightOf(weights[n], grids[`${name} weight`], args.out_channels)).join("") + b,
    torch:
      torchConv(plain(bound, args.groups), "x", "lateral") +
      names.map((_, n) => torchConv(along(bound, n, args.out_channels), "y", weights[n], { bias: n === last && b ? "b" : null })).join(""),
    juanji: `y = F.flattened_conv(x, lateral, (${weights.join(", ")},)${b ? ", b" : ""}${keywords(...slide(args), ["groups", args.groups, 1])})\n`,
  };
}

function shuffled(args, grids) {
  const bound = boundConv(args);
  const b = biasOf(grids);
  const again = grids["grouped again weight"];
  return {
    given:
      inputOf(grids) + weightOf("w", grids["grouped weight"], args.out_channels) + b +
      (again ? weightOf("again", again, args.out_channels) : ""),
    torch:
      torchConv(bound, "x", "w", { bias: b && "b" }) + `y = ${torchShuffle("y", args.groups)}\n` +
      (again ? torchConv(plain(bound, args.groups), "y", "again") : ""),
    juanji:
      `y = F.shuffled_group_conv(x, w${b ? ", b" : ""}${keywords(...slide(args), ["groups", args.groups, 1])})\n` +
      (again ? `y = F.conv(y, again${keywords(["groups", args.groups, 1])})\n` : ""),
  };
}

function torchShuffle(x, groups) {
  return `${x}.unflatten(1, (${groups}, -1)).transpose(1, 2).flatten(1, 2)`;
}

function interleaved(args, grids) {
  const bound = boundConv({ ...args, groups: 1 });
  const b = biasOf(grids);
  const { primary_groups: primary, secondary_groups: secondary, out_channels: out } = args;
  return {
    given: inputOf(grids) + weightOf("first", grids["primary weight"], out) + weightOf("second", grids["secondary weight"], out) + b,
    torch:
      torchConv(bound, "x", "first", { groups: primary }) + `y = ${torchShuffle("y", primary)}\n` +
      torchConv(plain(bound, secondary), "y", "second", { bias: b && "b" }) + `y = ${torchShuffle("y", out / primary)}\n`,
    juanji: `y = F.interleaved_group_conv(x, first, second${b ? ", b" : ""}${keywords(...slide(args))}, primary_groups=${primary}, secondary_groups=${secondary})\n`,
  };
}

function channelShuffle(args, grids) {
  return { given: inputOf(grids), torch: `y = ${torchShuffle("x", args.groups)}\n`, juanji: `y = F.channel_shuffle(x, ${args.groups})\n` };
}

/** Average of the cells that exist in blocks; cells repeated, cropped to a size: as text. */
export function averageOf(x, block) {
  return block.every((side) => side === 1) ? x : `F.avg_pool${block.length}d(${x}, ${literal(once(block))}, ceil_mode=True)`;
}

export function repeatOf(x, times, size) {
  const repeats = times.map((n, a) => (n === 1 ? "" : `.repeat_interleave(${n}, ${a + 2})`)).join("");
  return repeats ? `${x}${repeats}[..., ${size.map((n) => `:${n}`).join(", ")}]` : x;
}

function halves(args) {
  const low = lowChannels(args.alpha, args.channels);
  return [args.channels - low, low];
}

function octaveSplit(args, grids) {
  const [high, low] = halves(args);
  const parts = [high ? `x[:, :${high}]` : "None", low ? averageOf(`x[:, ${high}:]`, args.input.map(() => 2)) : "None"];
  return { given: inputOf(grids), torch: `y = (${parts.join(", ")})\n`, juanji: `y = F.octave_split(x, ${args.alpha})\n` };
}

export function pair(grids) {
  return ["high", "low"].map((name) => (grids[name] ? tensor(name, grids[name].values, [1, grids[name].channels, ...grids[name].size]) : `${name} = None\n`)).join("");
}

function octaveMerge(args, grids) {
  const [high, low] = halves(args);
  const twice = args.input.map(() => 2);
  const up = repeatOf("low", twice, args.input);
  const torch = high && low ? `y = torch.cat([high, ${up}], 1)\n` : `y = ${high ? "high" : up}\n`;
  const cut = high ? "" : `[..., ${args.input.map((n) => `:${n}`).join(", ")}]`;
  return { given: pair(grids), torch, juanji: `y = F.octave_merge(high, low)${cut}\n` };
}

function frequencySplit(args, grids) {
  const twice = args.input.map(() => 2);
  return {
    given: tensor("x", grids.image.values, [1, args.channels, ...args.input]),
    torch: `low = ${repeatOf(averageOf("x", twice), twice, args.input)}\ny = (x - low, low)\n`,
    juanji: "y = F.frequency_split(x)\n",
  };
}

export const COMPOSED = {
  "depthwise-separable": depthwiseSeparable, "spatially-separable": spatiallySeparable, flattened, shuffled, interleaved,
  "channel-shuffle": channelShuffle, "octave-split": octaveSplit, "octave-merge": octaveMerge, "frequency-split": frequencySplit,
};
