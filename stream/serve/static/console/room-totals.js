// The figures of all rooms together, above their list.

import { h, setText } from "../dom.js";
import { money } from "../money.js";
import { fill, grouped } from "../text.js";
import { explain } from "./explain.js";

const NAMES = ["gmv", "paid", "watching", "rooms"];

export class RoomTotals {
  #context;
  #tiles = {};
  #of = h("p.soft");
  #complete = true;

  /** @param {{view, strings}} context */
  constructor(context) {
    this.#context = context;
    const words = context.strings.rooms;
    const list = h("dl.totals");
    for (const name of NAMES) {
      const figure = h("dd");
      const below = h("dd.below");
      const tile = h("div", {}, h("dt", {}, words.totals[name]), figure, below);
      explain(tile, () => [`${words.totals[name]}: ${figure.textContent}`, words.help[name], this.#complete ? null : words.help.incomplete]);
      this.#tiles[name] = { figure, below };
      list.append(tile);
    }
    this.root = h("section.all-rooms", { "aria-label": words.totalsOf.all, hidden: true }, this.#of, list);
  }

  /** Draws the sums of an answer to a search for `q`. */
  render({ totals, matching, complete }, q) {
    this.root.hidden = totals === null;
    if (totals === null) return;
    const { view, strings } = this.#context;
    const words = strings.rooms;
    this.#complete = complete;
    setText(this.#of, q ? fill(words.totalsOf.match, { q }) : words.totalsOf.all);
    const [first, ...others] = totals.money.map((each) => money(each.gmv_paid_minor, each.currency, view.lang));
    this.#write("gmv", first ?? "–", others.length ? fill(words.also, { amounts: others.join(", ") }) : "");
    this.#write("paid", grouped(totals.orders_paid), fill(words.ofPlaced, { n: grouped(totals.orders_placed) }));
    this.#write("watching", grouped(totals.watching_now), fill(words.inLive, { n: grouped(totals.live) }));
    const old = matching - totals.live;
    this.#write("rooms", grouped(matching), old ? fill(words.liveRooms, { n: grouped(totals.live), old: grouped(old) }) : words.allLive);
  }

  #write(name, figure, below) {
    setText(this.#tiles[name].figure, figure);
    setText(this.#tiles[name].below, below);
  }
}
