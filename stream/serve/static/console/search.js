// `/`: finds a room by part of its id and goes there.

import { foreign, h, setText } from "../dom.js";
import { clean, fill, grouped } from "../text.js";
import { keyed } from "./keyed.js";
import { askForRooms } from "./rooms-list.js";

const ASK_AFTER_MS = 150;
// The interval of questions while the dialog is open: rooms come and go, and the server looks for them every 3 s.
const ASK_AGAIN_MS = 2_000;

export class Search {
  #context;
  #input;
  #list;
  #note;
  #asking = null;
  #timer = 0;
  #going = false;

  constructor(context) {
    this.#context = context;
    const words = context.strings.console;
    this.#input = h("input", { type: "search", "aria-label": words.search, placeholder: words.search, autocomplete: "off", spellcheck: "false", maxlength: "64" });
    this.#list = h("ul.found");
    this.#note = h("p.soft", { role: "status" });
    this.root = h("dialog.search", { "aria-label": words.search }, this.#input, this.#list, this.#note);
    this.#input.addEventListener("input", () => {
      this.#going = false;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), ASK_AFTER_MS);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#go();
      if (event.key === "ArrowDown") this.#list.querySelector("a")?.focus();
    });
    this.root.addEventListener("click", (event) => event.target === this.root && this.root.close());
    this.root.addEventListener("close", () => {
      if (this.root.open) return; // a late event: the dialog is open again
      this.#going = false;
      clearTimeout(this.#timer);
      this.#asking?.abort();
    });
  }

  open() {
    this.root.showModal();
    this.#input.select();
    this.#ask();
  }

  /** Goes to the first match of the current text, not of the list shown a moment ago. Waits for a failed server. */
  #go() {
    this.#going = true;
    clearTimeout(this.#timer);
    this.#ask();
  }

  async #ask() {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const { view, strings } = this.#context;
    const words = strings.console;
    const { rooms, error, refusal } = await askForRooms({ token: view.token, q: this.#input.value.trim(), limit: 12, signal });
    if (signal.aborted) return;
    const link = ({ room_id }) => h("a", { href: view.link(encodeURIComponent(room_id)) }, foreign(clean(room_id, 64)), h("span.soft"));
    keyed(
      this.#list,
      rooms ?? [],
      (room) => room.room_id,
      (room) => h("li", {}, link(room)),
      (row, room) => {
        const value = grouped(Number(room.watching_now) || 0);
        setText(row.querySelector(".soft"), fill(strings.claims.watching_now, { value }));
      },
    );
    if (this.#going && error === null) {
      this.#going = false;
      this.#list.querySelector("a")?.click();
    }
    setText(this.#note, error === "refused" ? words.refusals[refusal] : error !== null ? words.states[error] : rooms.length ? "" : words.noMatch);
    clearTimeout(this.#timer);
    if (this.root.open) this.#timer = setTimeout(() => this.#ask(), ASK_AGAIN_MS);
  }
}
