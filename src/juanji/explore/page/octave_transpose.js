// Scenes of transposed octave convolution: juanji/draw/octave_transpose.py in JavaScript.

import { product } from "./relation.js";
import { arrow, atMost, grid, scene, step, unflat, write } from "./scene.js";
import { countWeights } from "./facts.js";
import { shape } from "./numbers.js";
import { blockOf, halve, octaveFacts, octavePaths, part } from "./octave_paths.js";
import { collected, spread } from "./resample.js";
import { gathered, groupsOf, numbers, outputGrid, weightGrid, written } from "./stages.js";

// forward name of a path: its name here, and its row in the picture
const ROWS = { "H->H": ["H->H", 0], "L->H": ["H->L", 1], "H->L": ["L->H", 2], "L->L": ["L->L", 3] };

export function octaveTranspose(bound, { high, low, weight, bias, alphaIn, alphaOut, downsample = "pool" }) {
  const { cut, paths } = octavePaths(bound, alphaIn, alphaOut, downsample === "pool");
  const out = bound.outChannels * product(bound.outputSize);
  atMost("cells", bound.inChannels * product(bound.inputSize) + out + countWeights(bound));
  atMost("steps", 2 * out);
  const drawing = {
    bound, cut, paths, grids: [], steps: [], arrows: [], outputs: {}, paid: [],
    weight: numbers(weight, countWeights(bound), -1, 2, 2),
  };
  const sources = {};
  [["high", high, paths.coarse, 1], ["low", low, halve(paths.coarse), 6]].forEach(([name, values, size, seed], half) => {
    const channels = cut.given[half];
    if (!channels) return;
    sources[name] = grid({
      name, title: `${name} input`, role: "input", size, channels,
      values: numbers(values, channels * product(size), 0, 9, seed), column: 0, row: 2 * half, groups: groupsOf(channels, groupsIn(drawing, channels)),
    });
  });
  drawing.grids.push(...Object.values(sources));
  start(drawing, bias);
  walk(drawing, sources);
  const order = ["H->H", "H->L", "L->H", "L->L"];
  const paid = drawing.paid.sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
  return scene({
    operator: "octave-transpose",
    title: `octave-transpose ${shape(bound.axes.map((axis) => axis.kernel))}`,
    facts: octaveFacts(bound, cut, `${alphaIn} -> ${alphaOut}`, paid),
    grids: [...drawing.grids, ...Object.values(drawing.outputs)],
    steps: drawing.steps,
    arrows: drawing.arrows,
  });
}

function groupsIn({ bound, cut }, channels) {
  return cut.depthwise ? channels : bound.groups;
}

/** Fill the outputs with zero, or with the bias. */
function start(drawing, bias) {
  const { cut, paths } = drawing;
  const shifts = bias ?? Array(cut.made[0] + cut.made[1]).fill(0);
  const writes = [];
  [["high output", paths.fine, shifts.slice(0, cut.made[0])], ["low output", halve(paths.fine), shifts.slice(cut.made[0])]].forEach(
    ([name, size, own], half) => {
      if (!own.length) return;
      const cells = product(size);
      const values = own.flatMap((shift) => Array(cells).fill(shift));
      drawing.outputs[name] = grid({
        name, title: name, role: "output", size, channels: own.length, values, column: 4, row: 2 * half,
        groups: groupsOf(own.length, groupsIn(drawing, own.length)),
      });
      writes.push(...values.map((value, n) => write(name, Math.floor(n / cells), unflat(n % cells, size), value)));
    },
  );
  drawing.steps.push(step("start", [], writes, ""));
}

/** Add all paths that there are. */
function walk(drawing, sources) {
  const { bound, cut, paths } = drawing;
  if (cut.ordinary) {
    follow(drawing, "H->H", sources.high, bound, "high output", []);
    return;
  }
  const shares = [[spread, paths.pooled, paths.fine]];
  if (sources.high && cut.fine[0]) follow(drawing, "H->H", sources.high, paths.highToHigh.bound, "high output", shares);
  if (sources.high && cut.fine[1] && !cut.depthwise) {
    const way = paths.lowToHigh;
    const back = [[spread, way.shrink, way.repeated], [collected, way.repeat, way.given]];
    follow(drawing, "L->H", summed(drawing, sources.high, way), way.bound, "low output", back);
  }
  if (!sources.low) return;
  const way = paths.toLow.bound;
  if (cut.fine[0] && !cut.depthwise) {
    const average = paths.fine.map((n, a) => Math.ceil(n / paths.pooled[a]));
    const moves = [[spread, average.map(() => 2), average], ...shares];
    follow(drawing, "H->L", sources.low, part(way, cut.fine[0]), "high output", moves);
  }
  if (cut.fine[1]) {
    const own = cut.depthwise ? way : part(way, cut.fine[1]);
    follow(drawing, "L->L", sources.low, own, "low output", [[spread, paths.pooled, halve(paths.fine)]]);
  }
}

/** Sum the cells that the path forwards would have repeated. */
function summed(drawing, source, way) {
  if (way.after.every((times) => times === 1)) return source;
  return between(drawing, collected, source, "H->L: sum", way.after, way.bound.axes.map((axis) => axis.coarse), 1, 1);
}

function between(drawing, move, source, name, block, size, column, row) {
  const steps = move(source, name, block, size, { stage: name });
  drawing.steps.push(...steps);
  const made = grid({
    name, title: name, role: "between", size, channels: source.channels,
    values: written(name, steps, source.channels, size), column, row, groups: source.groups,
  });
  drawing.grids.push(made);
  drawing.arrows.push(arrow(source.name, name));
  return made;
}

/** Add one path: the convolution backwards, then what brings its result to the output's grid. */
function follow(drawing, forward, source, bound, target, all) {
  const [name, row] = ROWS[forward];
  const kernel = weightGrid(bound, blockOf(drawing.bound, drawing.cut, drawing.weight, forward), { column: 2, row, name });
  drawing.paid.push([name, bound]);
  drawing.grids.push(kernel);
  drawing.arrows.push(arrow(source.name, name));
  const moves = all.filter(([, block]) => block.some((by) => by > 1));
  if (!moves.length) {
    const rest = { ...drawing.outputs[target], name: target };
    drawing.steps.push(...gathered(bound, source, kernel, target, { rest, stage: name, firstRow: null }));
    drawing.arrows.push(arrow(name, target));
    grow(drawing, target);
    return;
  }
  const made = `${name} result`;
  const steps = gathered(bound, source, kernel, made, { stage: name, firstRow: null });
  drawing.steps.push(...steps);
  let x = outputGrid(bound, steps, { column: 3, row, name: made, role: "between" });
  drawing.grids.push(x);
  drawing.arrows.push(arrow(name, made));
  const [move, block, size] = moves.at(-1);
  moves.slice(0, -1).forEach(([inner, by, cells], n) => {
    x = between(drawing, inner, x, `${name}: step ${n + 1}`, by, cells, 3, row + 4);
  });
  drawing.steps.push(...move(x, target, block, size, { stage: `${name}: output`, before: drawing.outputs[target] }));
  drawing.arrows.push(arrow(x.name, target));
  grow(drawing, target);
}

/** Bring an output to what the steps so far wrote. */
function grow(drawing, target) {
  const one = drawing.outputs[target];
  drawing.outputs[target] = { ...one, values: written(target, drawing.steps, one.channels, one.size) };
}
