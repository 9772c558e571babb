// A scene while it is put together: juanji/draw/sketch.py in JavaScript.

import { multiplyAdds, product } from "./relation.js";
import { arrow, atMost, fact, grid, scene, step, tap, write } from "./scene.js";
import { countWeights } from "./facts.js";
import { number } from "./numbers.js";
import { eachCell } from "./resample.js";
import { biasGrid, gathered, groupsOf, numbers, outputGrid, read, weightGrid, written } from "./stages.js";
import { around } from "./windows.js";

export class Sketch {
  constructor() {
    this.grids = new Map();
    this.steps = [];
    this.arrows = [];
    this.weights = [];
    this.products = [];
  }

  /** Add the grid that everything starts from. */
  input(size, channels, values, { row = 0, groups = 1 } = {}) {
    const cells = channels * product(size);
    atMost("cells", cells);
    return this.add(grid({
      name: "input", title: "input", role: "input", size, channels, values: numbers(values, cells, 0, 9, 1),
      column: 0, row, groups: groupsOf(channels, groups),
    }));
  }

  add(one) {
    this.grids.set(one.name, one);
    return one;
  }

  /** Add the convolution of one grid, or of several whose channels are concatenated. */
  conv(sources, name, bound, weight, { column, row = 0, bias = null, relu = false, role = "between", title, seed = 2, weightAt = null }) {
    const kernel = product(bound.axes.map((axis) => axis.kernel));
    const out = bound.outChannels * product(bound.outputSize);
    const present = [...this.grids.values()].reduce((sum, one) => sum + one.values.length, 0);
    atMost("cells", out + countWeights(bound) + present);
    atMost("steps", out + this.steps.length);
    atMost("taps", Math.floor((out * bound.inChannels) / bound.groups) * kernel);
    const edges = bound.axes.map(around);
    const given = [sources].flat().map((one) => this.add(withEdges(this.grids.get(one.name), edges)));
    const [weightColumn, weightRow] = weightAt ?? [column, row + 1];
    const kernels = this.add({ ...weightGrid(bound, weight, { column: weightColumn, row: weightRow, name: `${name} weight`, seed }), title: "weight" });
    const added = bias ? this.add(biasGrid(bias, { column, row: row + 2, name: `${name} bias` })) : null;
    const joined = given.length === 1 ? given[0] : joinedGrid(given);
    let steps = gathered(bound, joined, kernels, name, { bias: added, stage: name, firstRow: null });
    if (given.length > 1) steps = steps.map((one) => parted(one, given));
    if (relu) steps = steps.map(rectified);
    this.steps.push(...steps);
    this.weights.push(countWeights(bound, Boolean(bias)));
    this.products.push(multiplyAdds(bound.axes, bound.inChannels, bound.outChannels, bound.groups).dense);
    this.arrows.push(...given.map((one) => arrow(one.name, name)));
    return this.add({ ...outputGrid(bound, steps, { column, row, name, role }), title: title || name });
  }

  /** Add a channel shuffle: channel g * C / groups + i goes to i * groups + g. */
  shuffle(source, name, groups, { column, row = 0, role = "between" }) {
    const { channels, size } = source;
    const per = channels / groups;
    const blocks = groupsOf(channels, groups);
    const origins = source.groups.length ? source.groups : blocks; // one group: no colours
    const colors = Array(channels).fill(0);
    for (let channel = 0; channel < channels; channel++) {
      const [group, local] = [Math.floor(channel / per), channel % per];
      const target = local * groups + group;
      colors[target] = origins[channel] ?? 0;
      const text = `${channel} = ${group}*${per} + ${local} -> ${local}*${groups} + ${group} = ${target}`;
      this.steps.push(copied(source, channel, name, target, text));
    }
    this.arrows.push(arrow(source.name, name));
    const values = written(name, this.steps, channels, size);
    return this.add(grid({ name, title: name, role, size, channels, values, column, row, groups: origins.length ? colors : [] }));
  }

  /** Add the channels of several grids behind each other, a colour for each grid. */
  concatenate(sources, name, { column, row = 0, role = "between" }) {
    const colors = [];
    sources.forEach((source, index) => {
      for (let channel = 0; channel < source.channels; channel++) {
        this.steps.push(copied(source, channel, name, colors.length, `${channel} -> ${colors.length}`));
        colors.push(index);
      }
      this.arrows.push(arrow(source.name, name));
    });
    const { size } = sources[0];
    const values = written(name, this.steps, colors.length, size);
    return this.add(grid({ name, title: name, role, size, channels: colors.length, values, column, row, groups: colors }));
  }

  /** Add what a function makes of the same cell of several grids; `text` writes it down. */
  each(sources, name, make, text, { column, row = 0, role = "between", title }) {
    const [first] = sources;
    for (const [channel, at] of eachCell(first.channels, first.size)) {
      const values = sources.map((one) => read(one, channel, at));
      const result = make(values);
      const terms = values.map((value) => (value < 0 ? `(${number(value)})` : number(value)));
      const taps = sources.map((one, n) => tap(one.name, channel, at, values[n]));
      this.steps.push(step(name, taps, [write(name, channel, at, result)], text(terms, number(result))));
    }
    this.arrows.push(...sources.map((one) => arrow(one.name, name)));
    const values = written(name, this.steps, first.channels, first.size);
    return this.add(grid({
      name, title: title || name, role, size: first.size, channels: first.channels, values, column, row, groups: first.groups,
    }));
  }

  /** The scene; beside its costs stand those of an ordinary convolution. */
  scene(operator, title, facts = [], ordinary = null) {
    let [weights, products] = [summed(this.weights), summed(this.products)];
    if (ordinary) {
      weights += ` (${countWeights(ordinary)})`;
      const { axes, inChannels, outChannels, groups } = ordinary;
      products += ` (${multiplyAdds(axes, inChannels, outChannels, groups).dense})`;
    }
    const own = this.weights.length ? [fact("weights", weights), fact("multiply-adds", products)] : [];
    return scene({ operator, title, facts: [...facts, ...own], grids: [...this.grids.values()], steps: this.steps, arrows: this.arrows });
  }
}

/** The step with zero in place of a negative value. */
export function rectified(one) {
  const [made] = one.writes;
  const value = Math.max(made.value, 0);
  return { ...one, writes: [{ ...made, value }], arithmetic: `max(0, ${one.arithmetic}) = ${number(value)}` };
}

/** The step that writes one channel into another grid. */
function copied(source, channel, name, target, text) {
  const cells = eachCell(1, source.size).map(([, at]) => [at, read(source, channel, at)]);
  return step(
    name,
    cells.map(([at, value]) => tap(source.name, channel, at, value, 1)),
    cells.map(([at, value]) => write(name, target, at, value)),
    text, { scatter: true },
  );
}

/** The grid with room for the padding of one more convolution that reads it. */
function withEdges(one, edges) {
  const room = (have, side) => edges.map((edge, a) => Math.max(have[a] ?? 0, edge[side]));
  return { ...one, low: room(one.low, 0), high: room(one.high, 1) };
}

function joinedGrid(grids) {
  const channels = grids.reduce((sum, one) => sum + one.channels, 0);
  return { ...grids[0], channels, values: grids.flatMap((one) => one.values), groups: [] };
}

/** The step with its taps on the grids that were joined. */
function parted(one, grids) {
  const part = (t) => {
    if (t.grid !== grids[0].name) return t; // a bias
    let { channel } = t;
    for (const own of grids) {
      if (channel < own.channels) return { ...t, grid: own.name, channel };
      channel -= own.channels;
    }
    return t;
  };
  return { ...one, taps: one.taps.map(part) };
}

function summed(counts) {
  return counts.length === 1 ? `${counts[0]}` : `${counts.join(" + ")} = ${counts.reduce((a, b) => a + b, 0)}`;
}
