// Steps between two resolutions: juanji/draw/resample.py in JavaScript.

import { positions } from "./relation.js";
import { grid, step, tap, write } from "./scene.js";
import { kept, number, running, shape, total } from "./numbers.js";
import { read, written } from "./stages.js";

/** [steps, grid]: averages of blocks of `block` cells, those that exist. */
export function averaged(source, target, block, { stage = "", column = 0, row = 0, role = "between", title } = {}) {
  const size = source.size.map((cells, a) => Math.ceil(cells / block[a]));
  const steps = eachCell(source.channels, size).map(([channel, at]) => {
    const cells = blockCells(at, block, source.size);
    const values = cells.map((cell) => read(source, channel, cell));
    const taps = cells.map((cell, n) => tap(source.name, channel, cell, values[n], 1 / cells.length));
    const result = values.reduce((all, value) => all + value, 0) / cells.length;
    const text = `(${kept(values.map(number)).join(" + ")}) / ${cells.length} = ${number(result)}`;
    return step(stage, taps, [write(target, channel, at, result)], text);
  });
  const made = grid({
    name: target, title: title || target, role, size, channels: source.channels,
    values: written(target, steps, source.channels, size), column, row, groups: source.groups,
  });
  return [steps, made];
}

/** The steps that repeat cells, cropped to `size`, each added to what is there before. */
export function repeated(source, target, times, size, { stage = "", before = null } = {}) {
  return eachCell(source.channels, source.size).map(([channel, at]) => {
    const value = read(source, channel, at);
    const [taps, writes, texts] = [[], [], []];
    for (const cell of blockCells(at, times, size)) {
      const old = before ? read(before, channel, cell) : 0;
      taps.push(tap(source.name, channel, at, value, 1));
      writes.push(write(target, channel, cell, old + value));
      texts.push([old, number(value), old + value]);
    }
    const text = before ? running(texts) : `${number(value)} -> ${shape(times)}`;
    return step(stage, taps, writes, text, { scatter: true });
  });
}

/** The steps that sum blocks, added to what is there: the adjoint of `repeated`. */
export function collected(source, target, block, size, { stage = "", before = null } = {}) {
  return eachCell(source.channels, size).map(([channel, at]) => {
    const cells = blockCells(at, block, source.size);
    const taps = cells.map((cell) => tap(source.name, channel, cell, read(source, channel, cell), 1));
    if (before) taps.push(tap(target, channel, at, read(before, channel, at)));
    const result = taps.reduce((all, one) => all + one.value, 0);
    return step(stage, taps, [write(target, channel, at, result)], total(taps.map((one) => number(one.value)), result));
  });
}

/** The steps that share cells out over blocks: the adjoint of `averaged`. */
export function spread(source, target, block, size, { stage = "", before = null } = {}) {
  return eachCell(source.channels, source.size).map(([channel, at]) => {
    const value = read(source, channel, at);
    const cells = blockCells(at, block, size);
    const [taps, writes, texts] = [[], [], []];
    for (const cell of cells) {
      const old = before ? read(before, channel, cell) : 0;
      const after = old + value / cells.length;
      taps.push(tap(source.name, channel, at, value, 1 / cells.length));
      writes.push(write(target, channel, cell, after));
      texts.push([old, `${number(value)}/${cells.length}`, after]);
    }
    return step(stage, taps, writes, running(texts), { scatter: true });
  });
}

export function eachCell(channels, size) {
  const cells = positions(size);
  return Array.from({ length: channels }, (_, c) => cells.map((cell) => [c, cell])).flat();
}

/** The cells of a block that exist. */
function blockCells(at, block, size) {
  const starts = at.map((n, a) => n * block[a]);
  const lengths = size.map((cells, a) => Math.max(Math.min(block[a], cells - starts[a]), 0));
  return positions(lengths).map((cell) => cell.map((n, a) => starts[a] + n));
}
