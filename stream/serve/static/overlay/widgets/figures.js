// Widgets of one figure: watching now, in carts, bought recently, time to sell-out. Each shows one claim.

import { foreign, h, setText } from "../../dom.js";
import { compact, grouped, roughly, windowOf } from "../../text.js";
import { icon } from "../icons.js";
import { roll } from "../motion.js";
import { claimOf, nameOf } from "../subject.js";
import { Widget } from "../widget.js";
import { said } from "./stock.js";

class FigureWidget extends Widget {
  static kind = "";
  static sign = "";
  #parts;

  view() {
    const claim = claimOf(this.context, this.constructor.kind);
    if (claim === null) return null;
    return {
      key: `${claim.sale_id} ${claim.sku_id}`,
      name: claim.sku_id === null || claim.sku_id === undefined ? "" : nameOf(claim.sku_id, this.context.params, this.context.room.overlay),
      ...this.figure(claim),
    };
  }

  /** `{ value, text }`: the number that tells a rise from a fall, and the shown text. */
  figure(claim) {
    return { value: claim.value, text: compact(claim.value, this.context.strings) };
  }

  /** The sentence around the figure `{n}`. */
  sentence() {
    return "{n}";
  }

  build(view) {
    const figure = h("span.figure");
    const name = h("span.name", {}, foreign(view.name));
    const aside = h("span.aside");
    this.append(
      h(
        "div.plate",
        {},
        view.name || view.aside ? h("div.head", {}, name, aside) : null,
        h("div.says", {}, icon(this.constructor.sign), ...said(this.sentence(view), figure)),
      ),
    );
    this.#parts = { figure, aside };
  }

  paint(view, before) {
    roll(this.#parts.figure, view.text, before === null ? null : view.value > before.value ? "up" : "down");
    setText(this.#parts.aside, view.aside ?? "");
  }
}

export class WatchingWidget extends FigureWidget {
  static kind = "watching_now";
  static sign = "eye";

  sentence() {
    return this.context.strings.overlay.watching;
  }
}

export class CartsWidget extends FigureWidget {
  static kind = "in_carts";
  static sign = "cart";

  sentence() {
    return this.context.strings.overlay.inCarts;
  }
}

export class BoughtWidget extends FigureWidget {
  static kind = "bought_recently";
  static sign = "bag";

  figure(claim) {
    const window = windowOf(claim.window_ms, this.context.strings);
    return { value: claim.value, text: grouped(claim.value), window };
  }

  sentence(view) {
    return this.context.strings.overlay.boughtRecently.replace("{window}", view.window);
  }
}

export class EtaWidget extends FigureWidget {
  static kind = "eta_sellout";
  static sign = "clock";


  figure(claim) {
    const [low, high] = claim.value;
    const { word, text } = roughly(low, high, this.context.strings);
    return { key: `${claim.sale_id} ${claim.sku_id} ${word}`, value: high, text, word };
  }

  sentence(view) {
    const { goneUnder, goneAbout } = this.context.strings.overlay;
    return (view.word === "under" ? goneUnder : goneAbout).replace("{span}", "{n}");
  }
}
