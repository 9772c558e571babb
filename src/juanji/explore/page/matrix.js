// The operator as a sparse matrix, with the active row or column lit.

import { number } from "./numbers.js";
import { make } from "./render.js";
import { numeric } from "./history.js";

const CELL = 20;
const NUMBERED = 40; // columns up to which values are written

export class MatrixPicture {
  constructor({ name, rows, columns, entries }) {
    this.entries = entries.map(([row, column, value]) => [row, column, numeric(value)]);
    this.size = [rows, columns];
    const [width, height] = [columns * CELL, rows * CELL];
    this.svg = make("svg", { viewBox: `-1 -1 ${width + 2} ${height + 2}`, class: "matrix", role: "img", "aria-label": `${name}: ${rows} × ${columns}` });
    this.svg.style.setProperty("--natural", `${width}px`);
    this.band = make("rect", { class: "band", width: 0, height: 0 });
    const most = this.entries.reduce((top, [, , value]) => Math.max(top, Math.abs(value) || 0), 0) || 1;
    const shades = new Map(); // class and shade -> path
    for (const [row, column, value] of this.entries) {
      const shade = Math.ceil((Math.abs(value) / most) * 4) || 0;
      const key = `${value < 0 ? "negative" : value > 0 ? "positive" : "zero"} shade${shade}`;
      shades.set(key, (shades.get(key) ?? "") + square(row, column));
    }
    const paths = [...shades].map(([key, d]) => make("path", { class: key, d }));
    this.lit = make("path", { class: "lit" });
    const texts = columns > NUMBERED ? [] : this.entries.map(([row, column, value]) =>
      make("text", { x: (column + 0.5) * CELL, y: (row + 0.5) * CELL }, [number(value)]),
    );
    this.svg.append(make("rect", { class: "ground", width, height, rx: 3 }), this.band, ...paths, this.lit, make("g", {}, texts));
  }

  /** Light the row or column of a step. */
  show(step) {
    const [rows, columns] = this.size;
    const { row = null, column = null } = step ?? {};
    const lit = this.entries.filter((entry) => entry[0] === row || entry[1] === column);
    this.lit.setAttribute("d", lit.map(([r, c]) => square(r, c)).join(""));
    const none = row === null && column === null;
    const band = none ? [0, 0, 0, 0] : row !== null ? [0, row, columns, 1] : [column, 0, 1, rows];
    ["x", "y", "width", "height"].forEach((name, n) => this.band.setAttribute(name, band[n] * CELL));
    return row !== null ? row : column;
  }
}

function square(row, column) {
  return `M${column * CELL + 1} ${row * CELL + 1}h${CELL - 2}v${CELL - 2}h${2 - CELL}z`;
}
