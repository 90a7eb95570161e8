// What every widget of the overlay has in common: it is there while it has something true to say, and not there else.

import { arrive } from "./motion.js";

const LEAVE_MS = 200;

/**
 * A widget says what it would show (`view`) and draws it (`build`, `paint`). It never draws what it already shows, so a
 * document that changes nothing of it costs no frame.
 */
export class Widget extends HTMLElement {
  /** What the page gives it: `{ room, strings, params, lang }`. */
  context = null;
  #shown = null;
  #said = "";
  #leaving = 0;

  /**
   * What is true now, as plain values; null: nothing. `key` names whom it speaks of: with another key the widget begins
   * anew, and no number rolls from one product's to another's.
   *
   * @returns {object | null}
   */
  view() {
    return null;
  }

  /** The elements, once each time it comes. */
  build() {}

  /**
   * Put the values into the elements.
   *
   * @param {object} view
   * @param {object | null} before  what stood there, when it spoke of the same
   */
  paint() {}

  /** In how many ms `view` may be another one though no document came: a countdown's next second. */
  changesIn() {
    return Infinity;
  }

  /** Look again. Returns what `changesIn` says. */
  update() {
    let view = null;
    try {
      view = this.view();
    } catch (error) {
      console.error(this.localName, error); // one broken widget leaves, the others stay
    }
    const says = view === null ? "" : JSON.stringify(view);
    if (says !== this.#said) {
      this.#said = says;
      if (view === null) this.#leave();
      else this.#show(view);
    }
    return view === null ? Infinity : this.changesIn(view);
  }

  #show(view) {
    const stays = this.#shown !== null && this.#shown.key === view.key && !this.#leaving;
    if (!stays) {
      clearTimeout(this.#leaving);
      this.#leaving = 0;
      this.replaceChildren();
      this.build(view);
      delete this.dataset.leaving;
      this.hidden = false;
    }
    this.paint(view, stays ? this.#shown : null);
    if (!stays) arrive(this);
    this.#shown = view;
  }

  #leave() {
    this.#shown = null;
    this.dataset.leaving = "";
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => {
      this.#leaving = 0;
      this.hidden = true;
      this.replaceChildren();
    }, LEAVE_MS);
  }

  disconnectedCallback() {
    clearTimeout(this.#leaving);
  }
}
