// "Someone bought …": the newest paid order, shown long enough to read and only while it is new. Never a full name: the
// document holds only the first character.

import { foreign, h } from "../../dom.js";
import { clean, grouped, pieces } from "../../text.js";
import { icon } from "../icons.js";
import { slideIn } from "../motion.js";
import { isWanted, nameOf } from "../subject.js";
import { Widget } from "../widget.js";

/** Long enough to read one line. */
const STANDS_MS = 1_500;
/** An older order is not shown. */
const NEWS_MS = 15_000;

export class TickerWidget extends Widget {
  #line;
  #item = null;
  #sinceMs = -Infinity;

  view() {
    const { room, params } = this.context;
    const now = room.now();
    const newest = this.#newest(now);
    const shown = this.#item !== null && now - this.#item.at_ms < NEWS_MS && room.overlay !== null ? this.#item : null;
    if (shown === null || (newest !== null && now - this.#sinceMs >= STANDS_MS && !same(newest, shown))) {
      this.#item = newest;
      this.#sinceMs = now;
    }
    if (this.#item === null) return null;
    const { who, sku_id, quantity, at_ms } = this.#item;
    return { key: "feed", who: masked(who), sku: nameOf(sku_id, params, room.overlay), n: quantity, at_ms };
  }

  /** The newest order of a product that the address allows; null: there is none. An order names no sale. */
  #newest(now) {
    const { room, params } = this.context;
    const { feed = [], sales = [] } = room.overlay ?? {};
    const isOfSale = (item) => !params.sale || sales.some((sale) => sale.sku_id === item.sku_id && isWanted(sale, params));
    const isAllowed = (item) => (!params.sku || item.sku_id === params.sku) && isOfSale(item);
    return feed.find((item) => item.kind === "order" && now - item.at_ms < NEWS_MS && isAllowed(item)) ?? null;
  }

  build() {
    this.#line = h("span.line");
    this.append(h("div.plate.row", {}, icon("bag"), this.#line));
  }

  paint(view, before) {
    const { strings } = this.context;
    const text = view.n > 1 ? strings.overlay.boughtMany : strings.overlay.bought;
    this.#line.replaceChildren(
      ...pieces(text, {
        who: h("span.who", {}, foreign(view.who)),
        sku: h("b", {}, foreign(view.sku)),
        n: h("b", {}, grouped(view.n)),
      }),
    );
    if (before !== null) slideIn(this.#line);
  }

  changesIn(view) {
    const now = this.context.room.now();
    const newest = this.#newest(now);
    const turn = newest !== null && !same(newest, this.#item) ? this.#sinceMs + STANDS_MS - now : Infinity;
    return Math.max(1, Math.min(turn, view.at_ms + NEWS_MS - now));
  }
}

/** One character of a person's id and three stars, whatever the document holds. */
function masked(who) {
  return `${clean(Array.from(who.slice(0, 8)).slice(0, 1).join(""), 1)}***`;
}

function same(a, b) {
  return b !== null && a.at_ms === b.at_ms && a.who === b.who && a.sku_id === b.sku_id && a.quantity === b.quantity;
}
