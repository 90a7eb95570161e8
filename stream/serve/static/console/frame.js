// What every console page has around it: language, theme, help and keys.

import { LANGUAGES } from "../language.js";
import { h } from "../dom.js";

/** Buttons at the end of the head: theme, language, help. */
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

/** `?`: what the keys do, and how to read the page. */
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

/** A dialog that was closed keeps the focus until the browser draws again: nobody types into that. */
function isTypedInto(element) {
  const dialog = element.closest("dialog");
  return dialog ? dialog.open : element.closest("input, textarea, select") !== null;
}

/** Calls back with each key that is not typed into something. */
export function onKeys(handler) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target instanceof Element && isTypedInto(event.target)) return;
    if (handler(event)) event.preventDefault();
  });
}
