// Scenes of pooling: juanji/draw/pool.py in JavaScript.

import { Refusal, product } from "./relation.js";
import { atMost, fact, grid, scene, step, tap, write } from "./scene.js";
import { kept, number, sample, shape, total } from "./numbers.js";
import { outputSize, view } from "./facts.js";
import { numbers, read, sparse, written } from "./stages.js";
import { around, gather } from "./windows.js";

export function maxPool(bound, channels, input) {
  const source = poolInput(bound, channels, input);
  const steps = each(bound, channels).map(([channel, place]) => {
    const best = greatest(source, channel, place);
    const value = read(source, channel, best);
    const taps = place.reaches.map(({ position, inside }) =>
      tap(source.name, channel, position, inside ? read(source, channel, position) : -Infinity, Number(same(position, best))),
    );
    const terms = kept(taps.filter((one) => !(one.value <= -Infinity)).map((one) => number(one.value)));
    return poolStep(bound, "", taps, channel, place, value, `max(${terms.join(", ")}) = ${number(value)}`);
  });
  return poolScene("max-pool", bound, source, steps);
}

export function avgPool(bound, channels, input, { countPadding = true, divisor = null, operator = "avg-pool" } = {}) {
  const source = poolInput(bound, channels, input);
  const counted = (position) =>
    position.every((at, a) => {
      const axis = bound.axes[a];
      return -axis.padLow * countPadding <= at && at < axis.fine + axis.padHigh * countPadding;
    });
  const steps = each(bound, channels).map(([channel, place]) => {
    const cells = place.reaches.map(({ position }) => position).filter(counted);
    const values = cells.map((position) => read(source, channel, position));
    const count = divisor || cells.length;
    const taps = cells.map((position, n) => tap(source.name, channel, position, values[n], 1 / count));
    const result = sum(values) / count;
    const text = `(${kept(values.map(number)).join(" + ")}) / ${count} = ${number(result)}`;
    return poolStep(bound, "", taps, channel, place, result, text);
  });
  return poolScene(operator, bound, source, steps);
}

export function stochasticPool(bound, channels, input, { random = null, training = true } = {}) {
  const source = poolInput(bound, channels, input);
  if (!source.values.every((value) => value >= 0)) throw new Refusal("negative");
  const outputs = channels * product(bound.outputSize);
  const drawn = random ?? sample(outputs, 0, 99, 4).map((value) => value / 100);
  const chance = grid({
    name: "random", title: "random number", role: "input", size: bound.outputSize, channels,
    values: numbers(drawn, outputs, 0, 0, 0), column: 1, row: 1,
  });
  const steps = each(bound, channels).flatMap(([channel, place]) => {
    const shared = shares(source, channel, place);
    const second = training
      ? draw(bound, source, chance, shared, channel, place)
      : weighted(bound, shared, channel, place);
    return [shared, second];
  });
  const size = bound.axes.map((axis) => axis.kernel);
  const probability = grid({
    name: "probability", title: "probability", role: "between", size, channels: 1,
    values: written("probability", steps, 1, size), column: 1, gaps: bound.axes.map((axis) => axis.dilation),
  });
  return poolScene("stochastic-pool", bound, source, steps, training ? [probability, chance] : [probability]);
}

/** The grid of what is pooled, checked to be little enough to draw. */
export function poolInput(bound, channels, values) {
  const cells = product(bound.inputSize);
  const outputs = product(bound.outputSize);
  const kernel = product(bound.axes.map((axis) => axis.kernel));
  atMost("cells", channels * (cells + outputs));
  atMost("steps", channels * outputs);
  atMost("taps", channels * outputs * kernel);
  for (const axis of bound.axes)
    if (Math.max(axis.padLow, axis.padHigh) > axis.dilation * (axis.kernel - 1)) throw new Refusal("poolPadding");
  const edges = bound.axes.map(around);
  return grid({
    name: "input", title: "input", role: "input", size: bound.inputSize, channels,
    values: numbers(values, channels * cells, 0, 9, 46), column: 0,
    low: edges.map(([low]) => low), high: edges.map(([, high]) => high),
  });
}

/** Every window of every channel, channels outside. */
export function each(bound, channels) {
  const places = gather(bound);
  return Array.from({ length: channels }, (_, c) => places.map((place) => [c, place])).flat();
}

/** Where the first of the greatest cells of a window is; of NaNs the last. */
export function greatest(source, channel, place) {
  const [first, ...others] = place.reaches.filter((reach) => reach.inside).map((reach) => reach.position);
  return others.reduce((best, position) => {
    const value = read(source, channel, position);
    return value > read(source, channel, best) || Number.isNaN(value) ? position : best;
  }, first);
}

/** Name a pooling by its settings. */
export function describePool(operator, bound) {
  const [strides, kernel] = [bound.axes.map((axis) => axis.stride), bound.axes.map((axis) => axis.kernel)];
  const once = (values, all) => (new Set(values).size > 1 ? all : values[0]);
  let text = `${operator} ${shape(kernel)}`;
  if (!same(strides, kernel)) text += `, stride ${once(strides, shape(strides))}`;
  if (bound.axes.some((axis) => axis.dilation > 1)) text += `, dilation ${shape(bound.axes.map((axis) => axis.dilation))}`;
  if (bound.axes.some((axis) => axis.padLow || axis.padHigh)) {
    const pads = bound.axes.map((axis) => `${axis.padLow}+${axis.padHigh}`);
    text += `, padding ${once(pads, shape(pads))}`;
  }
  return text;
}

export function same(a, b) {
  return a.every((item, n) => item === b[n]);
}

export function sum(values) {
  return values.reduce((all, value) => all + value, 0);
}

function poolStep(bound, stage, taps, channel, place, value, text, numbered = true) {
  const row = place.position.reduce((index, at, a) => index * bound.outputSize[a] + at, channel);
  return step(stage, taps, [write("output", channel, place.position, value)], text, { row: numbered ? row : null });
}

/** The step that divides the values of a window by their sum. */
function shares(source, channel, place) {
  const values = place.reaches.map(({ position }) => read(source, channel, position));
  const whole = sum(values);
  const factor = whole ? 1 / whole : 0;
  const parts = values.map((value) => (whole ? value / whole : 0));
  return step(
    "probabilities",
    place.reaches.map(({ position }, n) => tap(source.name, channel, position, values[n], factor)),
    place.reaches.map((reach, n) => write("probability", 0, reach.tap, parts[n])),
    kept(values.map((value, n) => `${number(value)}/${number(whole)} = ${number(parts[n])}`)).join(", "),
    { scatter: true },
  );
}

/** The step in which the random number points at one cell. */
function draw(bound, source, chance, shared, channel, place) {
  const drawn = read(chance, channel, place.position);
  let rest = drawn * sum(shared.taps.map((one) => one.value));
  let chosen = place.reaches.findIndex((reach) => reach.inside);
  shared.taps.forEach((one, index) => {
    if (one.value > 0 && rest >= 0) chosen = index;
    rest -= one.value;
  });
  const before = sum(shared.writes.slice(0, chosen).map((one) => one.value));
  const [share, from] = [shared.writes[chosen], shared.taps[chosen]];
  const text = `${number(before)} <= ${number(drawn)} < ${number(before + share.value)}: ${number(from.value)}`;
  const taps = [
    tap(chance.name, channel, place.position, drawn),
    tap("probability", 0, share.position, share.value),
    tap(source.name, channel, from.position, from.value),
  ];
  return poolStep(bound, "draw", taps, channel, place, from.value, text, false);
}

/** The step that averages by the probabilities. */
function weighted(bound, shared, channel, place) {
  const taps = shared.taps.map((one, n) => {
    const { value, position } = shared.writes[n];
    return tap(one.grid, channel, one.position, one.value, value, { grid: "probability", channel: 0, position });
  });
  const result = sum(taps.map((one) => one.value * one.factor));
  const text = total(taps.map((one) => `${number(one.value)}*${number(one.factor)}`), result);
  return poolStep(bound, "average", taps, channel, place, result, text, false);
}

function poolScene(operator, bound, source, steps, beside = []) {
  const size = bound.outputSize;
  const output = grid({
    name: "output", title: "output", role: "output", size, channels: source.channels,
    values: written("output", steps, source.channels, size), column: beside.length ? 2 : 1,
  });
  return scene({
    operator,
    title: describePool(operator, bound),
    facts: [outputSize(bound), fact("weights", "0"), fact("view", view(bound))],
    grids: [source, ...beside, output],
    steps,
    matrix: beside.length ? null : sparse("C", steps, source, output),
  });
}
