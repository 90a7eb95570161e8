// The frame of every console page: language, theme, help and keys.

import { LANGUAGES } from "../language.js";
import { h } from "../dom.js";

/** The buttons at the end of the head: theme, language, help. */
export function controls({ view, strings }, help) {
  const words = strings.console;
  const theme = h("button.tool", { type: "button", "aria-label": words.theme, title: words.theme }, "◐");
  theme.addEventListener("click", () => view.set({ theme: view.theme === "dark" ? "light" : "dark" }));
  const language = h("button.tool", { type: "button" }, words.language);
  const languages = Object.keys(LANGUAGES);
  language.addEventListener("click", () => view.set({ lang: languages[(languages.indexOf(view.lang) + 1) % languages.length] }));
  const question = h("button.tool", { type: "button", "aria-label": words.help, title: words.help }, "?");
  question.addEventListener("click", () => help.showModal());
  return h("div.tools", {}, theme, language, question);
}

/** The dialog of `?`: the keys, and how to read the page. */
export function helpDialog({ strings }) {
  const words = strings.console;
  const keys = h("dl.keys");
  for (const [key, meaning] of Object.entries(words.keys)) {
    keys.append(h("dt", {}, ...key.split(" ").flatMap((each) => [h("kbd", {}, each), " "])), h("dd", {}, meaning));
  }
  const close = h("button.tool", { type: "button", autofocus: true }, words.close);
  const dialog = h("dialog.help", { "aria-label": words.help }, h("h2", {}, words.help), h("p", {}, words.helpText), keys, close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

/** Whether keys go into an element as text. A closed dialog keeps the focus until the next drawing: not typing. */
function isTypedInto(element) {
  const dialog = element.closest("dialog");
  return dialog ? dialog.open : element.closest("input, textarea, select") !== null;
}

/** Calls `handler` with each key that is not typed into a field. */
export function onKeys(handler) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target instanceof Element && isTypedInto(event.target)) return;
    if (handler(event)) event.preventDefault();
  });
}
