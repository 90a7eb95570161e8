// A claim on request: its proof, or the reason why it is withheld, and the command that works it out again from the
// log.

import { foreign, h } from "../dom.js";

const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const KIND = /^[a-z_]{1,40}$/;

/** The command that lists the records behind a claim; null if the document's values may not go into a command. */
export function commandOf(roomId, kind, asOfMs) {
  if (!ID.test(roomId) || !KIND.test(kind) || !Number.isInteger(asOfMs)) return null;
  return `snapup explain ${roomId} --claim ${kind} --at ${asOfMs}`;
}

/** One dialog for all claims of a page. */
export class Why {
  #words;
  #lines;
  #command;
  #code;

  constructor({ strings }) {
    this.#words = strings.console;
    this.#lines = h("div.lines");
    this.#code = h("code");
    this.#command = h("p.command", {}, this.#words.explainHow, this.#code);
    const close = h("button.tool", { type: "button", autofocus: true }, this.#words.close);
    this.root = h("dialog.why", { "aria-label": this.#words.explain }, h("h2", {}, this.#words.explain), this.#lines, this.#command, close);
    close.addEventListener("click", () => this.root.close());
    this.root.addEventListener("click", (event) => event.target === this.root && this.root.close());
  }

  /** Lets a list item open the dialog by a click, Enter or space. `about` returns the content at that time. */
  opens(element, about) {
    element.dataset.opens = "";
    element.addEventListener("click", () => this.#open(about()));
    element.addEventListener("keydown", (event) => {
      if (event.target !== element || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      this.#open(about());
    });
  }

  #open({ lines, command }) {
    const said = lines.filter((line) => line !== null && line !== "");
    this.#lines.replaceChildren(...said.map((line, place) => h(place ? "p" : "p.first", {}, foreign(line))));
    this.#code.textContent = command ?? "";
    this.#command.hidden = command === null;
    if (!this.root.open) this.root.showModal();
  }
}
