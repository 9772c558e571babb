// A scene as SVG. The still parts are made once; a step changes a few paths and the cells it writes.

import { number } from "./numbers.js";
import { History, cellKey, numeric } from "./history.js";
import { TITLE, corner, lay, layout, outline, placeOf, round } from "./layout.js";
import { positions } from "./relation.js";
import { inside } from "./scene.js";

const SVG = "http://www.w3.org/2000/svg";
const LABELS = 64; // factors that a step shows in its cells

/** Make an SVG element. */
export function make(name, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export class Picture {
  /** `words(text)` translates titles and labels. */
  constructor(scene, { upright = false, words = (text) => text } = {}) {
    this.scene = scene;
    this.words = words;
    this.history = new History(scene);
    this.plan = layout(scene, { upright });
    this.cells = new Map(); // key -> {square, text, grid, channel, position}
    this.scales = new Map(scene.grids.map((grid) => [grid.name, scale(grid)]));
    this.at = null;
    const { width, height } = this.plan;
    // points between cells are read from cells around the grid as well
    const margin = scene.steps.some((step) => step.taps.some((tap) => tap.corners.length)) ? 52 : 8;
    const view = [-margin, -4, width + 2 * margin, height + 8 + margin].map(round);
    this.svg = make("svg", { viewBox: view.join(" "), class: "picture" });
    this.svg.style.setProperty("--natural", `${Math.round(view[2])}px`);
    this.svg.style.setProperty("--aspect", round(view[2] / view[3]));
    const still = make("g");
    for (const one of scene.arrows) still.append(this.#arrow(one));
    for (const one of scene.boxes) still.append(this.#box(one));
    this.window = make("path", { class: "window" });
    still.append(this.window);
    for (const one of scene.grids) still.append(this.#grid(one));
    this.marks = Object.fromEntries(
      ["corners", "reach", "taps", "weights", "also", "writes", "cursor"].map((name) => [name, make("path", { class: `mark ${name}` })]),
    );
    this.points = make("path", { class: "points" });
    this.labels = make("g", { class: "factors" });
    this.svg.append(still, ...Object.values(this.marks), this.points, this.labels);
    this.show(-1);
  }

  /** Show the scene after step `at`; -1: before the first. */
  show(at) {
    if (at === this.at) return;
    const forward = at === this.at + 1;
    this.at = at;
    const step = this.scene.steps[at];
    if (forward && step && at > 0) {
      for (const { grid, channel, position, value } of step.writes)
        this.#fill(this.cells.get(cellKey(grid, channel, position)), numeric(value));
    } else {
      for (const [key, cell] of this.cells)
        if (this.history.written(key)) this.#fill(cell, this.history.value(key, at));
    }
    this.#mark(step);
  }

  /** Light the cells that a cell is computed from and reaches; null: none. */
  probe(cell) {
    const key = cell && cellKey(cell.grid, cell.channel, cell.position);
    const sources = key ? this.history.sources(key) : [];
    const targets = key ? this.history.targets(key) : [];
    this.marks.reach.setAttribute("d", this.#path([...sources, ...targets], 1.5));
    this.marks.cursor.setAttribute("d", cell ? this.#path([cell], 1) : "");
    this.svg.classList.toggle("probing", Boolean(cell));
    const real = (found) => found.filter(({ grid, position }) => inside(position, this.#gridOf(grid).size));
    return { sources: real(sources), targets: real(targets) };
  }

  /** The cell an event happened on, or null. */
  cellOf(event) {
    const key = event.target?.closest?.("[data-cell]")?.dataset.cell;
    return (key && this.cells.get(key)) || null;
  }

  #gridOf(name) {
    return this.scene.grids.find((grid) => grid.name === name);
  }

  #grid(grid) {
    const plan = this.plan.grids.get(grid.name);
    const group = make("g", { class: `grid ${grid.role} ${grid.look}` });
    const size = [grid.channels > 1 ? grid.channels : null, ...grid.size].filter((n) => n !== null);
    const title = make("text", { x: round(plan.x), y: round(plan.y + 14), class: "title" });
    title.append(this.words(grid.title), make("tspan", { class: "size", dx: 7 }, [size.join(" × ")]));
    group.append(title);
    if (grid.look === "image") {
      group.append(...this.#images(grid, plan));
      return group;
    }
    const ghosts = [];
    const holes = [];
    for (let channel = 0; channel < grid.channels; channel++) {
      const colour = grid.groups.length ? `group${grid.groups[channel] % 6}` : "";
      const sheet = make("g", { class: colour });
      const low = plan.low.length ? plan.low : grid.size.map(() => 0);
      for (const place of positions(plan.sides)) {
        const position = place.map((at, a) => (at - low[a]) / (plan.gaps[a] ?? 1));
        if (inside(position, grid.size)) sheet.append(this.#cell(grid, plan, channel, position, place));
        else if (position.some((at, a) => at < 0 || at > grid.size[a] - 1)) ghosts.push(polygon(outline(plan, channel, place, 2)));
        else holes.push(polygon(outline(plan, channel, place, plan.cell * 0.42)));
      }
      group.append(sheet);
    }
    if (ghosts.length) group.prepend(make("path", { class: "ghosts", d: ghosts.join("") }));
    if (holes.length) group.prepend(make("path", { class: "holes", d: holes.join("") }));
    return group;
  }

  #cell(grid, plan, channel, position, place) {
    const key = cellKey(grid.name, channel, position);
    const inner = plan.cell - 2;
    const square = make("rect", { x: 1, y: 1, width: inner, height: inner, rx: 4, class: "cell" });
    const text = make("text", { x: plan.cell / 2, y: plan.cell * 0.48 });
    const element = make("g", { transform: lay(plan, channel, place), "data-cell": key }, [square, text]);
    const cell = { grid: grid.name, channel, position, square, text, value: undefined };
    this.cells.set(key, cell);
    if (!this.history.written(key)) {
      const index = position.reduce((n, at, a) => n * grid.size[a] + at, channel);
      this.#fill(cell, numeric(grid.values[index]));
    }
    return element;
  }

  #fill(cell, value) {
    if (!cell) return; // a place that a transposed convolution cuts off
    if (cell.value === value) return;
    cell.value = value;
    const text = value === null ? "" : number(value);
    cell.text.textContent = text;
    cell.text.setAttribute("class", text.length > 6 ? "tiny" : text.length > 4 ? "small" : "");
    const share = value === null || Number.isNaN(value) ? 0 : Math.min(Math.abs(value) / this.scales.get(cell.grid), 1);
    cell.square.setAttribute("fill-opacity", value === null ? 0 : round(0.06 + 0.42 * share));
    cell.square.classList.toggle("negative", value < 0);
    cell.square.classList.toggle("blank", value === null);
  }

  #images(grid, plan) {
    const [rows, columns] = [plan.rows, plan.columns];
    return Array.from({ length: plan.colour ? 1 : grid.channels }, (_, channel) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(columns, rows);
      for (let n = 0; n < rows * columns; n++)
        for (let c = 0; c < 4; c++) {
          const value = grid.values[n + rows * columns * (plan.colour ? c : channel)];
          pixels.data[4 * n + c] = c === 3 ? 255 : Math.round(255 * Math.min(Math.max(numeric(value), 0), 1));
        }
      context.putImageData(pixels, 0, 0);
      const [x, y] = corner(plan, channel, plan.sides.map(() => 0));
      return make("image", {
        x: round(x), y: round(y), width: round(plan.one.width), height: round(plan.one.height),
        href: canvas.toDataURL(), preserveAspectRatio: "none",
      });
    });
  }

  #box(box) {
    const { x, y, width, height } = this.plan.boxes.get(box.name);
    const text = (content, dy, name) =>
      make("text", { x: round(x + width / 2), y: round(y + dy), class: name }, [this.words(content)]);
    return make("g", { class: "box" }, [
      make("rect", { x: round(x), y: round(y), width: round(width), height: round(height), rx: 10 }),
      text(box.title, 24, "name"),
      ...box.lines.map((line, n) => text(line, 44 + 18 * n, "line")),
    ]);
  }

  #arrow({ source, target, label }) {
    const [from, to] = [this.#frame(source), this.#frame(target)];
    // parts above each other are joined vertically, also where the picture runs to the right
    const vertical = this.plan.upright || (to.x < from.x + from.width && from.x < to.x + to.width);
    const down = to.y > from.y;
    const [x1, y1] = vertical
      ? [from.x + from.width / 2, down ? from.y + from.height + 4 : from.y - 4]
      : [from.x + from.width + 5, from.y + from.height / 2];
    const [x2, y2] = vertical
      ? [to.x + to.width / 2, down ? to.y - (this.plan.grids.has(target) ? TITLE + 2 : 7) : to.y + to.height + 7]
      : [to.x - 8, to.y + to.height / 2];
    const bend = vertical ? (y2 - y1) / 2 : (x2 - x1) / 2;
    const curve = vertical
      ? `C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`
      : `C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    const back = vertical ? (down ? -6 : 6) : -6;
    const head = vertical
      ? `M${x2 - 5} ${y2 + back}L${x2} ${y2}L${x2 + 5} ${y2 + back}`
      : `M${x2 + back} ${y2 - 5}L${x2} ${y2}L${x2 + back} ${y2 + 5}`;
    const parts = [make("path", { d: `M${x1} ${y1}${curve}${head}` })];
    if (label)
      parts.push(make("text", { x: round(x1 * 0.35 + x2 * 0.65), y: round(y1 * 0.35 + y2 * 0.65 - 7) }, [this.words(label)]));
    return make("g", { class: "arrow" }, parts);
  }

  #frame(name) {
    const plan = this.plan.grids.get(name);
    if (!plan) return this.plan.boxes.get(name);
    return { x: plan.x, y: plan.y + plan.top, width: plan.width, height: plan.height - plan.top };
  }

  /** The outlines of cells, of padding and points in holes as well. */
  #path(cells, inset) {
    return cells
      .map(({ grid, channel, position }) => {
        const plan = this.plan.grids.get(grid);
        return polygon(outline(plan, channel, placeOf(plan, position), inset));
      })
      .join("");
  }

  #mark(step) {
    const taps = step?.taps ?? [];
    const whole = taps.filter((tap) => !tap.corners.length);
    const between = taps.filter((tap) => tap.corners.length);
    const corners = between.flatMap((tap) => tap.corners.map(({ position }) => ({ ...tap, position })));
    this.marks.taps.setAttribute("d", this.#path(whole, 2));
    this.marks.corners.setAttribute("d", this.#path(corners, 3));
    this.marks.weights.setAttribute("d", this.#path(taps.map((tap) => tap.weight).filter(Boolean), 2));
    const writes = !step || step.stage === "start" ? [] : step.writes;
    const main = step?.scatter ? writes.length : 1; // what else a gathering step writes is said less loudly
    this.marks.writes.setAttribute("d", this.#path(writes.slice(0, main), 1.5));
    this.marks.also.setAttribute("d", this.#path(writes.slice(main), 2));
    this.points.setAttribute("d", between.map((tap) => this.#point(tap)).join(""));
    this.window.setAttribute("d", step ? this.#beams(step) : "");
    this.#factors(taps);
  }

  #point({ grid, channel, position }) {
    const plan = this.plan.grids.get(grid);
    const [[ax, ay], , [cx, cy]] = outline(plan, channel, placeOf(plan, position));
    return `M${round((ax + cx) / 2 - 4)} ${round((ay + cy) / 2)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`;
  }

  /** Faint planes from the window of each channel read to the cell written, or from cell to window. */
  #beams(step) {
    if (!step.writes.length || !step.taps.length || step.stage === "start") return "";
    const hulls = (cells) => {
      const found = new Map();
      for (const { grid, channel, position } of cells) {
        const plan = this.plan.grids.get(grid);
        const key = `${grid}/${channel}`;
        found.set(key, [...(found.get(key) ?? []), ...outline(plan, channel, placeOf(plan, position))]);
      }
      return [...found.values()].slice(0, 4).map(bounds);
    };
    const near = step.taps.filter((tap) => tap.factor !== null || !step.taps[0].weight);
    const [from, to] = [hulls(near.length ? near : step.taps), hulls(step.scatter ? step.writes : step.writes.slice(0, 1))];
    return from.flatMap((a) => to.map((b) => beam(a, b, this.plan.upright))).join("");
  }

  #factors(taps) {
    const shown = taps.filter((tap) => tap.factor !== null && this.#gridOf(tap.grid).look === "numbers");
    const used = shown.length > LABELS || this.scene.steps[this.at]?.scatter ? [] : shown;
    while (this.labels.childElementCount < used.length) this.labels.append(make("text"));
    [...this.labels.children].forEach((text, n) => {
      const tap = used[n];
      text.textContent = tap ? `×${number(numeric(tap.factor))}` : "";
      if (!tap) return;
      const plan = this.plan.grids.get(tap.grid);
      text.setAttribute("transform", lay(plan, tap.channel, placeOf(plan, tap.position)));
      text.setAttribute("x", plan.cell - 4);
      text.setAttribute("y", plan.cell - 4.5);
    });
  }
}

function scale(grid) {
  const sizes = grid.values.map((value) => Math.abs(numeric(value))).filter(Number.isFinite);
  return sizes.reduce((most, size) => Math.max(most, size), 0) || 1;
}

function polygon(points) {
  return `M${points.map(([x, y]) => `${round(x)} ${round(y)}`).join("L")}Z`;
}

function bounds(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

function beam(a, b, upright) {
  if (upright) {
    if (b.top < a.bottom) return "";
    return polygon([[a.left, a.bottom], [a.right, a.bottom], [b.right, b.top], [b.left, b.top]]);
  }
  if (b.left < a.right) return "";
  return polygon([[a.right, a.top], [b.left, b.top], [b.left, b.bottom], [a.right, a.bottom]]);
}
