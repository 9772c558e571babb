// Code for compositions, octaves and frequencies; see code.js.

import { boundConv } from "./operators.js";
import { lowChannels, octavePaths } from "./octave.js";
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

function slide(args) {
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
function averageOf(x, block) {
  return block.every((side) => side === 1) ? x : `F.avg_pool${block.length}d(${x}, ${literal(once(block))}, ceil_mode=True)`;
}

function repeatOf(x, times, size) {
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

function pair(grids) {
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

function octave(args, grids) {
  const bound = boundConv(args);
  const { cut, paths } = octavePaths(bound, args.alpha_in, args.alpha_out, args.downsample === "pool");
  const taps = bound.axes.map((axis) => axis.kernel);
  const weight = tensor("w", args.weight ?? wholeWeight(args, cut, grids), [args.out_channels, args.in_channels / args.groups, ...taps]);
  const b = args.bias ? tensor("b", args.bias, [args.out_channels]) : "";
  const size = cut.given[0] ? "" : `, size=${literal(args.input)}`;
  return {
    given: pair(grids) + weight + b,
    torch: torchOctave(args, bound, cut, paths, grids),
    juanji: `y = F.octave_conv(high, low, w${b ? ", b" : ""}, alpha_in=${args.alpha_in}, alpha_out=${args.alpha_out}${keywords(...slide(args), ["groups", args.groups, 1], ["downsample", args.downsample, "pool"])}${size})\n`,
  };
}

/** Where a path's block stands in the ordinary weight: [rows, columns] as [first, last]. */
function blockOf(name, args, cut) {
  const [columns, own] = [args.in_channels / args.groups, cut.given[0] / args.groups];
  const rows = name.endsWith("H") ? [0, cut.made[0]] : [cut.made[0], args.out_channels];
  if (cut.depthwise || cut.ordinary) return [rows, [0, columns]];
  return [rows, name.startsWith("H") ? [0, own] : [own, columns]];
}

/** The ordinary weight put together from the blocks that the picture shows; what none uses is 0. */
function wholeWeight(args, cut, grids) {
  const taps = grids[Object.keys(grids).find((name) => name.includes("->") && grids[name].role === "weight")].size.reduce((a, c) => a * c, 1);
  const columns = args.in_channels / args.groups;
  const whole = Array(args.out_channels * columns * taps).fill(0);
  for (const name of ["H->H", "H->L", "L->H", "L->L"]) {
    if (!grids[name]) continue;
    const [[first, last], [left, right]] = blockOf(name, args, cut);
    let at = 0;
    for (let row = first; row < last; row++)
      for (let n = (row * columns + left) * taps; n < (row * columns + right) * taps; n++) whole[n] = grids[name].values[at++];
  }
  return whole;
}

function torchOctave(args, bound, cut, paths, grids) {
  const lines = [];
  const sums = { H: [], L: [] };
  const block = (name) => {
    const [[first, last], [left, right]] = blockOf(name, args, cut);
    return `w[${first}:${last}, ${left}:${right}]`;
  };
  const convolve = (name, path, from) => {
    // padding and cropping that leave what the windows cover
    const cover = path.axes.map((axis) => ({ ...axis, padHigh: (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1 - axis.fine - axis.padLow }));
    const crop = path.axes.map((axis) => `:${axis.fine}`).join(", ");
    const into = name.replace("->", "_to_").toLowerCase();
    const groups = cut.depthwise && !cut.ordinary ? path.inChannels : args.groups;
    lines.push(torchConv({ axes: cover }, `(${from})[..., ${crop}]`, block(name), { into, groups }));
    return into;
  };
  if (cut.ordinary) sums.H.push(convolve("H->H", bound, "high"));
  else {
    if (grids["H->H"]) sums.H.push(convolve("H->H", paths.highToHigh.bound, averageOf("high", paths.pooled)));
    if (grids["L->H"]) {
      const { repeat, repeated, shrink, after, made } = paths.lowToHigh;
      const from = averageOf(repeatOf("low", repeat, repeated), shrink);
      sums.H.push(repeatOf(convolve("L->H", paths.lowToHigh.bound, from), after, made));
    }
    const two = bound.axes.map(() => 2);
    if (grids["H->L"]) sums.L.push(convolve("H->L", paths.toLow.bound, averageOf(averageOf("high", paths.pooled), two)));
    if (grids["L->L"]) sums.L.push(convolve("L->L", paths.toLow.bound, averageOf("low", paths.pooled)));
  }
  const ones = bound.axes.map(() => 1).join(", ");
  const bias = (half) => (args.bias ? ` + b[${half === "H" ? `:${cut.made[0]}` : `${cut.made[0]}:`}].reshape(1, -1, ${ones})` : "");
  const halvesMade = ["H", "L"].map((half) => (sums[half].length ? sums[half].join(" + ") + bias(half) : "None"));
  return `${lines.join("")}y = (${halvesMade.join(", ")})\n`;
}

export const COMPOSED = {
  "depthwise-separable": depthwiseSeparable, "spatially-separable": spatiallySeparable, flattened, shuffled, interleaved,
  "channel-shuffle": channelShuffle, "octave-split": octaveSplit, "octave-merge": octaveMerge, "frequency-split": frequencySplit, octave,
};
