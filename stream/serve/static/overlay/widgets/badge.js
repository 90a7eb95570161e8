// The urgency of the page's subject: a word, a meter and a colour. It is shown with evidence or not at all. A room with
// several products is told which one it is.

import { foreign, h, setText } from "../../dom.js";
import { RAMP } from "../../levels.js";
import { pulse } from "../motion.js";
import { isSame, nameOf, subjectClaims } from "../subject.js";
import { levelIcon } from "../icons.js";
import { Widget } from "../widget.js";

export class BadgeWidget extends Widget {
  #parts;

  view() {
    const { room, params, strings, subject } = this.context;
    const { sale } = subject;
    const level = sale?.urgency.level;
    if (level === undefined || !(level in strings.levels) || level === "unknown") return null;
    if (!this.#allowed(level, sale)) return null;
    const rank = RAMP.indexOf(level);
    if (rank >= 0 && rank < RAMP.indexOf(params.min_level)) return null;
    const name = room.overlay.sales.some(({ sku_id }) => sku_id !== sale.sku_id) ? nameOf(sale.sku_id, params, room.overlay) : "";
    return { key: `${sale.sale_id} ${sale.sku_id}`, level, rank, word: strings.levels[level], name };
  }

  /**
   * Whether the level may be shown. "Sold out" and "all taken" need a claim that may be said. A rush needs orders that
   * do not look fake, and "last call" no planned restock.
   */
  #allowed(level, sale) {
    if (level === "sold_out" || level === "all_taken") return subjectClaims(this.context, level).length > 0;
    if (level === "ended" || level === "calm") return true;
    const reasons = new Set(
      this.context.room.overlay.withheld
        .filter((each) => ["stock_left", "all_taken", "sold_out"].includes(each.claim) && isSame(each, sale))
        .map((each) => each.reason),
    );
    return !reasons.has("suspected_fake_orders") && !(level === "last_call" && reasons.has("restock_planned"));
  }

  build() {
    const sign = h("span.sign");
    const word = h("span.word");
    const name = h("span.name");
    this.append(h("div.badge", {}, sign, word, name));
    this.#parts = { sign, word, name };
  }

  paint(view, before) {
    this.dataset.level = view.level;
    this.#parts.sign.replaceChildren(levelIcon(view.level, view.rank));
    setText(this.#parts.word, view.word);
    if (before?.name !== view.name) this.#parts.name.replaceChildren(foreign(view.name));
    this.#parts.name.hidden = !view.name;
    if (before !== null && before.level !== view.level) pulse(this.firstElementChild);
  }
}
