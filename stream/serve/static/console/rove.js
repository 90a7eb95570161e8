// One tab stop for each panel: Tab goes from panel to panel, ↑ and ↓ go from figure to figure within one.

const REACHABLE = "a[href], button, input, select, summary, [data-explained], [data-opens]";

export class Rover {
  #panels;
  #current = new WeakMap();

  /** @param {() => Iterable<Element>} panels  asked each time: panels come and go */
  constructor(panels) {
    this.#panels = panels;
    document.addEventListener("focusin", ({ target }) => this.#entered(target));
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Gives every panel its one tab stop. Call it after each drawing. */
  settle() {
    for (const panel of this.#panels()) this.#settle(panel);
  }

  #settle(panel) {
    const items = itemsOf(panel);
    let current = this.#current.get(panel);
    if (current === undefined || !panel.contains(current) || current.closest("[hidden]")) {
      current = items.find((item) => !item.closest("[hidden]"));
      if (current !== undefined) this.#current.set(panel, current);
    }
    for (const item of items) {
      const tabIndex = item === current ? 0 : -1;
      if (item.tabIndex !== tabIndex || !item.hasAttribute("tabindex")) item.tabIndex = tabIndex;
    }
  }

  #panelOf(target) {
    if (!(target instanceof Element) || target.closest("dialog")) return null;
    for (const panel of this.#panels()) if (panel.contains(target)) return panel;
    return null;
  }

  #entered(target) {
    const panel = this.#panelOf(target);
    if (panel === null || !target.matches(REACHABLE)) return;
    this.#current.set(panel, target);
    this.#settle(panel);
  }

  #key(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const panel = this.#panelOf(event.target);
    if (panel === null || event.target.matches("input, select, textarea")) return;
    const items = itemsOf(panel).filter((item) => item.checkVisibility());
    const to = items[items.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    if (to === undefined) return;
    event.preventDefault();
    to.focus();
  }
}

const itemsOf = (panel) => [...panel.querySelectorAll(REACHABLE)].filter((item) => !item.closest("dialog"));
