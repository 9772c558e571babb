// Scenes of octave convolution: juanji/draw/octave.py in JavaScript.

import { product } from "./relation.js";
import { arrow, atMost, grid, scene } from "./scene.js";
import { countWeights } from "./facts.js";
import { shape } from "./numbers.js";
import { blockOf, halve, octaveFacts, octavePaths, part } from "./octave_paths.js";
import { averaged, repeated } from "./resample.js";
import { biasGrid, gathered, groupsOf, numbers, outputGrid, weightGrid, written } from "./stages.js";

/** The scene; `bound` is the ordinary convolution at full size. */
export function octave(bound, { high, low, weight, bias, alphaIn, alphaOut, downsample = "pool" } = {}) {
  const { cut, paths } = octavePaths(bound, alphaIn, alphaOut, downsample === "pool");
  atMost("cells", (bound.inChannels + bound.outChannels) * product(bound.inputSize) + countWeights(bound));
  atMost("steps", 2 * bound.outChannels * product(bound.outputSize));
  const kernel = bound.axes.map((axis) => axis.kernel);
  const columns = bound.inChannels / bound.groups;
  const count = bound.outChannels * columns * product(kernel);
  const drawing = {
    bound, cut, paths, grids: [], steps: [], arrows: [], paid: [], outputs: {}, bias,
    weight: numbers(weight, count, -1, 2, 2),
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
  return scene({
    operator: "octave",
    title: `octave ${shape(kernel)}`,
    facts: octaveFacts(bound, cut, `${alphaIn} -> ${alphaOut}`, drawing.paid),
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
    if (sources.high && !cut.depthwise) {
    const shared = drawing.grids.find((one) => one.name === "H->H: pool");
    let x = shared ?? average(drawing, sources.high, paths.pooled, "H->H: pool", 0);
    x = average(drawing, x, bound.axes.map(() => 2), "H->L: pool", x.name === "high" ? 1 : 2);
    convolve(drawing, "H->L", part(bound, cut.given[0]), x, "low");
  }
  if (sources.low) {
    const x = average(drawing, sources.low, paths.pooled, "L->L: pool", 3);
    convolve(drawing, "L->L", cut.depthwise ? bound : part(bound, cut.given[1]), x, "low", drawing.outputs.low);
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
  const kernel = weightGrid(bound, blockOf(drawing.bound, drawing.cut, drawing.weight, name), { column: 2, row, name });
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
  drawing.paid.push([name, bound]);
  drawing.arrows.push(arrow(source.name, kernel.name), arrow(kernel.name, into));
  if (target)
    drawing.outputs[target] = outputGrid(bound, drawing.steps, { column: 4, row: target === "high" ? 0 : 2, name: into });
  else drawing.grids.push({ ...outputGrid(bound, drawing.steps, { column: 3, row: 1, name: into, role: "between" }), title: "L->H" });
}
