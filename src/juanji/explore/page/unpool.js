// Scenes of unpooling: juanji/draw/unpool.py in JavaScript.

import { positions, product } from "./relation.js";
import { atMost, fact, flat, grid, scene, step, tap, unflat, write } from "./scene.js";
import { number, running, shape } from "./numbers.js";
import { describePool, each, greatest, maxPool, poolInput } from "./pool.js";
import { numbers, read, sparse, written } from "./stages.js";

export function maxPoolAndUnpool(bound, channels, input) {
  const source = poolInput(bound, channels, input);
  const windows = each(bound, channels);
  const recording = maxPool(bound, channels, input).steps.map((one, n) => {
    const [channel, place] = windows[n];
    const best = flat(0, greatest(source, channel, place), source.size);
    const [made] = one.writes;
    const writes = [
      write("pooled", channel, made.position, made.value),
      write("indices", channel, made.position, best),
    ];
    return step("pool", one.taps, writes, `${one.arithmetic};  argmax = ${best}`);
  });
  const size = bound.outputSize;
  const [values, indices] = ["pooled", "indices"].map((name, row) =>
    grid({ name, title: name, role: "between", size, channels, values: written(name, recording, channels, size), column: 1, row }),
  );
  const steps = [...recording, ...writtenBack(bound, values, indices)];
  return unpoolScene("max-unpool", bound, [source, values, indices], steps, null);
}

export function avgUnpool(bound, channels, pooled) {
  const size = bound.outputSize;
  atMost("cells", channels * (2 * product(size) + product(bound.inputSize)));
  atMost("steps", channels * product(size) + 1);
  const values = grid({
    name: "pooled", title: "pooled", role: "input", size, channels,
    values: numbers(pooled, channels * product(size), 1, 9, 46), column: 0,
  });
  const held = Array(product(bound.inputSize)).fill(0);
  for (const [, place] of each(bound, 1))
    for (const reach of place.reaches) if (reach.inside) held[flat(0, reach.position, bound.inputSize)] += 1;
  const steps = held.every(Boolean) ? [] : [zeros(bound, channels)];
  const sums = Array(channels * held.length).fill(0);
  for (const [channel, place] of each(bound, channels)) {
    const value = read(values, channel, place.position);
    const [taps, writes, texts] = [[], [], []];
    let shared = false;
    for (const { position, inside } of place.reaches) {
      if (!inside) continue;
      const count = held[flat(0, position, bound.inputSize)];
      const n = flat(channel, position, bound.inputSize);
      const before = sums[n];
      sums[n] = before + value * (1 / count);
      shared ||= count > 1;
      taps.push(tap(values.name, channel, place.position, value, 1 / count));
      writes.push(write("output", channel, position, sums[n]));
      texts.push([before, `${number(value)}/${count}`, sums[n]]);
    }
    const whole = `${number(value)} -> ${shape(bound.axes.map((axis) => axis.kernel))}`;
    const column = flat(channel, place.position, size);
    steps.push(step("", taps, writes, shared ? running(texts) : whole, { scatter: true, column }));
  }
  return unpoolScene("avg-unpool", bound, [values], steps, values);
}

/** The steps that write zeros everywhere, and then every value to its cell. */
function writtenBack(bound, values, indices) {
  const fine = bound.inputSize;
  const steps = [zeros(bound, values.channels)];
  for (let channel = 0; channel < values.channels; channel++)
    for (const at of positions(values.size)) {
      const [value, cell] = [read(values, channel, at), read(indices, channel, at)];
      const taps = [tap(values.name, channel, at, value, 1), tap(indices.name, channel, at, cell)];
      const text = `output[${spelled(cell, fine)}] = ${number(value)}`;
      const column = flat(channel, at, values.size);
      steps.push(step("unpool", taps, [write("output", channel, unflat(cell, fine), value)], text, { column }));
    }
  return steps;
}

/** How an index is made of a position: 6 in (2, 4) is "6 = 1*4 + 2". */
function spelled(cell, size) {
  const parts = unflat(cell, size).map((at, a) => {
    const rest = product(size.slice(a + 1));
    return rest > 1 ? `${at}*${rest}` : `${at}`;
  });
  return size.length === 1 ? parts.join(" + ") : `${cell} = ${parts.join(" + ")}`;
}

function zeros(bound, channels) {
  const cells = positions(bound.inputSize);
  const writes = Array.from({ length: channels }, (_, c) => cells.map((cell) => write("output", c, cell, 0))).flat();
  return step("start", [], writes, "");
}

function unpoolScene(operator, bound, before, steps, through) {
  const [size, { channels }] = [bound.inputSize, before[0]];
  const output = grid({
    name: "output", title: "output", role: "output", size, channels,
    values: written("output", steps, channels, size), column: Math.max(...before.map((one) => one.column)) + 1,
  });
  const sizes = bound.axes.map((axis) => {
    const span = axis.dilation * (axis.kernel - 1) + 1;
    const exact = (axis.coarse - 1) * axis.stride + span === axis.fine + axis.padLow + axis.padHigh;
    if (!exact) return `${axis.coarse} -> ${axis.fine}`;
    return `(${axis.coarse} - 1)*${axis.stride} + ${span} - ${axis.padLow} - ${axis.padHigh} = ${axis.fine}`;
  });
  return scene({
    operator,
    title: describePool(operator, bound),
    facts: [fact("output size", [...new Set(sizes)].join(";  ")), fact("weights", "0")],
    grids: [...before, output],
    steps,
    matrix: through ? sparse("C^T", steps, through, output) : null,
  });
}
