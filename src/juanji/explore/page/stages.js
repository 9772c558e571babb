// Grids and steps that scenes are put together from: juanji/draw/stages.py in JavaScript.

import { Refusal, product } from "./relation.js";
import { LIMITS, flat, grid, inside, step, tap, unflat, write } from "./scene.js";
import { running, sample, term, total } from "./numbers.js";
import { around, aroundStuffed, gather, scatter } from "./windows.js";

/** How many input and output channels a group has. */
export function perGroup(bound) {
  return [bound.inChannels / bound.groups, bound.outChannels / bound.groups];
}

/** The group of every channel, consecutive blocks; [] where there is one group. */
export function groupsOf(channels, groups) {
  if (groups <= 1) return [];
  return Array.from({ length: channels }, (_, c) => Math.floor(c / (channels / groups)));
}

/** The numbers given, checked, or whole ones in [low, high] that are always the same. */
export function numbers(values, count, low, high, seed) {
  if (values == null) return sample(count, low, high, seed);
  if (values.length !== count) throw new Refusal("wrongCount", { count, given: values.length });
  return [...values];
}

/** The grid of (C_in, *inputSize) with its padding; `stuffed`: zeros between cells. */
export function inputGrid(bound, values, { column = 0, row = 0, stuffed = false, name = "input" } = {}) {
  let edges = bound.axes.map(() => [0, 0]); // scattering reads no padding
  if (stuffed) edges = bound.axes.map(aroundStuffed);
  else if (!bound.transposed) edges = bound.axes.map(around);
  const cells = bound.inChannels * product(bound.inputSize);
  return grid({
    name, title: name, role: "input", size: bound.inputSize, channels: bound.inChannels,
    values: numbers(values, cells, 0, 9, 1), column, row,
    low: edges.map(([low]) => low), high: edges.map(([, high]) => high),
    gaps: stuffed ? bound.axes.map((axis) => axis.stride) : [],
    groups: groupsOf(bound.inChannels, bound.groups),
  });
}

/** The grid of a weight as torch lays it out; one channel per kernel, rows of the first. */
export function weightGrid(bound, values, { column, row = 0, name = "weight", seed = 2 }) {
  const size = bound.axes.map((axis) => axis.kernel);
  const [into, out] = perGroup(bound);
  const [first, second] = bound.transposed ? [bound.inChannels, out] : [bound.outChannels, into];
  return grid({
    name, title: name, role: "weight", size, channels: first * second,
    values: numbers(values, first * second * product(size), -1, 2, seed), column, row,
    gaps: bound.axes.map((axis) => axis.dilation), across: Math.max(second, 1),
    groups: groupsOf(first * second, bound.groups),
  });
}

export function biasGrid(values, { column, row, name = "bias" }) {
  return grid({
    name, title: name, role: "weight", size: [1], channels: values.length, values, column, row,
    across: Math.max(values.length, 1),
  });
}

/** The grid that steps wrote; `cut`: with the places a transposed one cuts off around. */
export function outputGrid(bound, steps, { column, row = 0, name = "output", role = "output", cut = false }) {
  const size = bound.outputSize;
  const values = written(name, steps, bound.outChannels, size);
  const edges = cut ? bound.axes.map(around) : [];
  return grid({
    name, title: name, role, size, channels: bound.outChannels, values, column, row,
    low: edges.map(([low]) => low), high: edges.map(([, high]) => high),
    groups: groupsOf(bound.outChannels, bound.groups),
  });
}

/** One step per output cell: the sum of products of its window. */
export function gathered(bound, source, weight, target, { bias = null, rest = null, stage = "", firstRow = 0 } = {}) {
  const places = gather(bound);
  const steps = [];
  for (let channel = 0; channel < bound.outChannels; channel++)
    for (const place of places) {
      const taps = windowTaps(bound, source, weight, channel, place);
      if (bias) taps.push(tap(bias.name, channel, [0], bias.values[channel]));
      if (rest) taps.push(tap(rest.name, channel, place.position, read(rest, channel, place.position)));
      const row = firstRow === null ? null : firstRow + steps.length;
      steps.push(summed(taps, target, channel, place.position, { stage, row }));
    }
  return steps;
}

/** The step that writes the sum of its taps' products, in their order. */
export function summed(taps, target, channel, position, { stage = "", row = null } = {}) {
  let result = 0;
  for (const one of taps) result += one.factor === null ? one.value : one.value * one.factor;
  const text = total(taps.map((one) => term(one.value, one.factor)), result);
  return step(stage, taps, [write(target, channel, position, result)], text, { row });
}

/** The steps of a transposed convolution that spreads its input, one cell a step. */
export function scattered(bound, source, weight, target, { bias = null, stage = "" } = {}) {
  const [into, out] = perGroup(bound);
  const size = bound.outputSize;
  const cells = product(size);
  const tapCount = product(weight.size);
  const sums = Array.from({ length: bound.outChannels * cells }, (_, n) =>
    bias ? bias.values[Math.floor(n / cells)] : 0,
  );
  const starts = sums.map((value, n) => write(target, Math.floor(n / cells), unflat(n % cells, size), value));
  const steps = [step("start", [], starts, "")];
  const places = scatter(bound);
  for (let inChannel = 0; inChannel < bound.inChannels; inChannel++)
    for (const place of places) {
      const column = flat(inChannel, place.position, source.size);
      const value = source.values[column];
      const [taps, writes, texts] = [[], [], []];
      for (let local = 0; local < out; local++) {
        const outChannel = Math.floor(inChannel / into) * out + local;
        const block = inChannel * out + local;
        for (const reach of place.reaches) {
          const at = tapIndex(bound, reach.tap);
          const factor = weight.values[block * tapCount + at];
          const where = { grid: weight.name, channel: block, position: unflat(at, weight.size) };
          taps.push(tap(source.name, inChannel, place.position, value, factor, where));
          let after = value * factor; // what is cut off shows what would be added
          if (reach.inside) {
            const n = flat(outChannel, reach.position, size);
            const before = sums[n];
            after = sums[n] = before + value * factor;
            texts.push([before, term(value, factor), after]);
          }
          writes.push(write(target, outChannel, reach.position, after));
        }
      }
      steps.push(step(stage, taps, writes, running(texts), { scatter: true, column }));
    }
  return steps;
}

/** The matrix from source to target, collected out of the steps; null: too large to draw. */
export function sparse(name, steps, source, target) {
  const [rows, columns] = [target.values.length, source.values.length];
  if (rows > LIMITS.rows || columns > LIMITS.columns) return null;
  const found = new Map(); // row * columns + column -> factor
  for (const one of steps)
    one.taps.forEach((t, index) => {
      const w = one.writes[one.scatter ? index : 0];
      if (t.grid !== source.name || w.grid !== target.name || t.factor === null) return;
      if (!inside(w.position, target.size)) return;
      const row = flat(w.channel, w.position, target.size);
      for (const corner of t.corners.length ? t.corners : [{ position: t.position, share: 1 }]) {
        if (!inside(corner.position, source.size)) continue;
        const key = row * columns + flat(t.channel, corner.position, source.size);
        found.set(key, (found.get(key) ?? 0) + corner.share * t.factor);
      }
    });
  const entries = [...found].sort((a, b) => a[0] - b[0]).map(([key, factor]) => [Math.floor(key / columns), key % columns, factor]);
  return { name, rows, columns, entries };
}

/** The values of the grid `name` when all steps are done. */
export function written(name, steps, channels, size) {
  const values = Array(channels * product(size)).fill(0);
  for (const one of steps)
    for (const w of one.writes)
      if (w.grid === name && inside(w.position, size)) values[flat(w.channel, w.position, size)] = w.value;
  return values;
}

/** The value of a cell; in padding and in holes there is zero. */
export function read(source, channel, position) {
  return inside(position, source.size) ? source.values[flat(channel, position, source.size)] : 0;
}

/** The taps of one output cell, zeros of the padding and of holes included. */
function windowTaps(bound, source, weight, outChannel, place) {
  const [into, out] = perGroup(bound);
  const tapCount = product(weight.size);
  const taps = [];
  for (let local = 0; local < into; local++) {
    const inChannel = Math.floor(outChannel / out) * into + local;
    const block = bound.transposed ? inChannel * out + (outChannel % out) : outChannel * into + local;
    for (const reach of place.reaches) {
      const at = tapIndex(bound, reach.tap);
      const value = read(source, inChannel, reach.position);
      const where = { grid: weight.name, channel: block, position: unflat(at, weight.size) };
      taps.push(tap(source.name, inChannel, reach.position, value, weight.values[block * tapCount + at], where));
    }
  }
  return taps;
}

/** The place of a tap in the kernel: from the other end when the kernel is flipped. */
function tapIndex(bound, at) {
  return at.reduce(
    (index, k, a) => index * bound.axes[a].kernel + (bound.flip ? bound.axes[a].kernel - 1 - k : k), 0,
  );
}
