// The door of a console whose server asks for a token: what is wrong, and a field for a token.

import { h, setText } from "../dom.js";
import { clean } from "../text.js";
import { keepToken } from "./access-token.js";

export class TokenBox {
  #words;
  #why;
  #input;
  #wasShown = false;

  /**
   * @param {object} options
   * @param {object} options.strings
   * @param {string} options.room  "" for the list of rooms
   * @param {(token: string) => void} options.onToken
   */
  constructor({ strings, room, onToken }) {
    this.#words = strings.console;
    const words = this.#words.token;
    this.#why = h("h2");
    this.#input = h("input", {
      type: "password",
      id: "token",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "512",
      required: true,
      "aria-describedby": "token-how",
    });
    const command = h("code", {}, `snapup token ${room ? clean(room, 64) : "'*'"}`);
    const form = h(
      "form",
      {},
      h("label", { for: "token" }, words.label),
      this.#input,
      h("button.tool", { type: "submit" }, words.open),
      h("p.soft", { id: "token-how" }, words.how, " ", command),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      if (!token) return;
      this.#input.value = "";
      keepToken(token, room);
      onToken(token);
    });
    this.root = h("section.token", { hidden: true, "aria-label": words.label }, this.#why, form);
  }

  /** Shows the box with what is wrong; `refusal` null hides it. */
  render(refusal) {
    const isShown = refusal !== null;
    this.root.hidden = !isShown;
    if (isShown) setText(this.#why, this.#words.refusals[refusal]);
    if (isShown && !this.#wasShown) this.#input.focus();
    this.#wasShown = isShown;
  }
}
