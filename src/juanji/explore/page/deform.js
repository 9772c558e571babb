// Scenes of deformable convolution: juanji/draw/deform.py in JavaScript.

import { Refusal, positions, product } from "./relation.js";
import { fact, grid, scene, step, tap, unflat, write } from "./scene.js";
import { bounded } from "./convolution.js";
import { ofConv } from "./facts.js";
import { number, sample, shape, term, total } from "./numbers.js";
import { biasGrid, inputGrid, numbers, outputGrid, perGroup, read, sparse, weightGrid, written } from "./stages.js";
import { gather } from "./windows.js";

export const PATTERNS = ["free", "none", "scale", "aspect", "rotate"];
const DIAGONAL = 0.7071067811865476; // cos(45 degrees)

export function deformable(bound, { input, weight, offset, bias, mask = null, pattern = "free", title } = {}) {
  bounded(bound);
  const source = inputGrid(bound, input);
  const kernels = weightGrid(bound, weight, { column: 1 });
  const moved = samples(bound, source, offset ?? patternOffsets(bound, pattern), mask, kernels);
  const { groups, axes } = moved;
  const others = bias ? [biasGrid(bias, { column: 1, row: 1 })] : [];
  const steps = gather(bound).flatMap((place, index) =>
    Array.from({ length: bound.outChannels }, (_, channel) => oneStep(moved, kernels, others, channel, index, place)),
  );
  const [size, count] = [kernels.size, source.channels];
  const made = (name, channels, row, more) =>
    grid({
      name, title: name, role: "between", size, channels, values: written(name, steps, channels, size), column: 2, row, ...more,
    });
  const between = [
    made("offset", groups * axes, 0, { across: axes }),
    made("sample", count, 1, { across: Math.min(count, 4) }),
    ...(mask ? [made("mask", groups, 2)] : []),
  ];
  const target = outputGrid(bound, steps, { column: 3 });
  const offsets = `${groups > 1 ? `${groups} x ` : ""}${moved.taps} x ${axes}`;
  const parts = `offset: ${offsets} x ${moved.places} = ${groups * moved.taps * axes * moved.places}`;
  return scene({
    operator: "deformable",
    title: title || `deformable ${shape(size)}`,
    facts: [
      ...ofConv(bound, { bias: Boolean(bias) }).map((one) => (one.key === "view" ? fact("view", viewOf(steps)) : one)),
      fact("parts", parts),
    ],
    grids: [source, kernels, ...between, target, ...others],
    steps,
    matrix: sparse("C", steps, source, target),
  });
}

/** The offsets (K * d, *outputSize) of a pattern. */
export function patternOffsets(bound, pattern) {
  const axes = bound.axes.length;
  const places = product(bound.outputSize);
  const taps = positions(bound.axes.map((axis) => axis.kernel));
  if (pattern === "free") return sample(axes * taps.length * places, -4, 4, 5).map((value) => value / 4);
  if (pattern === "rotate" && axes !== 2) throw new Refusal("rotateTwo");
  return taps.flatMap((at) => {
    const centred = at.map((k, a) => (k - (bound.axes[a].kernel - 1) / 2) * bound.axes[a].dilation);
    return centred.flatMap((_, axis) => Array(places).fill(shift(pattern, centred, axis)));
  });
}

function shift(pattern, centred, axis) {
  const at = centred[axis];
  if (pattern === "scale") return at * 0.5;
  if (pattern === "aspect") return axis === centred.length - 1 ? at * 0.75 : -at * 0.25;
  if (pattern === "rotate") {
    const [y, x] = centred;
    return (axis === 0 ? y + x : x - y) * DIAGONAL - at;
  }
  return 0;
}

/** Where the taps go: the samples of one input, by offset group, tap and place. */
function samples(bound, source, offset, mask, kernels) {
  const axes = bound.axes.length;
  const taps = product(kernels.size);
  const places = product(bound.outputSize);
  const groups = Math.max(Math.floor(offset.length / (axes * taps * places)), 1);
  const shifts = numbers(offset, groups * axes * taps * places, 0, 0, 0);
  const factors = mask && numbers(mask, groups * taps * places, 0, 0, 0);
  return {
    bound, source, axes, taps, places, groups, masked: Boolean(mask),
    shift: (group, n, axis, place) => shifts[((group * taps + n) * axes + axis) * places + place],
    modulation: (group, n, place) => (factors ? factors[(group * taps + n) * places + place] : 1),
    group: (channel) => Math.floor((channel * groups) / Math.max(source.channels, 1)),
    value: (channel, corners) =>
      corners.reduce((all, corner) => all + corner.share * read(source, channel, corner.position), 0),
  };
}

/** The cells around a position, with their shares; none far outside. */
function cornersOf(position, size) {
  if (!position.every((at, a) => at >= -1 && at < size[a])) return [];
  const near = position.map(Math.floor);
  return positions(size.map(() => 2))
    .map((sides) => ({
      position: near.map((low, a) => low + sides[a]),
      share: position.reduce((all, at, a) => all * (sides[a] ? at - near[a] : 1 - (at - near[a])), 1),
    }))
    .filter(({ share }) => share);
}

/** The step of one output cell, which fills the samples too. */
function oneStep(moved, kernels, others, channel, index, place) {
  const { bound } = moved;
  const [into, out] = perGroup(bound);
  const [taps, terms, writes] = [[], [], []];
  let [detail, result] = ["", 0];
  for (let local = 0; local < into; local++) {
    const from = Math.floor(channel / out) * into + local;
    const group = moved.group(from);
    place.reaches.forEach((reach, n) => {
      const at = unflat(n, kernels.size);
      const shifts = at.map((_, axis) => moved.shift(group, n, axis, index));
      const position = reach.position.map((p, axis) => p + shifts[axis]);
      const corners = cornersOf(position, moved.source.size);
      const between = moved.value(from, corners);
      const modulation = moved.modulation(group, n, index);
      const block = channel * into + local;
      const weight = kernels.values[block * moved.taps + n];
      const factor = weight * modulation;
      taps.push(tap("input", from, position, between, factor, { grid: kernels.name, channel: block, position: at }, corners));
      terms.push(moved.masked ? `${term(between, weight)}*${number(modulation)}` : term(between, weight));
      if (!detail && corners.length > 1) detail = `;  ${interpolation(moved, from, corners, between)}`;
      result += between * factor;
      writes.push(write("sample", from, at, between));
      shifts.forEach((by, axis) => writes.push(write("offset", group * at.length + axis, at, by)));
      if (moved.masked) writes.push(write("mask", group, at, modulation));
    });
  }
  for (const other of others) {
    const at = other.name === "bias" ? [0] : place.position;
    const added = read(other, channel, at);
    taps.push(tap(other.name, channel, at, added));
    terms.push(number(added));
    result += added;
  }
  return step("", taps, [write("output", channel, place.position, result), ...writes], total(terms, result) + detail, {
    row: channel * moved.places + index,
  });
}

/** How a sample is made of the cells around it. */
function interpolation({ source }, channel, corners, value) {
  return total(corners.map(({ share, position }) => `${number(share)}*${number(read(source, channel, position))}`), value);
}

/** How many cells the output cells see at most, from the first to the last, per axis. */
function viewOf(steps) {
  const seen = steps.map((one) => one.taps.flatMap((t) => t.corners.map((corner) => corner.position))).filter((cells) => cells.length);
  if (!seen.length) return "0";
  const spans = seen.map((cells) =>
    cells[0].map((_, a) => Math.max(...cells.map((cell) => cell[a])) - Math.min(...cells.map((cell) => cell[a])) + 1),
  );
  return shape(spans[0].map((_, a) => Math.max(...spans.map((span) => span[a]))));
}
