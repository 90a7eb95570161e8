// Likes and comments of the session. The heart beats once when likes arrive and is still otherwise.

import { h } from "../../dom.js";
import { compact } from "../../text.js";
import { icon } from "../icons.js";
import { pulse, roll } from "../motion.js";
import { Widget } from "../widget.js";

export class PulseWidget extends Widget {
  #parts;

  view() {
    const totals = this.context.room.overlay?.totals;
    if (!totals || (totals.likes <= 0 && totals.comments <= 0)) return null;
    const { strings } = this.context;
    return {
      key: `${totals.likes > 0} ${totals.comments > 0}`,
      likes: totals.likes > 0 ? compact(totals.likes, strings) : "",
      comments: totals.comments > 0 ? compact(totals.comments, strings) : "",
    };
  }

  build(view) {
    const { strings } = this.context;
    this.#parts = {};
    const row = h("div.plate.row");
    for (const [what, sign] of [
      ["likes", "heart"],
      ["comments", "speech"],
    ]) {
      if (!view[what]) continue;
      const figure = h("span.figure");
      const drawing = icon(sign);
      row.append(h("span.pair", { "data-what": what }, drawing, figure, h("span.heard", {}, strings.overlay[what].replace("{n}", "").trim())));
      this.#parts[what] = { figure, drawing };
    }
    this.append(row);
  }

  paint(view, before) {
    for (const [what, { figure, drawing }] of Object.entries(this.#parts)) {
      roll(figure, view[what], before === null ? null : "up");
      if (before !== null && before[what] !== view[what]) pulse(drawing);
    }
  }
}
