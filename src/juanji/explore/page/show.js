// An exported scene, or several of them to choose from.

import { h } from "./dom.js";
import { preferences } from "./preferences.js";
import { Stage, Transport } from "./stage.js";
import { Texts } from "./texts.js";

export class Show {
  constructor(host, { scenes, title }) {
    this.texts = new Texts();
    this.stage = new Stage(this.texts);
    this.transport = new Transport(this.texts, () => (this.stage.scene ? [this.stage] : []));
    const choice = h("select", { class: "operator", onchange: () => this.load(scenes[choice.selectedIndex]) });
    choice.append(...scenes.map((scene) => h("option", {}, scene.title)));
    choice.hidden = scenes.length < 2;
    choice.setAttribute("aria-label", title || "juanji");
    this.matrix = h("section", { class: "card" }, h("h3", { "data-t": "matrix" }), this.stage.matrixNote, this.stage.matrixBox);
    this.facts = h("section", { class: "card" }, h("h3", { "data-t": "facts" }), this.stage.facts);
    document.title = title || scenes[0].title;
    host.replaceChildren(
      h("header", {}, h("div", { class: "brand" }, "juanji 卷积"), preferences(this.texts, () => this.words())),
      h("main", { class: "show" }, choice,
        h("section", { class: "card main" }, this.stage.view, this.transport.view),
        h("div", { class: "below" }, this.facts, this.matrix)),
    );
    this.load(scenes[0]);
  }

  load(scene) {
    this.stage.load(scene);
    this.transport.load(scene.steps.length, scene.steps.length ? 0 : -1);
    this.matrix.hidden = !scene.matrix;
    this.facts.hidden = !scene.facts.length;
    this.words();
  }

  words() {
    this.stage.words();
    this.transport.words();
    this.texts.fill(document);
  }
}
