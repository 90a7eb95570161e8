// "N left" of one SKU in one sale, with the shares sold and held; "all taken, N not yet paid"; "sold out". It shows
// what `stock_left`, `all_taken` or `sold_out` allows.

import { foreign, h, setText } from "../../dom.js";
import { fill, grouped, pieces, share } from "../../text.js";
import { roll, slideIn } from "../motion.js";
import { claimOf, nameOf } from "../subject.js";
import { Widget } from "../widget.js";

const CORRECTION_MS = 2_500;

export class StockWidget extends Widget {
  #parts;
  #correction = 0;

  view() {
    const claim = claimOf(this.context, "stock_left", "all_taken", "sold_out");
    if (claim === null) return null;
    const { offered, restocked, held, sold } = claim.inputs;
    const total = offered + restocked;
    return {
      key: `${claim.claim} ${claim.sale_id} ${claim.sku_id}`,
      name: nameOf(claim.sku_id, this.context.params),
      says: claim.claim,
      left: claim.claim === "stock_left" ? claim.value : 0,
      unpaid: claim.claim === "all_taken" ? grouped(claim.value) : "",
      sold: total > 0 ? Math.min(sold / total, 1) : 0,
      held: total > 0 ? Math.min(held / total, 1 - Math.min(sold / total, 1)) : 0,
      share: total > 0 && claim.claim === "stock_left" ? share(Math.min(sold, total), total) : "",
    };
  }

  build(view) {
    const { strings } = this.context;
    const figure = h("span.figure");
    const says = {
      stock_left: () => said(strings.overlay.left, figure),
      all_taken: () => [h("span.figure", {}, strings.overlay.allTaken)],
      sold_out: () => [h("span.figure", {}, strings.overlay.soldOut)],
    }[view.says]();
    const name = h("span.name");
    const sellThrough = h("span.aside");
    const correction = h("span.correction", { hidden: true });
    const sold = h("span.sold");
    const held = h("span.held");
    const bar = h("div.bar", { "aria-hidden": "true" }, sold, held);
    this.append(
      h(
        "div.plate",
        {},
        h("div.head", {}, name, sellThrough),
        h("div.says", {}, ...says, correction),
        bar,
      ),
    );
    this.#parts = { figure, name, sellThrough, correction, sold, held };
  }

  paint(view, before) {
    const { figure, name, sellThrough, correction, sold, held } = this.#parts;
    name.replaceChildren(foreign(view.name));
    const words = this.context.strings.overlay;
    const unpaid = view.unpaid ? fill(words.notYetPaid, { n: view.unpaid }) : "";
    setText(sellThrough, view.share ? fill(words.sellThrough, { share: view.share }) : unpaid);
    sold.style.inlineSize = `${(view.sold * 100).toFixed(2)}%`;
    held.style.inlineSize = `${(view.held * 100).toFixed(2)}%`;
    const more = before === null ? 0 : view.left - before.left;
    roll(figure, grouped(view.left), before === null ? null : more > 0 ? "up" : "down");
    // Returned stock (a cancel, an expired hold, a restock) is shown as a correction, not slipped in.
    if (more > 0) {
      setText(correction, `+${grouped(more)}`);
      correction.hidden = false;
      slideIn(correction);
      clearTimeout(this.#correction);
      this.#correction = setTimeout(() => (correction.hidden = true), CORRECTION_MS);
    }
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.#correction);
  }
}

/** The pieces of a sentence with a figure: the figure large, the words small beside it. */
export function said(text, figure, name = "n") {
  return pieces(text, { [name]: figure }).map((piece) => (typeof piece === "string" ? h("span.unit", {}, piece.trim()) : piece));
}
