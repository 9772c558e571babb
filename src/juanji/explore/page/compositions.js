// Scenes of operators that are chains of others: juanji/draw/compositions.py in JavaScript.

import { Refusal, bind } from "./relation.js";
import { fact } from "./scene.js";
import { outputSize, view } from "./facts.js";
import { shape } from "./numbers.js";
import { Sketch } from "./sketch.js";

export function depthwiseSeparable(bound, { input, weights, bias, multiplier = 1 }) {
  const [first, last] = given(weights, 2);
  const middle = bound.inChannels * multiplier;
  const sketch = new Sketch();
  let x = start(sketch, bound, input, bound.inChannels);
  x = sketch.conv(x, "depthwise", { ...bound, outChannels: middle, groups: bound.inChannels }, first, { column: 1 });
  const point = pointwise(bound.outputSize, middle, bound.outChannels);
  sketch.conv(x, "pointwise", point, last, { column: 2, bias, role: "output", title: "output" });
  return finish(sketch, "depthwise-separable", bound);
}

export function spatiallySeparable(bound, { input, weights, bias }) {
  const count = bound.axes.length;
  const channels = [bound.inChannels, ...bound.axes.map(() => bound.outChannels)];
  const sketch = new Sketch();
  let x = start(sketch, bound, input, bound.groups);
  given(weights, count).forEach((weight, axis) => {
    const part = along(bound, axis, channels[axis], channels[axis + 1]);
    x = sketch.conv(x, pass(bound, axis), part, weight, { column: axis + 1, seed: 2 + axis, ...ending(axis === count - 1, bias) });
  });
  return finish(sketch, "spatially-separable", bound);
}

export function flattened(bound, { input, weights, bias }) {
  const count = bound.axes.length;
  const own = given(weights, count + 1);
  const out = bound.outChannels;
  const sketch = new Sketch();
  let x = start(sketch, bound, input, bound.groups);
  x = sketch.conv(x, "across channels", pointwise(bound.inputSize, bound.inChannels, out, bound.groups), own[0], { column: 1 });
  for (let axis = 0; axis < count; axis++) {
    const part = along(bound, axis, out, out, out);
    x = sketch.conv(x, pass(bound, axis), part, own[axis + 1], { column: axis + 2, seed: 3 + axis, ...ending(axis === count - 1, bias) });
  }
  return finish(sketch, "flattened", bound);
}

export function shuffled(bound, { input, weight, bias, twice = true }) {
  const sketch = new Sketch();
  const x = start(sketch, bound, input, bound.groups);
  const grouped = sketch.conv(x, "grouped", bound, weight, { column: 1, bias });
  const last = sketch.shuffle(grouped, "shuffle", bound.groups, { column: 2, role: twice ? "between" : "output" });
  if (!twice) return finish(sketch, "shuffled", bound);
  const out = bound.outChannels;
  const point = pointwise(bound.outputSize, out, out, bound.groups);
  sketch.conv(last, "grouped again", point, null, { column: 3, role: "output", title: "output", seed: 3 });
  return sketch.scene("shuffled", titleOf("shuffled", bound), factsOf(bound));
}

export function interleaved(bound, { input, weights, bias, primary, secondary }) {
  const [first, second] = given(weights, 2);
  const out = bound.outChannels;
  const sketch = new Sketch();
  let x = start(sketch, bound, input, primary);
  x = sketch.conv(x, "primary", { ...bound, groups: primary }, first, { column: 1 });
  x = sketch.shuffle(x, "permutation", primary, { column: 2 });
  x = sketch.conv(x, "secondary", pointwise(bound.outputSize, out, out, secondary), second, { column: 3, bias, seed: 3 });
  sketch.shuffle(x, "permutation back", out / primary, { column: 4, role: "output" });
  return finish(sketch, "interleaved", bound);
}

export function channelShuffle(size, channels, groups, input) {
  if (channels % groups) throw new Refusal("groupsDivide", { groups, channels });
  const sketch = new Sketch();
  const x = sketch.input(size, channels, input, { groups });
  sketch.shuffle(x, "output", groups, { column: 1, role: "output" });
  return sketch.scene("channel-shuffle", "channel-shuffle", [fact("groups", `${groups}`)]);
}

function start(sketch, bound, input, groups) {
  return sketch.input(bound.inputSize, bound.inChannels, input, { groups });
}

function finish(sketch, operator, bound) {
  return sketch.scene(operator, titleOf(operator, bound), factsOf(bound), { ...bound, groups: 1 });
}

function titleOf(operator, bound) {
  return `${operator} ${shape(bound.axes.map((axis) => axis.kernel))}`;
}

function factsOf(bound) {
  return [outputSize(bound), fact("view", view(bound))];
}

function ending(done, bias) {
  return done ? { bias, role: "output", title: "output" } : {};
}

/** One entry per stage. */
export function given(weights, count) {
  if (!weights) return Array(count).fill(null);
  if (weights.length !== count) throw new Refusal("wrongCount", { count, given: weights.length });
  return weights;
}

/** A 1x1 convolution. */
export function pointwise(size, inChannels, outChannels, groups = 1) {
  const ones = size.map(() => 1);
  return bind({
    inputSize: size, kernel: ones, stride: ones, dilation: ones, padding: size.map(() => 0), inChannels, outChannels, groups,
  });
}

/** The pass along one axis; axes before it have their output's size already. */
function along(bound, axis, inChannels, outChannels, groups = bound.groups) {
  const axes = bound.axes.map((own, a) => {
    if (a === axis) return own;
    const cells = a < axis ? own.coarse : own.fine;
    return { fine: cells, coarse: cells, kernel: 1, stride: 1, dilation: 1, padLow: 0, padHigh: 0 };
  });
  return {
    ...bound, axes, inChannels, outChannels, groups,
    inputSize: axes.map((own) => own.fine), outputSize: axes.map((own) => own.coarse),
  };
}

/** The kernel of a pass: "3 x 1". */
function pass(bound, axis) {
  return shape(bound.axes.map((own, a) => (a === axis ? own.kernel : 1)));
}
