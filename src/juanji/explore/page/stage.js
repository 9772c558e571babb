// The part that the explorer and an exported scene share: picture, arithmetic, steps, matrix, facts.

import { h } from "./dom.js";
import { UPRIGHT, layout } from "./layout.js";
import { MatrixPicture } from "./matrix.js";
import { number } from "./numbers.js";
import { Player, SPEEDS } from "./player.js";
import { Picture, make } from "./render.js";

const NARROW = 620; // px: below, a picture may be as high as it likes
const LARGEST = 1.2; // times its natural size

const ICONS = {
  first: "M5 4v12M16 4l-8 6 8 6z", back: "M13 4l-7 6 7 6", play: "M6 3.5l10 6.5-10 6.5z", pause: "M6 4h3v12H6zM11 4h3v12h-3z",
  forward: "M7 4l7 6-7 6", last: "M15 4v12M4 4l8 6-8 6z",
};

function icon(name) {
  return make("svg", { viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true", class: "sign" }, [make("path", { d: ICONS[name] })]);
}

/** One scene on the page. `texts` translates; `stepped(at)` is told of every step. */
export class Stage {
  constructor(texts) {
    this.texts = texts;
    this.title = h("h2", { class: "scene-title" });
    this.frame = h("div", { class: "frame", tabindex: 0, role: "application" });
    this.crops = h("p", { class: "quiet crops", hidden: true });
    this.arithmetic = h("p", { class: "arithmetic" });
    this.note = h("p", { class: "note quiet", "aria-live": "polite" });
    this.matrixBox = h("div", { class: "matrix-box", tabindex: 0, role: "region" });
    this.matrixNote = h("p", { class: "quiet" });
    this.facts = h("dl", { class: "facts" });
    this.view = h("div", { class: "stage" }, this.title, this.frame, this.crops, this.arithmetic, this.note);
    this.at = -1;
    this.pinned = null;
    this.#listen();
  }

  /** Show another scene. */
  load(scene) {
    this.scene = scene;
    this.pinned = null;
    this.note.textContent = "";
    this.matrix = scene.matrix ? new MatrixPicture(scene.matrix) : null;
    this.matrixBox.replaceChildren(...(this.matrix ? [this.matrix.svg] : []));
    this.matrixBox.hidden = !this.matrix;
    this.words();
  }

  /** Say everything in the language of now. */
  words() {
    const { texts, scene } = this;
    if (!scene) return;
    this.title.textContent = scene.title;
    this.frame.setAttribute("aria-label", `${texts.t("picture")}: ${scene.title}. ${texts.t("pictureKeys")}`);
    this.matrixBox.setAttribute("aria-label", texts.t("matrix"));
    this.crops.hidden = !scene.crops.length;
    this.crops.textContent = scene.crops
      .map(({ grid, first, shown, whole }) =>
        texts.t("crop", {
          grid: texts.word(scene.grids.find(({ name }) => name === grid).title),
          shown: shown.join(" × "), whole: whole.join(" × "), first: first.join(", "),
        }),
      )
      .join(" ");
    this.facts.replaceChildren(
      ...scene.facts.map(({ key, text }) =>
        h("div", { class: "fact", "data-fact": key }, h("dt", {}, texts.fact(key)), h("dd", {}, text)),
      ),
    );
    this.#draw();
    this.show(this.at);
  }

  /** Show the scene after a step; beyond its last: the last. */
  show(at, playing = false) {
    const { scene, texts } = this;
    this.at = Math.min(at, scene.steps.length - 1);
    this.picture.show(this.at);
    const step = scene.steps[this.at];
    const parts = step ? [step.stage && texts.word(step.stage), step.arithmetic].filter(Boolean) : [];
    this.arithmetic.setAttribute("aria-live", playing ? "off" : "polite");
    this.arithmetic.textContent = step ? parts.join(": ") : scene.steps.length ? texts.t("begin") : " ";
    const line = this.matrix?.show(step) ?? null;
    this.matrixNote.textContent = this.matrix
      ? texts.t(step?.column !== null && step?.column !== undefined ? "matrixColumn" : "matrixRow", { name: scene.matrix.name, line: line ?? "–" })
      : texts.t(scene.matrix === null && scene.facts.some(({ key }) => key === "matrix") ? "matrixLarge" : "matrixNone");
  }

  #draw() {
    const width = (this.width ||= this.frame.clientWidth || 900); // measured again when it changes
    const words = (text) => this.texts.word(text);
    // the way that gives the larger cells; running to the right unless that loses much
    const room = width < NARROW ? Infinity : 0.62 * window.innerHeight;
    const size = (plan) => Math.min(width / plan.width, room / plan.height, LARGEST);
    let upright = false;
    let best = 1.15 * size(layout(this.scene));
    for (const channels of UPRIGHT) {
      const own = size(layout(this.scene, { upright: channels }));
      if (own > best) [upright, best] = [channels, own];
    }
    this.picture = new Picture(this.scene, { upright, words });
    this.drawn = width;
    this.picture.svg.setAttribute("aria-hidden", "true");
    this.frame.replaceChildren(this.picture.svg);
    this.picture.show(Math.min(this.at, this.scene.steps.length - 1));
  }

  #listen() {
    const { frame } = this;
    const over = (event) => {
      const cell = this.picture.cellOf(event);
      if (cell !== this.pinned) this.#probe(cell);
    };
    frame.addEventListener("pointerover", over);
    frame.addEventListener("pointerleave", () => this.#probe(null));
    frame.addEventListener("keydown", (event) => this.#key(event));
    frame.addEventListener("blur", () => this.#probe(null));
    new ResizeObserver(() => {
      this.width = frame.clientWidth;
      if (this.scene && this.width && Math.abs(this.drawn - this.width) > 24) this.#draw();
    }).observe(frame);
  }

  /** Light what a cell reads and reaches, and say it. */
  #probe(cell) {
    this.pinned = cell;
    const { sources, targets } = this.picture.probe(cell);
    if (!cell) {
      this.note.textContent = "";
      return;
    }
    const { texts } = this;
    const title = texts.word(this.scene.grids.find(({ name }) => name === cell.grid).title);
    this.note.textContent = texts.t("cell", {
      grid: title, channel: cell.channel, position: cell.position.join(", "),
      value: cell.value === null || cell.value === undefined ? "–" : number(cell.value),
      sources: sources.length, targets: targets.length,
    });
  }

  /** Arrow keys walk from cell to cell, page keys from grid to grid. */
  #key(event) {
    const cells = [...this.picture.cells.values()];
    if (!cells.length) return;
    const now = this.pinned ?? null;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") this.#probe(null);
    else if (event.key === "PageDown" || event.key === "PageUp") {
      const names = [...new Set(cells.map((cell) => cell.grid))];
      const next = names.indexOf(now?.grid) + (event.key === "PageDown" ? 1 : -1);
      const name = names[(next + names.length) % names.length];
      this.#probe(cells.find((cell) => cell.grid === name));
    } else if (moves[event.key]) {
      if (!now) this.#probe(cells[0]);
      else {
        const own = cells.filter((cell) => cell.grid === now.grid);
        const columns = this.scene.grids.find(({ name }) => name === now.grid).size.at(-1);
        const [right, down] = moves[event.key];
        const next = own[own.indexOf(now) + right + down * columns];
        if (next) this.#probe(next);
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Buttons, the scrubber and the speed; they drive stages through one player. */
export class Transport {
  constructor(texts, stages, stepped = () => {}) {
    this.texts = texts;
    this.player = new Player((at) => {
      for (const stage of stages()) stage.show(at, this.player.playing);
      this.#update();
      stepped(at);
    });
    const button = (name, run) => h("button", { type: "button", class: `icon ${name}`, onclick: run }, icon(name));
    const { player } = this;
    this.buttons = {
      first: button("first", () => { player.playing = false; player.go(-1); }),
      back: button("back", () => player.move(-1)),
      play: button("play", () => player.toggle()),
      forward: button("forward", () => player.move(1)),
      last: button("last", () => player.go(player.count - 1)),
    };
    this.scrub = h("input", { type: "range", min: -1, step: 1, class: "scrub", oninput: () => { player.playing = false; player.go(Number(this.scrub.value)); } });
    this.count = h("output", { class: "count" });
    this.speed = h("select", { class: "speed", onchange: () => { player.speed = Number(this.speed.value); } });
    for (const value of SPEEDS) this.speed.append(h("option", { value, selected: value === player.speed }, `${value}/s`));
    this.view = h(
      "div", { class: "transport", role: "group" },
      h("div", { class: "buttons" }, ...Object.values(this.buttons)), this.scrub, this.count, this.speed,
    );
    document.addEventListener("keydown", (event) => this.#key(event));
    this.words();
  }

  load(count, at) {
    this.scrub.max = count - 1;
    this.view.hidden = count === 0;
    this.player.load(count, at);
  }

  words() {
    const { texts } = this;
    for (const [name, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-label", texts.t(name));
      button.title = texts.t(name);
    }
    this.view.setAttribute("aria-label", texts.t("transport"));
    this.scrub.setAttribute("aria-label", texts.t("step"));
    this.speed.setAttribute("aria-label", texts.t("speed"));
    this.#update();
  }

  #update() {
    const { at, count, playing } = this.player;
    this.scrub.value = at;
    const spoken = this.texts.t("stepOf", { at: at + 1, count });
    this.scrub.setAttribute("aria-valuetext", spoken);
    this.count.textContent = `${at + 1} / ${count}`;
    const sign = playing ? "pause" : "play";
    if (this.sign !== sign) this.buttons.play.replaceChildren(icon(sign));
    this.sign = sign;
    this.buttons.play.setAttribute("aria-label", this.texts.t(playing ? "pause" : "play"));
    this.buttons.back.disabled = this.buttons.first.disabled = at < 0;
    this.buttons.forward.disabled = this.buttons.last.disabled = at >= count - 1;
  }

  /** Keys that work where nothing else takes them. */
  #key(event) {
    const busy = event.target.closest?.("input, select, textarea, button, a, summary, [role=application]");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { player } = this;
    if (event.key === " " && (!busy || busy.matches("[role=application]"))) player.toggle();
    else if (busy) return;
    else if (event.key === "ArrowRight") player.move(1);
    else if (event.key === "ArrowLeft") player.move(-1);
    else if (event.key === "Home") player.go(-1);
    else if (event.key === "End") player.go(player.count - 1);
    else return;
    event.preventDefault();
  }
}
