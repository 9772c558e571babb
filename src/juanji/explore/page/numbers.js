// Numbers as a picture shows them, and the numbers it has when nobody gives any: juanji/draw/texts.py
// and maps.py in JavaScript, character by character.

import { Refusal, positions, product } from "./relation.js";

const TERMS = 9; // of a sum that are written out
const SUMS = 3; // of a scattering step

/** Write a number in few characters: two decimals where they are enough. */
export function number(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.01 && size < 100000) return value.toFixed(2).replace(/\.?0+$/, "");
  return value.toExponential(1);
}

/** Write one term of a sum; a negative factor stands in brackets. */
export function term(value, factor) {
  if (factor === null) return number(value);
  return factor < 0 ? `${number(value)}*(${number(factor)})` : `${number(value)}*${number(factor)}`;
}

/** Write a sum, its middle left out where it is long. */
export function total(terms, result) {
  const shown = terms.length > TERMS ? [...terms.slice(0, TERMS - 2), "...", terms.at(-1)] : terms;
  return `${shown.join(" + ") || "0"} = ${number(result)}`;
}

/** Write what a scattering step adds: [sum before, term, sum after] for every cell. */
export function running(sums) {
  const texts = sums.map(([before, added, after]) => `${number(before)} + ${added} = ${number(after)}`);
  return (texts.length > SUMS ? [...texts.slice(0, SUMS), "..."] : texts).join(";  ");
}

/** Write a size: "3 x 5". */
export function shape(size) {
  return [...size].join(" x ");
}

/** Whole numbers in [low, high], always the same, for a picture without data. */
export function sample(count, low, high, seed) {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 75 + 74) % 65537;
    return low + (state % (high - low + 1));
  });
}

/** A feature map, or a weight with one channel for each pair of channels: values in C order. */
export class NumberMap {
  constructor(channels, size, values) {
    this.channels = channels;
    this.size = size;
    this.values = values;
  }

  /** The value of a cell; outside, and between cells, there is zero. */
  at(channel, position) {
    let index = channel;
    for (let axis = 0; axis < position.length; axis++) {
      const at = position[axis];
      if (!Number.isInteger(at) || at < 0 || at >= this.size[axis]) return 0;
      index = index * this.size[axis] + at;
    }
    return this.values[index];
  }

  cells() {
    return positions(this.size);
  }

  /** Some channels, in the order given. */
  pick(channels) {
    const cells = product(this.size);
    const values = channels.flatMap((c) => this.values.slice(c * cells, (c + 1) * cells));
    return new NumberMap(channels.length, this.size, values);
  }
}

/** The map of the numbers given, or of whole ones in [low, high] that are always the same. */
export function numbers(channels, size, given, { low, high, seed }) {
  const count = channels * product(size);
  if (given == null) return new NumberMap(channels, size, sample(count, low, high, seed));
  if (given.length !== count) throw new Refusal("wrongCount", { count, given: given.length });
  return new NumberMap(channels, size, given);
}
