// The relation of juanji.bind in JavaScript. Per axis, with o an output, k a tap, i an input position:
//
//     i = o * stride + k * dilation - padLow      0 <= i < fine, 0 <= k < kernel, 0 <= o < coarse
//
// An ordinary convolution reads it from the fine grid to the coarse one, a transposed one backwards.

export const MODES = ["valid", "same", "full"];

/** What is wrong with a request, in words for the page: a key of texts.js and its numbers. */
export class Refusal extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

/** How many cells a window spans, its holes included. */
export function extent(kernel, dilation) {
  return dilation * (kernel - 1) + 1;
}

/** Turn padding (a mode, a number or [low, high]) into [low, high] for an input of `size` cells. */
export function resolvePadding(padding, size, kernel, stride, dilation) {
  const span = extent(kernel, dilation);
  if (padding === "valid") return [0, 0];
  if (padding === "full") return [span - 1, span - 1];
  if (padding === "same") {
    const outputs = Math.ceil(size / stride);
    const total = Math.max((outputs - 1) * stride + span - size, 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  }
  return Array.isArray(padding) ? padding : [padding, padding];
}

/** Slide a window over `size` cells. */
export function bindWindow({ size, kernel, stride = 1, padding = 0, dilation = 1, ceilMode = false }) {
  const [low, high] = resolvePadding(padding, size, kernel, stride, dilation);
  const span = extent(kernel, dilation);
  const room = size + low + high - span + (ceilMode ? stride - 1 : 0);
  if (room < 0) throw new Refusal("kernelTooLarge", { span, padded: size + low + high });
  let coarse = Math.floor(room / stride) + 1;
  // the last window must start inside the input or its low padding
  if (ceilMode && (coarse - 1) * stride >= size + low) coarse -= 1;
  return { fine: size, coarse, kernel, stride, dilation, padLow: low, padHigh: high };
}

/**
 * Bind a convolution or pooling to its input: one value per axis of inputSize, kernel, stride,
 * dilation; padding a mode, or per axis a number or [low, high].
 */
export function bind(spec) {
  const { inputSize, kernel, transposed = false } = spec;
  const axes = inputSize.map((size, a) => {
    const padding = typeof spec.padding === "string" ? spec.padding : spec.padding[a];
    const window = { size, kernel: kernel[a], stride: spec.stride[a], dilation: spec.dilation[a], padding };
    if (transposed) return bindTransposed({ ...window, extra: spec.outputPadding?.[a] ?? 0 });
    return bindWindow({ ...window, ceilMode: spec.ceilMode ?? false });
  });
  const fine = axes.map((axis) => axis.fine);
  const coarse = axes.map((axis) => axis.coarse);
  const [from, to] = transposed ? [coarse, fine] : [fine, coarse];
  return {
    groups: 1, flip: false, ...spec, transposed, axes, inputSize: from, outputSize: to,
  };
}

/** Read the relation backwards, from `size` coarse cells to the fine grid they came from. */
export function bindTransposed({ size, kernel, stride = 1, padding = 0, dilation = 1, extra = 0 }) {
  const [low, high] = Array.isArray(padding) ? padding : [padding, padding];
  const fine = (size - 1) * stride + extent(kernel, dilation) - low - high + extra;
  if (fine < 1) throw new Refusal("nothingLeft", { fine });
  return { fine, coarse: size, kernel, stride, dilation, padLow: low, padHigh: high };
}

/** All [o, k, i] of the relation, ordered by o, then k. */
export function pairs(axis) {
  const found = [];
  for (let o = 0; o < axis.coarse; o++)
    for (let k = 0; k < axis.kernel; k++) {
      const i = o * axis.stride + k * axis.dilation - axis.padLow;
      if (i >= 0 && i < axis.fine) found.push([o, k, i]);
    }
  return found;
}

/** The positions of a grid in C order: positions([2, 2]) is [0,0], [0,1], [1,0], [1,1]. */
export function positions(sizes) {
  return sizes.reduce(
    (grid, size) => grid.flatMap((cell) => Array.from({ length: size }, (_, n) => [...cell, n])),
    [[]],
  );
}

/** The index of a cell among the cells of a grid in C order. */
export function flat(cell, sizes) {
  return cell.reduce((index, n, axis) => index * sizes[axis] + n, 0);
}

export function product(numbers) {
  return numbers.reduce((all, n) => all * n, 1);
}

/** The ceiling of a quotient, never -0. */
export function ceilDivide(a, b) {
  return Math.ceil(a / b) + 0;
}

/** First and last input cell that the output cells [first, last] see; see relation.look_back. */
export function lookBack([first, last], axis, transposed = false) {
  const reach = extent(axis.kernel, axis.dilation) - 1;
  if (transposed)
    return [
      ceilDivide(first + axis.padLow - reach, axis.stride),
      Math.floor((last + axis.padLow) / axis.stride),
    ];
  return [first * axis.stride - axis.padLow, last * axis.stride - axis.padLow + reach];
}

/** Multiply-adds of a convolution: `dense` counts every tap, `touched` those inside the input. */
export function multiplyAdds(axes, inChannels, outChannels, groups) {
  const channels = outChannels * (inChannels / groups);
  return {
    dense: channels * product(axes.map((axis) => axis.coarse * axis.kernel)),
    touched: channels * product(axes.map((axis) => pairs(axis).length)),
  };
}

/** The most input cells, from the first to the last, that one output of a chain sees, per axis. */
export function receptiveField(chain) {
  return chain[0].axes.map((_, a) => {
    const period = product(chain.filter((link) => link.transposed).map((link) => link.axes[a].stride));
    const seen = Array.from({ length: period }, (_, position) => {
      let cells = [position, position];
      for (const link of [...chain].reverse()) {
        cells = lookBack(cells, link.axes[a], link.transposed);
        if (cells[1] < cells[0]) return 0;
      }
      return cells[1] - cells[0] + 1;
    });
    return Math.max(...seen);
  });
}
