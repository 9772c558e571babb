// Numbers as a picture shows them, and the numbers it has when nobody gives any: juanji/draw/texts.py
// and maps.py in JavaScript, character by character.

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

/** The terms that are written out: the middle is left out where they are many. */
export function kept(terms) {
  return terms.length > TERMS ? [...terms.slice(0, TERMS - 2), "...", terms.at(-1)] : terms;
}

/** Write a sum, its middle left out where it is long. */
export function total(terms, result) {
  return `${kept(terms).join(" + ") || "0"} = ${number(result)}`;
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
