// Scenes of squeeze and excitation: juanji/draw/squeeze_excite.py in JavaScript.

import { positions, product } from "./relation.js";
import { arrow, atMost, fact, grid, scene, step, tap, write } from "./scene.js";
import { sigmoid } from "./blocks.js";
import { kept, number, sample, term, total } from "./numbers.js";
import { numbers, read, written } from "./stages.js";

export function squeezeExcite(size, channels, middle, input) {
  const cells = positions(size);
  atMost("cells", 2 * channels * (cells.length + middle + 1));
  const groups = Array.from({ length: channels }, (_, c) => c);
  const source = grid({
    name: "input", title: "input", role: "input", size, channels,
    values: numbers(input, channels * product(size), 0, 9, 1), column: 0, groups,
  });
  const down = matrix("reduce weight", middle, channels, 2, 2);
  const up = matrix("expand weight", channels, middle, 3, 3);
  const steps = groups.map((channel) => squeeze(source, channel, cells));
  const squeezed = made("squeeze", steps, channels, 1);
  steps.push(...layer("reduce", squeezed, down, true));
  const hidden = made("reduce", steps, middle, 2);
  steps.push(...layer("expand", hidden, up, false));
  const gate = made("expand", steps, channels, 3);
  for (const channel of groups) {
    const factor = read(gate, 0, [channel, 0]);
    for (const at of cells) {
      const value = read(source, channel, at);
      const taps = [tap("input", channel, at, value, factor, { grid: "expand", channel: 0, position: [channel, 0] })];
      const text = `${term(value, factor)} = ${number(value * factor)}`;
      steps.push(step("scale", taps, [write("output", channel, at, value * factor)], text));
    }
  }
  const output = grid({
    name: "output", title: "output", role: "output", size, channels, values: written("output", steps, channels, size), column: 4, groups,
  });
  return scene({
    operator: "squeeze-excite", title: "squeeze-excite",
    facts: [fact("weights", `2 x ${channels} x ${middle} = ${2 * channels * middle}`)],
    grids: [source, squeezed, hidden, gate, down, up, output],
    steps,
    arrows: [["input", "squeeze"], ["squeeze", "reduce"], ["reduce", "expand"], ["expand", "output"]].map((ends) => arrow(...ends)),
  });
}

function matrix(name, rows, columns, column, seed) {
  const values = sample(rows * columns, -2, 2, seed).map((value) => value / 8); // small: the gates stay apart
  return grid({ name, title: "weight", role: "weight", size: [rows, columns], channels: 1, values, column, row: 1 });
}

function made(name, steps, cells, column) {
  return grid({ name, title: name, role: "between", size: [cells, 1], channels: 1, values: written(name, steps, 1, [cells, 1]), column });
}

/** The step that averages one channel. */
function squeeze(source, channel, cells) {
  const values = cells.map((at) => read(source, channel, at));
  const taps = cells.map((at, n) => tap("input", channel, at, values[n], 1 / cells.length));
  const mean = values.reduce((all, value) => all + value, 0) / cells.length;
  const text = `(${kept(values.map(number)).join(" + ")}) / ${cells.length} = ${number(mean)}`;
  return step("squeeze", taps, [write("squeeze", 0, [channel, 0], mean)], text);
}

/** The steps of a fully connected layer, with ReLU or sigmoid behind it. */
function layer(name, source, weight, relu) {
  const [rows, columns] = weight.size;
  return Array.from({ length: rows }, (_, row) => {
    const [taps, terms] = [[], []];
    let result = 0;
    for (let column = 0; column < columns; column++) {
      const value = source.values[column];
      const factor = read(weight, 0, [row, column]);
      taps.push(tap(source.name, 0, [column, 0], value, factor, { grid: weight.name, channel: 0, position: [row, column] }));
      terms.push(term(value, factor));
      result += value * factor;
    }
    const sum = total(terms, result);
    const after = relu ? Math.max(result, 0) : sigmoid(result);
    const text = relu ? `max(0, ${sum}) = ${number(after)}` : `1 / (1 + exp(-x)) = ${number(after)};  x = ${sum}`;
    return step(name, taps, [write(name, 0, [row, 0], after)], text);
  });
}
