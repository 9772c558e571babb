// The explorer: an operator and its settings, what follows from them, and a second one beside it.

import { code } from "./code.js";
import { Controls } from "./controls.js";
import { copyText, h } from "./dom.js";
import { MEGABYTES, MEGAPIXELS, readImage } from "./image.js";
import { number, sample, shape } from "./numbers.js";
import { MADE_UP, build, filled } from "./operators.js";
import { preferences } from "./preferences.js";
import { withPresets } from "./presets.js";
import { Refusal } from "./relation.js";
import { settle } from "./settle.js";
import { Stage, Transport } from "./stage.js";
import { decode, encode, parseNumbers } from "./state.js";
import { Texts } from "./texts.js";

const SHARED = ["input", "channels", "in_channels"]; // what a second operator takes from the first

export class Explorer {
  constructor(host, { operators }) {
    this.rows = new Map(withPresets(operators).map((row) => [row.name, row]));
    this.texts = new Texts();
    this.each = false;
    this.language = "torch"; // of the code shown
    this.sides = [this.#side(0), this.#side(1)];
    this.transport = new Transport(this.texts, () => this.#shown().map((side) => side.stage), (at) => this.#stepped(at));
    this.#page(host);
    this.#connect();
    this.open(location.hash);
  }

  /** Show the state that a link's # stands for. */
  open(hash) {
    this.state = decode(hash, this.rows);
    for (const side of [this.state, this.state.second]) if (side) this.#complete(side);
    this.each = [this.state, this.state.second].some((side) => side && uneven(side.args));
    this.#labels();
    this.apply(this.state.step);
  }

  /** Build and show everything anew; `at`: the step to show. */
  apply(at = this.transport.player.at) {
    const { state, texts } = this;
    document.body.classList.toggle("two", Boolean(state.second));
    this.second.value = state.second?.op ?? "";
    this.first.value = state.op;
    this.sides[1].view.hidden = this.sides[1].panel.hidden = this.costs.hidden = !state.second;
    [state, state.second].forEach((own, n) => own && this.#show(this.sides[n], own, n ? this.#locked(own) : []));
    const counts = this.#shown().map((side) => side.scene?.steps.length ?? 0);
    this.transport.load(Math.max(...counts), at);
    this.#numbers();
    this.#code();
    this.#compare();
    document.title = `${texts.operator(this.rows.get(state.op))} · juanji`;
  }

  /** Say everything anew, in the language of now. */
  words() {
    this.#labels();
    this.apply();
  }

  #labels() {
    const { texts } = this;
    texts.fill(document);
    for (const [select, empty] of [[this.first, null], [this.second, texts.t("none")]]) {
      const kinds = new Map();
      for (const row of this.rows.values()) kinds.set(row.kind, [...(kinds.get(row.kind) ?? []), row]);
      const value = select.value;
      select.replaceChildren(
        ...(empty === null ? [] : [h("option", { value: "" }, empty)]),
        ...[...kinds].map(([kind, rows]) =>
          h("optgroup", { label: texts.kind(kind) }, ...rows.map((row) => h("option", { value: row.name }, texts.operator(row)))),
        ),
      );
      select.value = value;
    }
    this.first.setAttribute("aria-label", texts.t("operator"));
    this.second.setAttribute("aria-label", texts.t("compare"));
    this.imageHint.textContent = texts.t("imageHint", { megabytes: MEGABYTES, megapixels: MEGAPIXELS });
    this.transport.words();
  }

  #shown() {
    return this.state?.second ? this.sides : this.sides.slice(0, 1);
  }

  #locked(own) {
    return SHARED.filter((name) => name in own.args && name in this.state.args);
  }

  #side(n) {
    const stage = new Stage(this.texts);
    const message = h("p", { class: "message", role: "alert", hidden: true });
    const controls = new Controls(this.texts, (name, value) => this.#changed(n, name, value), (each) => this.#eachAxis(each));
    const heading = h("h3");
    return {
      stage, message, controls, heading, scene: null,
      view: h("section", { class: "card side" }, message, stage.view),
      panel: h("section", { class: "card settings" }, heading, controls.view),
      facts: h("section", { class: "card" }, h("h3", { "data-t": "facts" }), stage.facts),
      matrix: h("section", { class: "card wide" }, h("h3", { "data-t": "matrix" }), stage.matrixNote, stage.matrixBox),
    };
  }

  #page(host) {
    const { texts } = this;
    const button = (key, run, more = {}) => h("button", { type: "button", class: "plain", "data-t": key, onclick: run, ...more });
    this.first = h("select", { class: "operator", onchange: () => this.choose(this.first.value) });
    this.second = h("select", { onchange: () => this.chooseSecond(this.second.value || null) });
    this.codeBox = h("pre", { class: "code", tabindex: 0 });
    this.tabs = h("div", { class: "segments", role: "group" }, ...["torch", "juanji"].map((name) =>
      h("button", { type: "button", "data-code": name, onclick: () => { this.language = name; this.#code(); } }, name === "torch" ? "PyTorch" : "juanji")));
    this.numbersBox = h("div", { class: "numbers" });
    this.imageHint = h("span", { class: "quiet" });
    this.file = h("input", { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp", class: "away", tabindex: -1, "aria-hidden": "true", onchange: () => this.#image() });
    this.costs = h("section", { class: "card wide" }, h("h3", { "data-t": "costs" }), h("div", { class: "scroll" }));
    this.notice = h("p", { class: "notice", role: "status" });
    const [one, two] = this.sides;
    host.replaceChildren(
      h("a", { class: "skip", href: "#picture", "data-t": "skip", onclick: (event) => { event.preventDefault(); one.stage.frame.focus(); } }),
      h("header", {},
        h("div", { class: "brand" }, "juanji ", h("span", { lang: "zh" }, "卷积")),
        h("div", { class: "preferences" }, button("link", (event) => this.#link(event)), button("reset", () => this.reset()), preferences(texts, () => this.words()))),
      h("main", {},
        h("aside", {},
          h("section", { class: "card choose" },
            h("label", { class: "choice tall" }, h("span", { "data-t": "operator" }), this.first),
            h("label", { class: "choice tall" }, h("span", { "data-t": "compare" }), this.second)),
          one.panel, two.panel),
        h("div", { class: "content" },
          h("div", { class: "sides" }, one.view, two.view),
          h("section", { class: "card steps" }, this.transport.view, h("p", { class: "quiet hint", "data-t": "hint" })),
          this.costs,
          h("div", { class: "below" },
            one.facts, 
            h("section", { class: "card" },
              h("div", { class: "head" }, h("h3", { "data-t": "code" }), this.tabs, button("copy", (event) => this.#copy(event))), this.codeBox),
            one.matrix,
            h("section", { class: "card wide" },
              h("div", { class: "head" }, h("h3", { "data-t": "numbers" }),
                button("shuffle", () => this.#others()), button("made", () => { this.state.numbers = {}; this.apply(); }),
                button("image", () => this.file.click()), this.file),
              h("p", { class: "quiet" }, h("span", { "data-t": "numbersHint" }), " ", this.imageHint),
              this.numbersBox)))),
      this.notice,
    );
  }

  /** A link, a notebook's state: both are followed when they change from outside. */
  #connect() {
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) !== this.link) this.open(location.hash);
    });
    addEventListener("message", (event) => {
      const text = event.data?.juanji;
      if (event.source === parent && parent !== window && typeof text === "string" && text !== this.link) this.open(text);
    });
  }

  /** The scene of an operator with arguments, as plain data. */
  scene(op, given = {}) {
    return build(this.rows.get(op), given);
  }

  /** The code of an operator with arguments: {torch, juanji}. */
  code(op, given) {
    const row = this.rows.get(op);
    return code(row, filled(row, given), build(row, given));
  }

  choose(op) {
    this.state.op = op;
    this.state.numbers = {};
    this.#fresh(this.state);
    this.apply(-1);
  }

  chooseSecond(op) {
    this.state.second = op ? { op, args: {}, numbers: {} } : null;
    if (op) this.#complete(this.state.second);
    this.apply();
  }

  reset() {
    this.open(`op=${this.state.op}`);
  }

  /** Arguments of a newly chosen operator: its own. */
  #fresh(own) {
    own.args = {};
    this.#complete(own);
    this.each = uneven(own.args);
  }

  #complete(own) {
    const row = this.rows.get(own.op);
    own.args = settle(row, { ...structuredClone(row.arguments), ...own.args });
  }

  #changed(n, name, value) {
    const own = n ? this.state.second : this.state;
    const row = this.rows.get(own.op);
    if (name === "depth") {
      const layers = (now) => Array.from({ length: value }, (_, n) => (Array.isArray(now) ? now[Math.min(n, now.length - 1)] : now));
      own.args = { ...own.args, ...Object.fromEntries(["kernels", "strides", "dilations"].map((key) => [key, layers(own.args[key])])) };
    } else if (name === "dimensions") {
      own.args = { ...structuredClone(row.arguments), ...flatten(own.args), input: value };
      this.each = false;
    } else own.args = { ...own.args, [name]: value };
    own.args = settle(row, own.args, name);
    this.apply();
  }

  #eachAxis(each) {
    this.each = each;
    if (!each)
      for (const own of [this.state, this.state.second])
        if (own) own.args = { ...own.args, ...flatten(own.args), input: own.args.input?.map(() => own.args.input[0]) };
    this.apply();
  }

  /** Build a side's scene; where it cannot be, say why and keep the old picture, dimmed. */
  #show(side, own, locked) {
    const row = this.rows.get(own.op);
    if (locked.length) {
      for (const name of locked) own.args[name] = structuredClone(this.state.args[name]);
      own.args = settle(row, own.args, "in_channels");
      if (this.state.numbers.values && row.numbers.includes("values")) own.numbers.values = this.state.numbers.values;
      else delete own.numbers.values;
    }
    let message = "";
    try {
      side.scene = build(row, { ...own.args, ...own.numbers });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const numbers = Object.keys(own.numbers).length > 0;
      if (error.key === "wrongCount" && numbers) {
        own.numbers = {};
        this.#say(this.texts.t("dropped"));
        this.#show(side, own, locked);
        return;
      }
      message = this.texts.t(error.key, { ...error.values, what: this.texts.word(error.values.what) });
    }
    side.message.textContent = message;
    side.message.hidden = !message;
    side.view.classList.toggle("stale", Boolean(message));
    side.heading.textContent = this.state.second ? `${this.texts.t("settings")}: ${this.texts.operator(row)}` : this.texts.t("settings");
    side.controls.show(row, own.args, this.each, locked);
    side.stage.frame.id = side === this.sides[0] ? "picture" : "second";
    if (!message) side.stage.load(side.scene);
  }

  #stepped(at) {
    if (!this.state) return;
    this.state.step = at;
    if (this.transport.player.playing) return;
    const link = encode(this.state, this.rows);
    if (link === this.link) return;
    this.link = link;
    try {
      history.replaceState(null, "", `#${link}`);
    } catch {
      // a page without an address of its own, as in a notebook
    }
    if (parent !== window) parent.postMessage({ juanji: link }, "*");
  }

  #code() {
    const { op, args, numbers } = this.state;
    const texts = this.sides[0].scene && this.sides[0].message.hidden && this.code(op, { ...args, ...numbers });
    for (const button of this.tabs.children) button.setAttribute("aria-pressed", button.dataset.code === this.language);
    this.codeBox.textContent = texts?.[this.language] ?? "";
    this.codeBox.closest(".card").hidden = !texts;
  }

  #numbers() {
    const row = this.rows.get(this.state.op);
    const scene = this.sides[0].scene;
    const given = row.numbers.flatMap((name) => this.#fields(name)).map((name) => [name, this.#given(name)]).filter(([, grid]) => scene && grid);
    const shape = JSON.stringify([row.name, this.texts.language, given.map(([name]) => name)]);
    if (this.numbersShape !== shape) {
      this.numbersShape = shape;
      this.numbersBox.replaceChildren(...given.map(([name]) => this.#field(name)));
    }
    for (const [name, grid] of given) {
      const area = this.numbersBox.querySelector(`textarea[name="${name}"]`);
      if (area !== document.activeElement) area.value = rowsOf(grid);
    }
  }

  /** The fields an argument has: of several weights one each, "weights 0" and so on. */
  #fields(name) {
    if (name !== "weights") return [name];
    return this.#weights().map((_, n) => `weights ${n}`);
  }

  #weights() {
    return (this.sides[0].scene?.grids ?? []).filter((grid) => grid.role === "weight" && grid.name.endsWith(" weight"));
  }

  /** The numbers of a field as they are: {values, size}. */
  #given(name) {
    const row = this.rows.get(this.state.op);
    if (name.startsWith("weights ")) return this.#weights()[Number(name.split(" ")[1])];
    const names = name === "values" ? ["input", "image", "pooled"] : [name, `${this.#weights()[0]?.name}`];
    const own = name === "weight" || name === "values" ? names : [name];
    const grid = this.sides[0].scene?.grids.find((one) => own.includes(one.name));
    if (!(name in (MADE_UP[row.name]?.({ ...row.arguments, ...this.state.args }) ?? {}))) return grid;
    const values = filled(row, { ...this.state.args, ...this.state.numbers })[name];
    return { values, size: [values.length] };
  }

  #field(name) {
    const error = h("span", { class: "message", role: "alert" });
    const area = h("textarea", { name, rows: 5, spellcheck: "false", autocomplete: "off" });
    area.addEventListener("input", () => {
      const numbers = parseNumbers(area.value);
      const grid = this.#given(name);
      error.textContent = "";
      if (!numbers) error.textContent = this.texts.t("badNumbers");
      else if (numbers.length !== grid.values.length)
        error.textContent = this.texts.t("wrongCount", { count: grid.values.length, given: numbers.length });
      else {
        this.#give(name, numbers);
        this.apply();
      }
    });
    return h("label", { class: "field" }, h("span", {}, this.texts.field(name, this.#given(name))), area, error);
  }

  #give(name, numbers) {
    const [argument, place] = name.split(" ");
    if (place === undefined) this.state.numbers = { ...this.state.numbers, [argument]: numbers };
    else {
      const all = this.#weights().map((grid) => grid.values);
      this.state.numbers = { ...this.state.numbers, weights: all.map((own, n) => (n === Number(place) ? numbers : own)) };
    }
  }

  #others() {
    const input = this.#given("values");
    if (!input || !this.rows.get(this.state.op).numbers.includes("values")) return;
    this.seed = ((this.seed ?? 1) % 60000) + 7;
    this.state.numbers = { ...this.state.numbers, values: sample(input.values.length, 0, 9, this.seed) };
    this.apply();
  }

  async #image() {
    const [file] = this.file.files;
    this.file.value = "";
    const grid = this.#given("values");
    if (!file || !grid) return;
    const [rows, columns] = [grid.size.slice(0, -1).reduce((a, b) => a * b, 1), grid.size.at(-1)];
    try {
      const values = await readImage(file, rows, columns, grid.channels);
      this.state.numbers = { ...this.state.numbers, values: values.map((value) => Math.round(value * 9)) };
      this.apply();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#say(this.texts.t(error.key, error.values));
    }
  }

  #compare() {
    const box = this.costs.querySelector(".scroll");
    if (!this.state.second) return box.replaceChildren();
    const { texts } = this;
    const sides = [this.state, this.state.second];
    const facts = this.sides.map((side) => new Map((side.scene?.facts ?? []).map(({ key, text }) => [key, text])));
    const keys = ["output size", "weights", "multiply-adds", "multiply-adds inside", "view"].filter((key) => facts.some((own) => own.has(key)));
    const sizes = this.sides.map((side) => (side.scene?.grids ?? []).filter((grid) => grid.role === "output").map((grid) => shape(grid.size)).join(", "));
    const results = (key) => (key === "output size" ? sizes : facts.map((own) => counted(own.get(key))));
    const ratio = ([a, b]) => (/^\d+$/.test(a) && /^\d+$/.test(b) && Number(a) ? `${number(Number(b) / Number(a))} ×` : "");
    box.replaceChildren(
      h("table", {},
        h("thead", {}, h("tr", {}, h("th", {}), ...sides.map(({ op }) => h("th", { scope: "col" }, texts.operator(this.rows.get(op)))), h("th", { scope: "col" }, texts.t("ratio")))),
        h("tbody", {}, ...keys.map((key) =>
          h("tr", {}, h("th", { scope: "row" }, texts.fact(key)), ...results(key).map((text) => h("td", {}, text)), h("td", {}, ratio(results(key)))),
        ))),
    );
  }

  async #copy(event) {
    const button = event.currentTarget;
    await copyText(this.codeBox.textContent);
    this.#confirm(button, "copy");
  }

  async #link(event) {
    const button = event.currentTarget;
    await copyText(`${location.href.split("#")[0]}#${this.link}`);
    this.#confirm(button, "link");
  }

  #confirm(button, key) {
    button.textContent = this.texts.t("copied");
    this.#say(this.texts.t("copied"));
    setTimeout(() => { button.textContent = this.texts.t(key); }, 1500);
  }

  #say(text) {
    this.notice.textContent = text;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.notice.textContent = ""; }, 6000);
  }
}

/** What a fact comes to: "2 + 3 = 5 (9)" is 5. */
function counted(text) {
  if (text === undefined) return "–";
  return text.replace(/ \([^()]*\)$/, "").split("=").at(-1).trim();
}

/** Arguments with one number for all axes in place of one per axis. */
function flatten(args) {
  return Object.fromEntries(
    Object.entries(args)
      .filter(([name, value]) => name !== "input" && Array.isArray(value))
      .map(([name, value]) => [name, Array.isArray(value[0]) ? value[0][0] : value[0]]),
  );
}

/** Whether the axes have different numbers. */
function uneven(args) {
  return Object.values(args).some((value) => Array.isArray(value) && !Array.isArray(value[0]) && value.some((n) => n !== value[0]));
}

/** A grid's values in rows, an empty line between channels. */
function rowsOf({ values, size }) {
  const columns = size.at(-1);
  const cells = size.reduce((a, b) => a * b, 1);
  const lines = [];
  for (let at = 0; at < values.length; at += columns) {
    if (at && at % cells === 0 && cells > columns) lines.push("");
    lines.push(values.slice(at, at + columns).map((n) => Math.round(n * 1e6) / 1e6).join(" "));
  }
  return lines.join("\n");
}
