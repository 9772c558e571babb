// The records of juanji/draw/scene.py: plain objects with the same fields, defaults filled in.

import { Refusal, product } from "./relation.js";

export const LIMITS = { cells: 4096, pixels: 1 << 20, steps: 2048, taps: 65536, rows: 128, columns: 256 };

export function grid(fields) {
  return {
    row: 0, low: [], high: [], gaps: [], across: 1, groups: [], look: "numbers", ...fields,
  };
}

export function box(name, title, lines, column, row = 0) {
  return { name, title, lines, column, row };
}

export function arrow(source, target, label = "") {
  return { source, target, label };
}

export function fact(key, text) {
  return { key, text };
}

export function tap(grid, channel, position, value, factor = null, weight = null, corners = []) {
  return { grid, channel, position, value, factor, weight, corners };
}

export function write(grid, channel, position, value) {
  return { grid, channel, position, value };
}

export function step(stage, taps, writes, arithmetic, { scatter = false, row = null, column = null } = {}) {
  return { stage, taps, writes, arithmetic, scatter, row, column };
}

/** A scene with its defaults; refuses what is too much to draw. */
export function scene(fields) {
  const made = { steps: [], boxes: [], arrows: [], matrix: null, crops: [], ...fields };
  const cells = (look) =>
    made.grids.filter((g) => g.look === look).reduce((sum, g) => sum + g.values.length, 0);
  atMost("cells", cells("numbers"));
  atMost("pixels", cells("image"));
  atMost("steps", made.steps.length);
  atMost("taps", made.steps.reduce((sum, one) => sum + one.taps.length, 0));
  return made;
}

export function atMost(what, count) {
  if (count > LIMITS[what]) throw new Refusal("tooMuch", { what, count, limit: LIMITS[what] });
}

/** Whether there is a cell at a position. */
export function inside(position, size) {
  return position.every((at, axis) => Number.isInteger(at) && at >= 0 && at < size[axis]);
}

/** The index of a cell among a grid's values. */
export function flat(channel, position, size) {
  return position.reduce((index, at, axis) => index * size[axis] + at, channel);
}

/** The position of the cell with an index among those of one channel. */
export function unflat(index, size) {
  const position = [];
  for (let axis = size.length - 1; axis >= 0; axis--) {
    position[axis] = index % size[axis];
    index = Math.floor(index / size[axis]);
  }
  return position;
}

export function count(channels, size) {
  return channels * product(size);
}
