// The relation walked position by position: juanji/draw/windows.py in JavaScript.

import { positions } from "./relation.js";

/** For every output position of a bound {axes, transposed}: its taps and the positions they meet. */
export function gather({ axes, transposed }) {
  const sizes = axes.map((axis) => (transposed ? axis.fine : axis.coarse));
  return places(axes.map(transposed ? gatherTransposed : gatherAxis), sizes);
}

/** For every input position of a transposed bound: the output positions it adds to. */
export function scatter({ axes }) {
  return places(axes.map(gatherAxis), axes.map((axis) => axis.coarse));
}

function gatherAxis(axis) {
  return Array.from({ length: axis.coarse }, (_, o) =>
    Array.from({ length: axis.kernel }, (_, k) => {
      const i = o * axis.stride + k * axis.dilation - axis.padLow;
      return [k, i, i >= 0 && i < axis.fine];
    }),
  );
}

function gatherTransposed(axis) {
  return Array.from({ length: axis.fine }, (_, i) =>
    Array.from({ length: axis.kernel }, (_, n) => {
      const k = axis.kernel - 1 - n; // descending taps: ascending o
      const o = (i + axis.padLow - k * axis.dilation) / axis.stride;
      return [k, o, Number.isInteger(o) && o >= 0 && o < axis.coarse];
    }),
  );
}

function places(axes, sizes) {
  return positions(sizes).map((position) => {
    const windows = position.map((at, axis) => axes[axis][at]);
    const meetings = positions(windows.map((window) => window.length));
    const reaches = meetings.map((meeting) => {
      const pairs = meeting.map((n, axis) => windows[axis][n]);
      return {
        tap: pairs.map(([k]) => k),
        position: pairs.map(([, at]) => at),
        inside: pairs.every(([, , inside]) => inside),
      };
    });
    return { position, reaches };
  });
}

/** How many places the windows reach over the fine grid, and padding at least. */
export function around(axis) {
  const last = (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) - axis.padLow;
  return [Math.max(axis.padLow, 0), Math.max(axis.padHigh, last - (axis.fine - 1), 0)];
}

/** How many places the windows reach over the zero-stuffed coarse grid. */
export function aroundStuffed(axis) {
  const low = axis.dilation * (axis.kernel - 1) - axis.padLow;
  const high = axis.fine - 1 + axis.padLow - (axis.coarse - 1) * axis.stride;
  return [Math.max(low, 0), Math.max(high, 0)];
}
