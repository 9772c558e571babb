// Language and light or dark, kept by the browser where it allows that.

import { h } from "./dom.js";

const THEMES = ["auto", "light", "dark"];

export function remembered(key) {
  try {
    return localStorage.getItem(`juanji.${key}`);
  } catch {
    return null; // a page from a file, or in a frame, may have no memory
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(`juanji.${key}`, value);
  } catch {
    // then it holds as long as the page
  }
}

/** The two switches; `changed` is called when texts must be said anew. */
export function preferences(texts, changed) {
  const language = h("button", { type: "button", class: "plain", lang: "", onclick: () => {
    texts.use(texts.language === "en" ? "zh" : "en");
    remember("language", texts.language);
    update();
    changed();
  } });
  let theme = THEMES.includes(remembered("theme")) ? remembered("theme") : "auto";
  const look = h("button", { type: "button", class: "plain", onclick: () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remember("theme", theme);
    update();
  } });
  const update = () => {
    document.documentElement.dataset.theme = theme;
    document.documentElement.lang = texts.language === "zh" ? "zh-CN" : "en";
    language.textContent = texts.language === "en" ? "中文" : "English";
    language.setAttribute("lang", texts.language === "en" ? "zh-CN" : "en");
    look.textContent = texts.t(`theme-${theme}`);
    look.setAttribute("aria-label", `${texts.t("theme")}: ${texts.t(`theme-${theme}`)}`);
  };
  update();
  return h("div", { class: "preferences" }, language, look);
}
