// Scenes of blocks: juanji/draw/blocks.py and inception.py in JavaScript.

import { bind, bindWindow } from "./relation.js";
import { arrow, fact, grid, scene, step, tap, write } from "./scene.js";
import { pointwise } from "./compositions.js";
import { view } from "./facts.js";
import { sample, shape } from "./numbers.js";
import { maxPool } from "./pool.js";
import { Sketch } from "./sketch.js";
import { written } from "./stages.js";

export function bottleneck(size, inChannels, middle, outChannels, kernel, input) {
  const whole = sized(size, kernel, inChannels, outChannels);
  const sketch = new Sketch();
  let x = sketch.input(size, inChannels, input);
  x = sketch.conv(x, "reduce", pointwise(size, inChannels, middle), null, { column: 1 });
  x = sketch.conv(x, "convolve", { ...whole, inChannels: middle, outChannels: middle }, null, { column: 2, seed: 3 });
  sketch.conv(x, "expand", pointwise(whole.outputSize, middle, outChannels), null, { column: 3, seed: 4, role: "output", title: "output" });
  const title = `bottleneck ${inChannels} -> ${middle} -> ${middle} -> ${outChannels}`;
  return sketch.scene("bottleneck", title, [fact("view", view(whole))], whole);
}

export function residual(size, channels, kernel, input, skip = 1) {
  const sketch = new Sketch();
  const x = sketch.input(size, channels, input);
  const bound = sized(size, kernel, channels, channels);
  const hidden = sketch.conv(x, "first", bound, null, { column: 1, row: 1, relu: true, seed: 2 });
  const change = sketch.conv(hidden, "second", bound, null, { column: 2, row: 1, seed: 3 });
  const weighed = skip === 1 ? "" : `${skip}*`;
  sketch.each(
    [change, sketch.grids.get("input")], "output", (v) => Math.max(v[0] + skip * v[1], 0),
    (t, y) => `max(0, ${t[0]} + ${weighed}${t[1]}) = ${y}`, { column: 3, role: "output" },
  );
  return sketch.scene("residual", "residual", [fact("parts", `relu(F(x) + ${weighed}x)`)]);
}

export function gated(size, channels, kernel, input) {
  const sketch = new Sketch();
  const x = sketch.input(size, channels, input);
  const bound = sized(size, kernel, channels, channels);
  const hidden = sketch.conv(x, "H", bound, null, { column: 1, row: 1, relu: true, seed: 2 });
  const small = sample(channels * channels * kernel ** size.length, -2, 1, 5).map((value) => value / 8); // gates between shut and open
  const score = sketch.conv(sketch.grids.get("input"), "score", bound, small, { column: 1, row: 3 });
  const gate = sketch.each([score], "T", (v) => sigmoid(v[0]), (t, y) => `1 / (1 + exp(-${t[0]})) = ${y}`, { column: 2, row: 3 });
  sketch.each(
    [gate, hidden, sketch.grids.get("input")], "output", (v) => v[0] * v[1] + (1 - v[0]) * v[2],
    (t, y) => `${t[0]}*${t[1]} + (1 - ${t[0]})*${t[2]} = ${y}`, { column: 3, role: "output" },
  );
  return sketch.scene("gated", "gated", [fact("parts", "T*H(x) + (1 - T)*x")]);
}

export function dense(size, channels, growth, layers, kernel, input) {
  const sketch = new Sketch();
  sketch.input(size, channels, input);
  const names = ["input"];
  for (let index = 0; index < layers; index++) {
    const bound = sized(size, kernel, channels + index * growth, growth);
    const before = names.map((name) => sketch.grids.get(name));
    const role = index === layers - 1 ? "output" : "between";
    sketch.conv(before, `layer ${index + 1}`, bound, null, { column: index + 1, relu: true, seed: 2 + index, role });
    names.push(`layer ${index + 1}`);
  }
  const text = `${channels} + ${layers}*${growth} = ${channels + layers * growth}`;
  return sketch.scene("dense", "dense", [fact("parts", text)]);
}

export function stacked(size, kernel, layers, input) {
  const sketch = new Sketch();
  let x = sketch.input(size, 1, input);
  for (let index = 0; index < layers; index++) {
    const last = index === layers - 1 ? { role: "output", title: "output" } : {};
    x = sketch.conv(x, `layer ${index + 1}`, valid(x.size, kernel), null, { column: index + 1, seed: 2 + index, ...last });
  }
  const large = layers * (kernel - 1) + 1;
  const cube = (n) => shape(size.map(() => n));
  const sight = fact("view", `1 + ${layers}*(${kernel} - 1) = ${large}`);
  return sketch.scene("stacked", `${layers} x ${cube(kernel)} = ${cube(large)}`, [sight], valid(size, large));
}

export function stackView(size, kernels, strides, dilations) {
  const layers = kernels.map((kernel, n) => ({ kernel, stride: strides[n], dilation: dilations[n] }));
  const count = layers.length;
  const sizes = [size];
  for (const layer of layers) sizes.push(bindWindow({ size: sizes.at(-1), ...layer, padding: 0 }).coarse);
  const grids = [grid({ name: "input", title: "input", role: "input", size: [size], channels: 1, values: Array(size).fill(1), column: 0, row: count })];
  const [steps, texts] = [[], []];
  let [seen, jump] = [1, 1];
  layers.forEach((layer, index) => {
    const last = index === count - 1;
    const name = last ? "output" : `layer ${index + 1}`;
    const before = seen;
    seen += (layer.kernel - 1) * layer.dilation * jump;
    const text = `${before} + (${layer.kernel} - 1)*${layer.dilation}*${jump} = ${seen}`;
    jump *= layer.stride;
    texts.push(text);
    for (let position = 0; position < sizes[index + 1]; position++)
      steps.push(step(name, seenCells(grids, layers.slice(0, index + 1), position), [write(name, 0, [position], seen)], text));
    const values = written(name, steps, 1, [sizes[index + 1]]);
    grids.push(grid({ name, title: name, role: last ? "output" : "between", size: [sizes[index + 1]], channels: 1, values, column: 0, row: count - 1 - index }));
  });
  return scene({
    operator: "view", title: `view ${seen}`, facts: [fact("view", texts.join(";  "))], grids, steps,
    arrows: grids.slice(1).map((one, n) => arrow(grids[n].name, one.name)),
  });
}

/** The cells of all earlier maps that lie on a way to one cell. */
function seenCells(grids, layers, position) {
  let reached = [position];
  let taps = [];
  for (let n = layers.length - 1; n >= 0; n--) {
    const { kernel, stride, dilation } = layers[n];
    const found = new Set(reached.flatMap((at) => Array.from({ length: kernel }, (_, k) => at * stride + k * dilation)));
    reached = [...found].sort((a, b) => a - b);
    taps = [...reached.map((at) => tap(grids[n].name, 0, [at], grids[n].values[at])), ...taps];
  }
  return taps;
}

export function inception(size, channels, reduction, input) {
  const sketch = new Sketch();
  sketch.input(size, channels, input, { row: 1 });
  const shift = reduction === null ? 0 : 2; // columns that the reductions take
  const parts = [1, 3, 5].map((kernel, row) => {
    const name = `${kernel} x ${kernel}`;
    let x = sketch.grids.get("input");
    let into = channels;
    if (reduction !== null && kernel > 1) {
      x = sketch.conv(x, `reduce ${name}`, sized(size, 1, into, reduction), null, { column: 2, row, weightAt: [1, row], seed: 10 + kernel, title: "1 x 1" });
      into = reduction;
    }
    return sketch.conv(x, name, sized(size, kernel, into, 1), null, { column: 2 + shift, row, weightAt: [1 + shift, row], seed: 2 + kernel });
  });
  parts.push(pooledBranch(sketch, channels, reduction));
  sketch.concatenate(parts, "output", { column: 3 + shift, row: 1, role: "output" });
  const counts = parts.map((part) => part.channels);
  return sketch.scene("inception", "inception", [fact("parts", `${counts.join(" + ")} = ${counts.reduce((a, b) => a + b, 0)}`)]);
}

/** The branch that pools, and reduces after it. */
function pooledBranch(sketch, channels, reduction) {
  const x = sketch.grids.get("input");
  const each = (n) => x.size.map(() => n);
  const bound = bind({ inputSize: x.size, kernel: each(3), stride: each(1), dilation: each(1), padding: each(1), pool: true });
  const name = "3 x 3 max";
  for (const one of maxPool(bound, channels, x.values).steps)
    sketch.steps.push({ ...one, stage: name, writes: one.writes.map((w) => ({ ...w, grid: name })), row: null });
  const values = written(name, sketch.steps, channels, x.size);
  const pooled = sketch.add(grid({ name, title: name, role: "between", size: x.size, channels, values, column: 2, row: 3 }));
  sketch.arrows.push(arrow(x.name, name));
  if (reduction === null) return pooled;
  return sketch.conv(pooled, "reduce pool", sized(x.size, 1, channels, 1), null, { column: 4, row: 3, weightAt: [3, 3], seed: 20, title: "1 x 1" });
}

export function sigmoid(x) {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** The convolution that keeps the size. */
function sized(size, kernel, inChannels, outChannels) {
  return window(size, kernel, "same", inChannels, outChannels);
}

function valid(size, kernel) {
  return window(size, kernel, size.map(() => 0), 1, 1);
}

function window(size, kernel, padding, inChannels, outChannels) {
  const each = (n) => size.map(() => n);
  return bind({ inputSize: size, kernel: each(kernel), stride: each(1), dilation: each(1), padding, inChannels, outChannels });
}
