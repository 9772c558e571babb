// Sliders, switches and choices for the arguments of an operator.

import { h } from "./dom.js";

const MODES = ["valid", "same", "full"];
const SIZES = ["input", "kernel", "stride", "dilation", "output_padding"];
const INPUT = { 1: 24, 2: 12, 3: 6 }; // cells of an axis, by the number of axes
const RANGES = {
  kernel: [1, 7], stride: [1, 4], dilation: [1, 4], output_padding: [0, 3], padding: [0, 6],
  reduction: [0, 4], skip: [-1, 2, 0.25], growth: [1, 4], layers: [1, 4], middle: [1, 4], multiplier: [1, 4],
};
const CHANNELS = [1, 8];
const LAYERS = { kernels: [1, 7], strides: [1, 4], dilations: [1, 4] }; // of a stack, one value for each layer
const DEEPEST = 5;
const CHOICES = {
  how: ["scatter", "gather"],
  pattern: ["free", "none", "scale", "aspect", "rotate"],
  downsample: ["pool", "stride"],
};
const NUMBERS_ONLY = ["conv-transpose", "octave-transpose"]; // whose padding has no modes

/** The controls of `row` for the arguments as they are; `changed(name, value)` is told of moves. */
export class Controls {
  constructor(texts, changed, eachChanged) {
    this.texts = texts;
    this.changed = changed;
    this.eachChanged = eachChanged;
    this.view = h("div", { class: "controls" });
    this.shape = null;
  }

  /** Show arguments; controls are made anew only when there are others. */
  show(row, args, each, locked = []) {
    const shape = JSON.stringify([row.name, args.input?.length, typeof args.padding === "string", each, this.texts.language, locked, args.kernels?.length]);
    this.args = args;
    this.row = row;
    if (shape !== this.shape) {
      this.shape = shape;
      this.updates = [];
      this.each = each;
      this.view.replaceChildren(...this.#all(row, locked));
    }
    for (const update of this.updates) update();
  }

  #all(row, locked) {
    const { texts } = this;
    const made = [];
    const names = Object.keys(row.arguments).filter((name) => !locked.includes(name));
    if (names.includes("input") && !names.includes("kernels")) made.push(this.#dimensions(row));
    for (const name of names) {
      const model = row.arguments[name];
      if (name in LAYERS) made.push(...this.#layers(name, names));
      else if (name === "padding") made.push(...this.#padding());
      else if (SIZES.includes(name)) made.push(...this.#size(name));
      else if (typeof model === "boolean") made.push(this.#switch(name));
      else if (typeof model === "string") made.push(this.#choice(name, CHOICES[name] ?? [model], texts.argument(name)));
      else if (name === "reduction" && model === null) made.push(this.#slider(name, texts.argument(name), RANGES[name], () => this.args[name] ?? 0, (value) => this.changed(name, value || null)));
      else if (typeof model === "number") made.push(this.#number(name));
    }
    if (this.args.input?.length > 1)
      made.push(
        h("label", { class: "switch" },
          h("input", { type: "checkbox", checked: this.each, onchange: (event) => this.eachChanged(event.target.checked) }),
          h("span", {}, texts.t("eachAxis"))),
      );
    return made;
  }

  /** How many layers there are, and a value of each. */
  #layers(name) {
    const depth = () => this.args.kernels.length;
    const value = (layer) => (Array.isArray(this.args[name]) ? this.args[name][layer] : this.args[name]);
    const values = (count) => Array.from({ length: count }, (_, layer) => value(Math.min(layer, depth() - 1)));
    const made = name === "kernels" ? [this.#slider("depth", this.texts.argument("layers"), [1, DEEPEST], depth, (count) => this.changed("depth", count))] : [];
    for (let layer = 0; layer < depth(); layer++)
      made.push(this.#slider(`${name}-${layer}`, `${this.texts.argument(name)}, ${layer + 1}`, LAYERS[name], () => value(layer), (one) => {
        this.changed(name, values(depth()).map((own, n) => (n === layer ? one : own)));
      }));
    return made;
  }

  #dimensions(row) {
    const choose = (count) => {
      const size = row.arguments.input;
      const wanted = Array.from({ length: count }, (_, a) => Math.min(this.args.input[a] ?? size[0], INPUT[count]));
      this.changed("dimensions", count === 3 ? wanted.map((n) => Math.min(n, 4)) : wanted);
    };
    const group = h("div", { class: "segments", role: "group", "aria-label": this.texts.t("dimensions") });
    for (const count of [1, 2, 3]) {
      const button = h("button", { type: "button", onclick: () => choose(count) }, `${count}-D`);
      this.updates.push(() => button.setAttribute("aria-pressed", this.args.input.length === count));
      group.append(button);
    }
    return group;
  }

  #size(name) {
    const count = this.args.input?.length ?? 1;
    const range = name === "input" ? [1, INPUT[count]] : RANGES[name];
    const get = (axis) => {
      const value = this.args[name] ?? this.args.kernel; // a pooling's stride is its kernel unless given
      return Array.isArray(value) ? value[axis] : value;
    };
    const set = (axis, value) => {
      const now = Array.from({ length: count }, (_, a) => get(a));
      const all = now.map((old, a) => (axis === null || a === axis ? value : old));
      this.changed(name, name === "input" || !all.every((n) => n === all[0]) ? all : all[0]);
    };
    const label = this.texts.argument(name);
    if (!this.each || count === 1) return [this.#slider(name, label, range, () => get(0), (value) => set(null, value))];
    return Array.from({ length: count }, (_, axis) =>
      this.#slider(`${name}-${axis}`, `${label}, ${this.texts.t("axis", { n: axis + 1 })}`, range, () => get(axis), (value) => set(axis, value)),
    );
  }

  #padding() {
    const { texts } = this;
    const mode = h("select", { name: "padding-mode", onchange: () => this.changed("padding", mode.value === "numbers" ? 0 : mode.value) });
    mode.append(h("option", { value: "numbers" }, texts.t("byNumbers")), ...(NUMBERS_ONLY.includes(this.row.name) ? [] : MODES).map((value) => h("option", { value }, value)));
    this.updates.push(() => { mode.value = typeof this.args.padding === "string" ? this.args.padding : "numbers"; });
    const made = mode.length > 1 ? [h("label", { class: "choice" }, h("span", {}, texts.t("padding")), mode)] : [];
    if (typeof this.args.padding === "string") return made;
    const pair = () => {
      const value = Array.isArray(this.args.padding) ? this.args.padding[0] : this.args.padding;
      return Array.isArray(value) ? value : [value, value];
    };
    const set = (low, high) => this.changed("padding", low === high ? low : this.args.input.map(() => [low, high]));
    made.push(
      this.#slider("padding-low", texts.t("paddingLow"), RANGES.padding, () => pair()[0], (low) => set(low, pair()[0] === pair()[1] ? low : pair()[1])),
      this.#slider("padding-high", texts.t("paddingHigh"), RANGES.padding, () => pair()[1], (high) => set(pair()[0], high)),
    );
    return made;
  }

  #number(name) {
    let range = name.startsWith("alpha") ? [0, 1, 0.125] : RANGES[name] ?? CHANNELS;
    if (name === "reduction") range = [1, range[1]];
    return this.#slider(name, this.texts.argument(name), range, () => this.args[name], (value) => this.changed(name, value));
  }

  #slider(name, label, [min, max, step = 1], get, set) {
    const value = h("b", {});
    const input = h("input", { type: "range", name, min, max, step, oninput: () => set(Number(input.value)) });
    this.updates.push(() => {
      input.max = Math.max(max, get());
      input.value = get();
      value.textContent = get();
    });
    return h("label", { class: "slider" }, h("span", {}, label), value, input);
  }

  #switch(name) {
    const input = h("input", { type: "checkbox", name, onchange: () => this.changed(name, input.checked) });
    this.updates.push(() => { input.checked = this.args[name]; });
    return h("label", { class: "switch" }, input, h("span", {}, this.texts.argument(name)));
  }

  #choice(name, values, label) {
    const select = h("select", { name, onchange: () => this.changed(name, select.value) });
    select.append(...values.map((value) => h("option", { value }, this.texts.argument(value))));
    this.updates.push(() => { select.value = this.args[name]; });
    return h("label", { class: "choice" }, h("span", {}, label), select);
  }
}
