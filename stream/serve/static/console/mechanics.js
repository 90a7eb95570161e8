// Below the charts: one panel for each mechanic that the room has a section of. A mechanic may bring a panel of its own;
// else every figure stands there by its name.

import { h, setText } from "../dom.js";
import { figuresOf, isCount } from "../figures.js";
import { MECHANICS } from "../mechanics/mechanics.js";
import { clean, fill, grouped, timeOfDay } from "../text.js";
import { explain } from "./explain.js";
import { keyed } from "./keyed.js";

/** Of one section: a host reads no more at a glance. */
const FIGURES_MAX = 48;

export class Mechanics {
  #context;
  #panels = new Map();

  constructor(context) {
    this.#context = context;
    this.root = h("div.mechanics");
  }

  render(overlay) {
    for (const mechanic of MECHANICS) {
      const section = overlay?.[mechanic.name] ?? null;
      let panel = this.#panels.get(mechanic.name);
      if (section !== null && panel === undefined) {
        panel = new Panel(this.#context, mechanic);
        this.#panels.set(mechanic.name, panel);
        // In the order of the list, whichever came first.
        this.root.append(...MECHANICS.flatMap(({ name }) => this.#panels.get(name)?.root ?? []));
      }
      if (panel !== undefined) panel.render(section, overlay);
    }
  }
}

class Panel {
  #context;
  #mechanic;
  #body = h("dl.figures");
  #own = null;
  #shown = null;

  constructor(context, mechanic) {
    this.#context = context;
    this.#mechanic = mechanic;
    const words = context.strings.mechanics[mechanic.name];
    const title = h("h2", {}, words.title);
    explain(title, () => [words.help, this.#asOf()]);
    this.root = h(`section.mechanic.${mechanic.name}`, { "aria-label": words.title }, h("header.bar-head", {}, title), this.#body);
    if (mechanic.panel) this.#load();
  }

  /** The mechanic's own panel takes the place of the figures once it is there. */
  async #load() {
    try {
      const { panel } = await import(`../mechanics/${this.#mechanic.name}/panel.js`);
      this.#own = panel(this.#context);
      this.#body.replaceWith(this.#own.root);
      if (this.#shown !== null) this.#own.render(...this.#shown);
    } catch (error) {
      console.error(this.#mechanic.name, error); // the figures stay
    }
  }

  render(section, overlay) {
    this.root.hidden = section === null;
    if (section === null) return;
    this.#shown = [section, overlay];
    if (this.#own !== null) this.#own.render(section, overlay);
    else this.#renderFigures(section);
  }

  #renderFigures(section) {
    const { strings } = this.#context;
    const words = strings.mechanics[this.#mechanic.name];
    keyed(
      this.#body,
      figuresOf(section).slice(0, FIGURES_MAX),
      ([name]) => name,
      ([name]) => h("div", { "data-figure": name }, h("dt", {}, labelOf(name, words)), h("dd")),
      (element, [, value]) => setText(element.lastElementChild, said(value)),
    );
  }

  #asOf() {
    if (this.#shown === null) return null;
    return fill(this.#context.strings.console.asOf, { time: timeOfDay(this.#shown[1].as_of_ms) });
  }
}

/** The mechanic's word for a figure; in `top.2.coins` the number is told apart: its word is that of `top.coins`. */
export function labelOf(name, words) {
  const numbers = name.split(".").filter((part) => /^\d+$/.test(part));
  const plain = name.split(".").filter((part) => !/^\d+$/.test(part)).join(".");
  const word = words.figures[plain];
  return word === undefined ? clean(name, 40) : fill(word, { n: numbers.join(".") });
}

function said(value) {
  if (value === null) return "–";
  if (isCount(value)) return `${value.method === "exact" ? "" : "≈"}${grouped(value.value)}`;
  if (typeof value === "number") return grouped(value);
  if (typeof value === "boolean") return value ? "✓" : "✗";
  return clean(String(value), 40);
}
