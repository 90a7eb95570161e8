// The base of all overlay widgets: a widget is visible while it has something true to say, and only then.

import { arrive } from "./motion.js";

const LEAVE_MS = 200;

/**
 * A widget returns what to show (`view`) and draws it (`build`, `paint`). It never draws what it already shows, so a
 * document that changes nothing for the widget costs no frame.
 */
export class Widget extends HTMLElement {
  /** Set by the page: `{ room, subject, strings, params, lang }`. */
  context = null;
  #shown = null;
  #said = "";
  #leaving = 0;

  /**
   * What is true now, as plain values; null: nothing. `key` names the subject: with a new key the widget starts anew,
   * and no number rolls from one product's to another's.
   *
   * @returns {object | null}
   */
  view() {
    return null;
  }

  /** Builds the elements, once each time the widget appears. */
  build() {}

  /**
   * Writes the values into the elements.
   *
   * @param {object} view
   * @param {object | null} before  the view shown before, if its subject was the same
   */
  paint() {}

  /** The ms until `view` may change without a new document, as at a countdown's next second. */
  changesIn() {
    return Infinity;
  }

  /** Shows the current view. Returns the value of `changesIn`. */
  update() {
    let view = null;
    try {
      view = this.view();
    } catch (error) {
      console.error(this.localName, error); // a broken widget disappears, the others stay
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
