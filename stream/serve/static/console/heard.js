// What a screen reader is told without being asked: once, when it begins. And figures that are read in full.

import { h, setText } from "../dom.js";

export class Announcer {
  #polite = h("div.heard", { role: "status" });
  #urgent = h("div.heard", { role: "alert" });
  root = h("div", {}, this.#polite, this.#urgent);

  /** Says a text once. `urgent`: at once, else at the next pause. */
  say(text, urgent = false) {
    (urgent ? this.#urgent : this.#polite).textContent = text;
  }
}

/** Writes a figure that is shortened for the eye and read in full. */
export function setFigure(element, short, full) {
  if (short === full) {
    setText(element, full);
    return;
  }
  if (element.children.length !== 2) element.replaceChildren(h("span", { "aria-hidden": "true" }), h("span.heard"));
  setText(element.children[0], short);
  setText(element.children[1], full);
}
