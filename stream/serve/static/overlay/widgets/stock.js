// "N left" of the subject, with the shares sold and held; "all taken, N not yet paid"; "sold out". It shows what
// `stock_left`, `all_taken` or `sold_out` allows. For ten seconds after a restock it shows that instead.

import { foreign, h, setText } from "../../dom.js";
import { fill, grouped, pieces, share } from "../../text.js";
import { roll, slideIn } from "../motion.js";
import { claimOf, isSame, nameOf } from "../subject.js";
import { Widget } from "../widget.js";

const CORRECTION_MS = 2_500;
/** How long a restock is news. */
const RESTOCKED_MS = 10_000;
/** While stock may not be said for one of these reasons, nor may it be said that some came. */
const DOUBTS = new Set(["stale", "suspected_fake_orders", "records_misplaced", "stock_unknown"]);

export class StockWidget extends Widget {
  #parts;
  #correction = 0;
  /** The sale and SKU of which nothing was left when it was last shown. */
  #out = null;

  view() {
    const claim = claimOf(this.context, "stock_left", "all_taken", "sold_out");
    const restock = this.#restock();
    if (claim !== null && claim.claim !== "stock_left") this.#out = { sale_id: claim.sale_id, sku_id: claim.sku_id };
    else if (restock === null && this.context.subject.sale?.available > 0) this.#out = null;
    if (restock !== null) return restock;
    if (claim === null) return null;
    const { offered, restocked, held, sold } = claim.inputs;
    const total = offered + restocked;
    return {
      key: `${claim.claim} ${claim.sale_id} ${claim.sku_id}`,
      name: nameOf(claim.sku_id, this.context.params, this.context.room.overlay),
      says: claim.claim,
      left: claim.claim === "stock_left" ? claim.value : 0,
      unpaid: claim.claim === "all_taken" ? grouped(claim.value) : "",
      sold: total > 0 ? Math.min(sold / total, 1) : 0,
      held: total > 0 ? Math.min(held / total, 1 - Math.min(sold / total, 1)) : 0,
      share: total > 0 && claim.claim === "stock_left" ? share(Math.min(sold, total), total) : "",
    };
  }

  /**
   * The subject's restock of the last ten seconds, if some of it is left. "Back in stock" only if this page just said
   * that nothing is left; else more has come to what there was.
   */
  #restock() {
    const { room, subject, params } = this.context;
    const { sale } = subject;
    const restock = sale?.last_restock;
    if (!restock || sale.status !== "open" || !(sale.available > 0)) return null;
    // The page's clock lags by the way that a document takes, but is never behind the document.
    const ageMs = Math.max(room.now(), room.overlay.as_of_ms) - restock.at_ms;
    if (ageMs < 0 || ageMs >= RESTOCKED_MS || !(restock.quantity > 0)) return null;
    const isDoubtful = (each) => isSame(each, sale) && each.claim === "stock_left" && DOUBTS.has(each.reason);
    if (room.overlay.withheld.some(isDoubtful)) return null;
    const isBack = this.#out !== null && isSame(this.#out, sale);
    return {
      key: `restocked ${sale.sale_id} ${sale.sku_id} ${restock.at_ms}`,
      name: nameOf(sale.sku_id, params, room.overlay),
      says: isBack ? "back_in_stock" : "restocked",
      more: `+${grouped(restock.quantity)}`,
      untilMs: restock.at_ms + RESTOCKED_MS,
    };
  }

  changesIn(view) {
    return view.untilMs === undefined ? Infinity : Math.max(1, view.untilMs - this.context.room.now());
  }

  build(view) {
    const { strings } = this.context;
    const figure = h("span.figure");
    const says = {
      restocked: () => said(strings.overlay.restocked, h("span.figure", {}, view.more)),
      back_in_stock: () => said(strings.overlay.backInStock, h("span.figure", {}, view.more)),
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
        view.untilMs === undefined ? bar : null,
      ),
    );
    this.#parts = { figure, name, sellThrough, correction, sold, held };
  }

  paint(view, before) {
    const { figure, name, sellThrough, correction, sold, held } = this.#parts;
    name.replaceChildren(foreign(view.name));
    if (view.untilMs !== undefined) return;
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
