// What viewers see of gifts: the sum with those who gave most, and the combo that goes on now.

import { foreign, h, setText, svg } from "../../dom.js";
import { pulse, roll } from "../../overlay/motion.js";
import { nameOf } from "../../overlay/subject.js";
import { Widget } from "../../overlay/widget.js";
import { clean, compact, grouped, pieces } from "../../text.js";

export const styles = new URL("widget.css", import.meta.url).href;

const GIFT =
  "M3 8.5h18v4H3v-4Zm1.2 5.5h6.8v7.5H4.2V14Zm8.8 0h6.8v7.5H13V14ZM12 8.2C9.5 8.2 5.6 7.4 5.6 4.9a2.6 2.6 0 0 1 2.7-2.6C10.6 2.3 12 5.6 12 8.2Zm0 0c0-2.6 1.4-5.9 3.7-5.9a2.6 2.6 0 0 1 2.7 2.6c0 2.5-3.9 3.3-6.4 3.3Z";
/** What the section leaves out after so long, an old document may still hold: it is no combo that goes on. */
const COMBO_MS = 10_000;

function giftIcon() {
  return svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: GIFT }));
}

/** Whatever a document holds, a screen shows one character of a person and three stars. */
function masked(who) {
  const first = clean(Array.from(who.slice(0, 8)).slice(0, 1).join(""), 1);
  return `${first === "*" ? "" : first}***`;
}

export class GiftsWidget extends Widget {
  #figure;
  #rows;

  view() {
    const { room, strings } = this.context;
    const section = room.overlay?.gifts;
    if (!section || section.gifts <= 0) return null;
    const top = section.top.slice(0, 3).map(({ who, coins }) => ({ who: masked(who), n: compact(coins, strings) }));
    return { key: String(top.length), coins: section.coins, top };
  }

  build(view) {
    const { strings } = this.context;
    const words = strings.mechanics.gifts;
    this.#figure = h("span.figure");
    const says = h("div.says", {}, giftIcon(), ...pieces(words.coins, { n: this.#figure }).map(worded));
    this.#rows = view.top.map((_, place) => {
      const name = h("span.name");
      const figure = h("span.figure");
      return { name, figure, row: h("li", {}, h("span.place", {}, String(place + 1)), name, figure) };
    });
    this.append(h("div.plate", {}, says, h("ol", {}, ...this.#rows.map(({ row }) => row))));
  }

  paint(view, before) {
    const { strings } = this.context;
    const direction = before === null || before.coins === view.coins ? null : before.coins < view.coins ? "up" : "down";
    roll(this.#figure, compact(view.coins, strings), direction);
    view.top.forEach(({ who, n }, place) => {
      if (before?.top[place].who !== who) this.#rows[place].name.replaceChildren(foreign(who));
      setText(this.#rows[place].figure, n);
    });
  }
}

export class ComboWidget extends Widget {
  #line;
  #times;

  view() {
    const { room, params } = this.context;
    const combo = room.overlay?.gifts?.combos.find(({ at_ms }) => room.now() - at_ms < COMBO_MS);
    if (!combo) return null;
    const { who, gift_id, count, at_ms } = combo;
    return { key: `${who} ${gift_id}`, who: masked(who), gift: nameOf(gift_id, params), n: count, at_ms };
  }

  build(view) {
    const words = this.context.strings.mechanics.gifts;
    this.#line = h(
      "span.line",
      {},
      ...pieces(words.sent, { who: h("span.who", {}, foreign(view.who)), gift: h("b", {}, foreign(view.gift)) }),
    );
    this.#times = h("b.times");
    this.append(h("div.plate.row", {}, giftIcon(), this.#line, this.#times));
  }

  paint(view, before) {
    setText(this.#times, `×${grouped(view.n)}`);
    if (before !== null && before.n < view.n) pulse(this.#times);
  }

  changesIn(view) {
    return Math.max(1, view.at_ms + COMBO_MS - this.context.room.now());
  }
}

function worded(piece) {
  return typeof piece === "string" ? h("span", {}, piece) : piece;
}

export const widgets = { gifts: GiftsWidget, combo: ComboWidget };
