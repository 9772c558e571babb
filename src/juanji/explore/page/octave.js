// Scenes of octave convolution: juanji/draw/octave.py and ops/octave/paths.py in JavaScript.

import { Refusal, multiplyAdds, product } from "./relation.js";
import { arrow, atMost, fact, grid, scene } from "./scene.js";
import { countWeights } from "./facts.js";
import { shape } from "./numbers.js";
import { averaged, repeated } from "./resample.js";
import { biasGrid, gathered, groupsOf, numbers, outputGrid, weightGrid, written } from "./stages.js";

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
  const depthwise = bound.groups === bound.inChannels && bound.groups > 1;
  if (depthwise ? lowOut * bound.inChannels !== lowIn * bound.outChannels : [...given, ...made].some((n) => n % bound.groups))
    throw new Refusal("octaveGroups");
  return { lowIn, lowOut, given, made, pooled, depthwise, ordinary: !(lowIn || lowOut) };
}

/** A path's bound and what is done around its convolution, per axis. */
function path(bound, cut, inChannels, outChannels, grids, given, made) {
  const fine = bound.axes.map((axis) => axis.fine);
  const repeat = given.map((cells, a) => (grids[a].repeat > 1 ? fine[a] : cells));
  const present = repeat.map((cells, a) => Math.ceil(cells / grids[a].shrink));
  const axes = bound.axes.map((axis, a) => place(axis, grids[a], present[a], made[a]));
  return {
    bound: {
      axes, inChannels, outChannels, groups: cut.depthwise ? inChannels : bound.groups, flip: false, transposed: false,
      inputSize: axes.map((axis) => axis.fine), outputSize: axes.map((axis) => axis.coarse), padding: null,
    },
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
  const into = (ways, inChannels, outChannels, given, made) => path(bound, cut, inChannels, outChannels, ways, given, made);
  return {
    fine, pooled,
    highToHigh: into(strides.map((s) => way(cut.pooled ? { side: s } : { side: 1, stride: s })), cut.given[0], cut.made[0], blocks(fine), coarse),
    lowToHigh: into(strides.map((s) => lowToHigh(s, cut.pooled)), cut.given[1], cut.made[0], halve(fine), coarse),
    toLow: into(
      strides.map((s) => way(cut.pooled ? { side: 2 * s } : { side: 2, stride: s })),
      cut.depthwise ? cut.given[1] : cut.given[0] + cut.given[1], cut.made[1], blocks(halve(fine)), halve(coarse),
    ),
  };
}

/** The geometry of an octave convolution: {cut, paths}. */
export function octavePaths(bound, alphaIn, alphaOut, pooled) {
  const cut = cutOf(bound, alphaIn, alphaOut, pooled);
  return { cut, paths: pathsOf(bound, cut) };
}

/** The scene; `bound` is the ordinary convolution at full size. */
export function octave(bound, { high, low, weight, bias, alphaIn, alphaOut, downsample = "pool" } = {}) {
  const { cut, paths } = octavePaths(bound, alphaIn, alphaOut, downsample === "pool");
  atMost("cells", (bound.inChannels + bound.outChannels) * product(bound.inputSize) + countWeights(bound));
  atMost("steps", 2 * bound.outChannels * product(bound.outputSize));
  const kernel = bound.axes.map((axis) => axis.kernel);
  const columns = bound.inChannels / bound.groups;
  const count = bound.outChannels * columns * product(kernel);
  const drawing = {
    bound, cut, paths, grids: [], steps: [], arrows: [], costs: [], outputs: {}, bias,
    weight: numbers(weight, count, -1, 2, 2), taps: product(kernel), columns,
  };
  const sources = {};
  for (const [row, name, values, size, channels, seed] of [
    [0, "high", high, paths.fine, cut.given[0], 1], [2, "low", low, halve(paths.fine), cut.given[1], 6],
  ])
    if (channels)
      sources[name] = grid({
        name, title: `${name} input`, role: "input", size, channels,
        values: numbers(values, channels * product(size), 0, 9, seed), column: 0, row,
        groups: groupsOf(channels, cut.depthwise ? channels : bound.groups),
      });
  drawing.grids.push(...Object.values(sources));
  if (cut.ordinary) convolve(drawing, "H->H", bound, sources.high, "high");
  else {
    toHigh(drawing, sources);
    toLow(drawing, sources);
  }
  const outputs = ["high", "low"].map((name) => drawing.outputs[name]).filter(Boolean);
  const whole = multiplyAdds(bound.axes, bound.inChannels, bound.outChannels, bound.groups).dense;
  const summed = drawing.costs.reduce((all, [, cost]) => all + cost, 0);
  return scene({
    operator: "octave",
    title: `octave ${shape(kernel)}`,
    facts: [
      fact("alpha", `${alphaIn} -> ${alphaOut}`),
      fact("output size", outputs.map((one) => shape(one.size)).join(" and ")),
      fact("weights", `${shape([bound.outChannels, columns, ...kernel])} = ${count}`),
      fact("multiply-adds", `${drawing.costs.map(([name, cost]) => `${name} ${cost}`).join(" + ")} = ${summed} (alpha 0: ${whole})`),
    ],
    grids: [...drawing.grids, ...outputs],
    steps: drawing.steps,
    arrows: drawing.arrows,
  });
}

/** Y_H = conv(X_H) + repeat(conv(X_L)). */
function toHigh(drawing, sources) {
  const { cut, paths } = drawing;
  if (!cut.made[0]) return;
  if (sources.high) {
    const x = average(drawing, sources.high, paths.pooled, "H->H: pool", 0);
    convolve(drawing, "H->H", paths.highToHigh.bound, x, "high");
  }
  if (!sources.low || cut.depthwise) return;
  const own = paths.lowToHigh;
  let x = sources.low;
  if (own.repeat.some((times) => times > 1)) {
    const name = "low repeated";
    const steps = repeated(x, name, own.repeat, own.repeated, { stage: "L->H: repeat input" });
    drawing.steps.push(...steps);
    const grown = grid({
      name, title: "repeated", role: "between", size: own.repeated, channels: x.channels,
      values: written(name, steps, x.channels, own.repeated), column: 1, row: 1, groups: x.groups,
    });
    drawing.grids.push(grown);
    drawing.arrows.push(arrow(x.name, name));
    x = grown;
  }
  x = average(drawing, x, own.shrink, "L->H: pool", 1);
  if (own.after.every((times) => times === 1)) {
    convolve(drawing, "L->H", own.bound, x, "high", drawing.outputs.high);
    return;
  }
  convolve(drawing, "L->H", own.bound, x, "");
  const small = drawing.grids.at(-1);
  const name = "high output";
  drawing.steps.push(...repeated(small, name, own.after, own.made, { stage: "L->H: repeat", before: drawing.outputs.high }));
  drawing.outputs.high = grid({
    name, title: name, role: "output", size: own.made, channels: small.channels,
    values: written(name, drawing.steps, small.channels, own.made), column: 4, row: 0, groups: small.groups,
  });
  drawing.arrows.push(arrow(small.name, name));
}

/** Y_L = conv(pool(X_H)) + conv(X_L). */
function toLow(drawing, sources) {
  const { cut, paths } = drawing;
  if (!cut.made[1]) return;
  const { bound } = paths.toLow;
  const part = (inChannels) => ({ ...bound, inChannels });
  if (sources.high && !cut.depthwise) {
    const shared = drawing.grids.find((one) => one.name === "H->H: pool");
    let x = shared ?? average(drawing, sources.high, paths.pooled, "H->H: pool", 0);
    x = average(drawing, x, bound.axes.map(() => 2), "H->L: pool", x.name === "high" ? 1 : 2);
    convolve(drawing, "H->L", part(cut.given[0]), x, "low");
  }
  if (sources.low) {
    const x = average(drawing, sources.low, paths.pooled, "L->L: pool", 3);
    convolve(drawing, "L->L", cut.depthwise ? bound : part(cut.given[1]), x, "low", drawing.outputs.low);
  }
}

/** Average, if there is something to average, and return what is to be convolved. */
function average(drawing, source, block, stage, row) {
  if (block.every((side) => side === 1)) return source;
  const [steps, made] = averaged(source, stage, block, { stage, column: 1, row, title: "average" });
  drawing.steps.push(...steps);
  drawing.grids.push(made);
  drawing.arrows.push(arrow(source.name, made.name));
  return made;
}

/** Add one path's convolution; without a target its result stays between. */
function convolve(drawing, name, bound, source, target, before = null) {
  const row = { "H->H": 0, "H->L": 2, "L->H": 1, "L->L": 3 }[name];
  const kernel = weightGrid(bound, partOf(drawing, name), { column: 2, row, name });
  drawing.grids.push(kernel);
  let shift = null;
  const biasName = `bias ${name.at(-1)}`;
  if (drawing.bias && !before && !drawing.grids.some((one) => one.name === biasName)) {
    const high = drawing.cut.made[0];
    const added = name.endsWith("H") ? drawing.bias.slice(0, high) : drawing.bias.slice(high);
    shift = biasGrid(added, { column: 3, row: name.endsWith("L") ? 4 : 5, name: biasName });
    drawing.grids.push(shift);
  }
  const into = target ? `${target} output` : "low result";
  const rest = before && { ...before, name: into };
  drawing.steps.push(...gathered(bound, source, kernel, into, { bias: shift, rest, stage: name, firstRow: null }));
  drawing.costs.push([name, multiplyAdds(bound.axes, bound.inChannels, bound.outChannels, bound.groups).dense]);
  drawing.arrows.push(arrow(source.name, kernel.name), arrow(kernel.name, into));
  if (target)
    drawing.outputs[target] = outputGrid(bound, drawing.steps, { column: 4, row: target === "high" ? 0 : 2, name: into });
  else drawing.grids.push({ ...outputGrid(bound, drawing.steps, { column: 3, row: 1, name: into, role: "between" }), title: "L->H" });
}

/** The block of the ordinary weight that a path, such as "H->L", takes. */
function partOf({ bound, cut, weight, taps, columns }, name) {
  const high = cut.made[0];
  const [firstRow, lastRow] = name.endsWith("H") ? [0, high] : [high, bound.outChannels];
  const own = cut.given[0] / bound.groups;
  let [first, last] = name.startsWith("H") ? [0, own] : [own, columns];
  if (cut.depthwise || cut.ordinary) [first, last] = [0, columns];
  const part = [];
  for (let row = firstRow; row < lastRow; row++)
    part.push(...weight.slice((row * columns + first) * taps, (row * columns + last) * taps));
  return part;
}
