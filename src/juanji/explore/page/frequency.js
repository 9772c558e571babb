// Scenes of the two resolutions: juanji/draw/frequency.py in JavaScript.

import { product } from "./relation.js";
import { arrow, atMost, fact, grid, scene, step, tap, write } from "./scene.js";
import { number, shape } from "./numbers.js";
import { halve } from "./octave_paths.js";
import { averaged, eachCell, repeated } from "./resample.js";
import { numbers, read, written } from "./stages.js";

const filledWith = (count, value) => Array(count).fill(value);

export function octaveSplit(size, channels, low, input, alpha = "") {
  const cells = product(size);
  atMost("cells", 2 * channels * cells);
  const high = channels - low;
  const source = grid({
    name: "input", title: "input", role: "input", size, channels, values: numbers(input, channels * cells, 0, 9, 1), column: 0,
    groups: [...filledWith(high, 0), ...filledWith(low, 1)],
  });
  const steps = copied(source, high, "high");
  const grids = [source];
  if (high)
    grids.push(grid({
      name: "high", title: "high", role: "output", size, channels: high, values: written("high", steps, high, size),
      column: 1, groups: filledWith(high, 0),
    }));
  if (low) {
    const last = { ...source, channels: low, values: source.values.slice(high * cells), groups: filledWith(low, 1) };
    const [averages, small] = averaged(last, "low", size.map(() => 2), { stage: "low", column: 1, row: 1, role: "output" });
    steps.push(...averages.map((one) => shifted(one, high)));
    grids.push(small);
  }
  const saved = low * (cells - product(halve(size)));
  return scene({
    operator: "octave-split", title: "octave-split",
    facts: [
      fact("alpha", alpha || `${low}/${channels}`),
      fact("output size", grids.slice(1).map((one) => shape([one.channels, ...one.size])).join(" and ")),
      fact("parts", `${channels * cells} -> ${channels * cells - saved}`),
    ],
    grids, steps, arrows: grids.slice(1).map((one) => arrow("input", one.name)),
  });
}

export function octaveMerge(size, high, low, highValues, lowValues) {
  const cells = product(size);
  const half = halve(size);
  atMost("cells", 2 * (high + low) * cells);
  const [grids, steps] = [[], []];
  if (high) {
    grids.push(grid({
      name: "high", title: "high", role: "input", size, channels: high, values: numbers(highValues, high * cells, 0, 9, 1), column: 0,
    }));
    steps.push(...copied(grids[0], high, "output"));
  }
  if (low) {
    const small = grid({
      name: "low", title: "low", role: "input", size: half, channels: low, column: 0, row: 1,
      values: numbers(lowValues, low * product(half), 0, 9, 6), groups: filledWith(low, 1),
    });
    grids.push(small);
    steps.push(...repeated(small, "output", size.map(() => 2), size, { stage: "low" }).map((one) => shifted(one, 0, high)));
  }
  const output = grid({
    name: "output", title: "output", role: "output", size, channels: high + low,
    values: written("output", steps, high + low, size), column: 1, groups: [...filledWith(high, 0), ...filledWith(low, 1)],
  });
  return scene({
    operator: "octave-merge", title: "octave-merge", facts: [fact("output size", shape([high + low, ...size]))],
    grids: [...grids, output], steps, arrows: grids.map((one) => arrow(one.name, "output")),
  });
}

export function frequencySplit(size, channels, image) {
  const cells = product(size);
  atMost("cells", 4 * channels * cells);
  const whole = grid({
    name: "image", title: "image", role: "input", size, channels, values: numbers(image, channels * cells, 0, 9, 1), column: 0,
  });
  const block = size.map(() => 2);
  const [averages, small] = averaged(whole, "average", block, { stage: "average", column: 1 });
  const repeats = repeated(small, "low", block, size, { stage: "repeat" });
  const output = (name, steps, row) =>
    grid({ name, title: name, role: "output", size, channels, values: written(name, steps, channels, size), column: 2, row });
  const low = output("low", repeats, 1);
  const rests = eachCell(channels, size).map(([channel, at]) => {
    const [x, smooth] = [read(whole, channel, at), read(low, channel, at)];
    const text = `${number(x)} - ${smooth < 0 ? `(${number(smooth)})` : number(smooth)} = ${number(x - smooth)}`;
    const taps = [tap("image", channel, at, x, 1), tap("low", channel, at, smooth, -1)];
    return step("rest", taps, [write("high", channel, at, x - smooth)], text);
  });
  return scene({
    operator: "frequency-split", title: "frequency-split",
    facts: [fact("output size", `${shape(size)} and ${shape(small.size)}`), fact("parts", "image = high + low")],
    grids: [whole, small, output("high", rests, 0), low],
    steps: [...averages, ...repeats, ...rests],
    arrows: [arrow("image", "average"), arrow("average", "low"), arrow("image", "high")],
  });
}

/** The steps that copy the first channels, cell by cell. */
function copied(source, channels, target) {
  return eachCell(channels, source.size).map(([channel, at]) => {
    const value = read(source, channel, at);
    return step("high", [tap(source.name, channel, at, value, 1)], [write(target, channel, at, value)], number(value));
  });
}

/** The step with its channels counted from others on. */
function shifted(one, reads, writes = 0) {
  return step(
    one.stage,
    one.taps.map((t) => tap(t.grid, t.channel + reads, t.position, t.value, t.factor)),
    one.writes.map((w) => write(w.grid, w.channel + writes, w.position, w.value)),
    one.arithmetic, { scatter: one.scatter },
  );
}
