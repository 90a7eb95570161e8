// The urgency of the leading sale: a word, a meter and a colour. It is shown with evidence or not at all.

import { h, setText } from "../../dom.js";
import { placeOfLevel, RAMP } from "../../levels.js";
import { pulse } from "../motion.js";
import { isWanted } from "../subject.js";
import { levelIcon } from "../icons.js";
import { Widget } from "../widget.js";

export class BadgeWidget extends Widget {
  #parts;

  view() {
    const { room, params, strings } = this.context;
    const overlay = room.overlay;
    if (overlay === null) return null;
    const named = params.sale || params.sku;
    const sales = overlay.sales.filter((sale) => (named ? isWanted(sale, params) : sale.sale_id === overlay.urgency.sale_id));
    const urgency = named ? highest(sales) : overlay.urgency;
    const level = urgency?.level;
    if (level === undefined || !(level in strings.levels) || level === "unknown") return null;
    if (!this.#allowed(level, sales)) return null;
    const rank = RAMP.indexOf(level);
    if (rank >= 0 && rank < RAMP.indexOf(params.min_level)) return null;
    return { key: "level", level, rank, word: strings.levels[level] };
  }

  /**
   * Whether the level may be shown. "Sold out" and "all taken" need a claim that may be said. A rush needs orders that
   * do not look fake, and "last call" no planned restock.
   */
  #allowed(level, sales) {
    const of = (each) => sales.some((sale) => sale.sale_id === each.sale_id && sale.sku_id === each.sku_id);
    if (level === "sold_out" || level === "all_taken") {
      return this.context.room.claims.some((claim) => claim.claim === level && of(claim));
    }
    if (level === "ended" || level === "calm") return true;
    const reasons = new Set(
      this.context.room.overlay.withheld
        .filter((each) => ["stock_left", "all_taken", "sold_out"].includes(each.claim) && of(each))
        .map((each) => each.reason),
    );
    return !reasons.has("suspected_fake_orders") && !(level === "last_call" && reasons.has("restock_planned"));
  }

  build() {
    const sign = h("span.sign");
    const word = h("span.word");
    this.append(h("div.badge", {}, sign, word));
    this.#parts = { sign, word };
  }

  paint(view, before) {
    this.dataset.level = view.level;
    this.#parts.sign.replaceChildren(levelIcon(view.level, view.rank));
    setText(this.#parts.word, view.word);
    if (before !== null && before.level !== view.level) pulse(this.firstElementChild);
  }
}

function highest(sales) {
  const place = (sale) => placeOfLevel(sale.urgency.level);
  return sales.reduce((best, sale) => (best === null || place(sale) < place(best) ? sale : best), null)?.urgency;
}
