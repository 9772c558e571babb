// The geometry of octave convolution: ops/octave/paths.py in JavaScript, and what both scenes share.

import { Refusal, multiplyAdds, product } from "./relation.js";
import { fact } from "./scene.js";
import { countWeights } from "./facts.js";
import { shape } from "./numbers.js";

/** floor(alpha * channels), exact for alpha as it is written in decimal. */
export function lowChannels(alpha, channels) {
  const scale = 10 ** (`${alpha}`.split(".")[1] ?? "").length;
  return Math.floor((Math.round(alpha * scale) * channels) / scale);
}

export function halve(size) {
  return size.map((cells) => Math.ceil(cells / 2));
}

/** Where the channels are cut into high and low. */
function cutOf(bound, alphaIn, alphaOut, pooled) {
  const [lowIn, lowOut] = [lowChannels(alphaIn, bound.inChannels), lowChannels(alphaOut, bound.outChannels)];
  const [given, made] = [[bound.inChannels - lowIn, lowIn], [bound.outChannels - lowOut, lowOut]];
  const depthwise = bound.groups === (bound.transposed ? bound.outChannels : bound.inChannels) && bound.groups > 1;
  if (depthwise ? lowOut * bound.inChannels !== lowIn * bound.outChannels : [...given, ...made].some((n) => n % bound.groups))
    throw new Refusal("octaveGroups");
  // before and after the ordinary convolution, which a transposed one walks backwards
  const [fine, coarse] = bound.transposed ? [made, given] : [given, made];
  return { lowIn, lowOut, given, made, fine, coarse, pooled, depthwise, ordinary: !(lowIn || lowOut) };
}

/** A path's bound and what is done around its convolution, per axis. */
function path(bound, cut, fineChannels, coarseChannels, grids, given, made) {
  const fine = bound.axes.map((axis) => axis.fine);
  const repeat = given.map((cells, a) => (grids[a].repeat > 1 ? fine[a] : cells));
  const present = repeat.map((cells, a) => Math.ceil(cells / grids[a].shrink));
  const axes = bound.axes.map((axis, a) => place(axis, grids[a], present[a], made[a]));
  const sizes = [axes.map((axis) => axis.fine), axes.map((axis) => axis.coarse)];
  const channels = [fineChannels, coarseChannels];
  const { transposed } = bound;
  const [from, to] = transposed ? [1, 0] : [0, 1];
  return {
    bound: {
      axes, transposed, groups: cut.depthwise ? fineChannels : bound.groups, flip: false, padding: null,
      inChannels: channels[from], outChannels: channels[to], inputSize: sizes[from], outputSize: sizes[to],
    },
    given,
    repeat: grids.map((one) => one.repeat), shrink: grids.map((one) => one.shrink), after: grids.map((one) => one.after),
    repeated: repeat, made,
  };
}

function way({ side, stride = 1, repeat = 1, shrink = 1, after = 1 }) {
  return { side, stride, repeat, shrink, after };
}

/** Windows on a working grid of `present` cells for `made` outputs, each keeping its centre. */
function place(axis, own, present, made) {
  let coarse = Math.ceil(made / own.after);
  const reach = axis.dilation * (axis.kernel - 1);
  const shift = (reach + 1) * (own.side - 1) + axis.stride - 1 - own.side * (own.stride - 1);
  const padLow = Math.max(0, Math.floor((2 * axis.padLow + shift) / (2 * own.side)));
  let padHigh = (coarse - 1) * own.stride + reach + 1 - present - padLow;
  const fine = Math.max(1, Math.min(present, present + padHigh));
  padHigh = Math.max(0, padHigh);
  coarse = Math.floor((fine + padLow + padHigh - reach - 1) / own.stride) + 1;
  return { fine, coarse, kernel: axis.kernel, stride: own.stride, dilation: axis.dilation, padLow, padHigh };
}

function lowToHigh(stride, pooled) {
  if (stride === 1) return way({ side: 2, after: 2 });
  if (stride % 2) return way({ ...(pooled ? { side: stride, shrink: stride } : { side: 1, stride }), repeat: 2 });
  return way(pooled ? { side: stride, shrink: stride / 2 } : { side: 2, stride: stride / 2 });
}

function pathsOf(bound, cut) {
  const strides = bound.axes.map((axis) => axis.stride);
  const [fine, coarse] = [bound.axes.map((axis) => axis.fine), bound.axes.map((axis) => axis.coarse)];
  const pooled = cut.pooled ? strides : strides.map(() => 1);
  const blocks = (size) => size.map((cells, a) => Math.ceil(cells / pooled[a]));
  const into = (ways, from, to, given, made) => path(bound, cut, from, to, ways, given, made);
  return {
    fine, coarse, pooled,
    highToHigh: into(strides.map((s) => way(cut.pooled ? { side: s } : { side: 1, stride: s })), cut.fine[0], cut.coarse[0], blocks(fine), coarse),
    lowToHigh: into(strides.map((s) => lowToHigh(s, cut.pooled)), cut.fine[1], cut.coarse[0], halve(fine), coarse),
    toLow: into(
      strides.map((s) => way(cut.pooled ? { side: 2 * s } : { side: 2, stride: s })),
      cut.depthwise ? cut.fine[1] : cut.fine[0] + cut.fine[1], cut.coarse[1], blocks(halve(fine)), halve(coarse),
    ),
  };
}

/** The geometry of an octave convolution: {cut, paths}. */
export function octavePaths(bound, alphaIn, alphaOut, pooled) {
  const cut = cutOf(bound, alphaIn, alphaOut, pooled);
  return { cut, paths: pathsOf(bound, cut) };
}

/** The convolution of some of a path's fine channels. */
export function part(bound, channels) {
  return bound.transposed ? { ...bound, outChannels: channels } : { ...bound, inChannels: channels };
}

/** The block of the ordinary weight that a path, such as "H->L" forwards, takes. */
export function blockOf(bound, cut, weight, name) {
  const columns = (cut.fine[0] + cut.fine[1]) / bound.groups;
  const taps = product(bound.axes.map((axis) => axis.kernel));
  const rows = name.endsWith("H") ? [0, cut.coarse[0]] : [cut.coarse[0], cut.coarse[0] + cut.coarse[1]];
  const own = cut.fine[0] / bound.groups;
  let [first, last] = name.startsWith("H") ? [0, own] : [own, columns];
  if (cut.depthwise || cut.ordinary) [first, last] = [0, columns];
  const block = [];
  for (let row = rows[0]; row < rows[1]; row++)
    block.push(...weight.slice((row * columns + first) * taps, (row * columns + last) * taps));
  return block;
}

/** The facts: alpha, sizes, weights, and the cost of the paths, [name, bound] of each. */
export function octaveFacts(bound, cut, alpha, paths) {
  const kernel = bound.axes.map((axis) => axis.kernel);
  const sizes = [shape(bound.outputSize), shape(halve(bound.outputSize))].filter((_, half) => cut.made[half]);
  const cost = (own) => multiplyAdds(own.axes, own.inChannels, own.outChannels, own.groups).dense;
  const costs = paths.map(([name, own]) => [name, cost(own)]);
  const names = costs.map(([name, count]) => `${name} ${count}`).join(" + ");
  const sum = costs.reduce((all, [, count]) => all + count, 0);
  const weights = shape([cut.coarse[0] + cut.coarse[1], (cut.fine[0] + cut.fine[1]) / bound.groups, ...kernel]);
  return [
    fact("alpha", alpha),
    fact("output size", sizes.join(" and ")),
    fact("weights", `${weights} = ${countWeights(bound)}`),
    fact("multiply-adds", `${names} = ${sum} (alpha 0: ${cost(bound)})`),
  ];
}
