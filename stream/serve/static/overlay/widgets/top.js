// What sells most: the `bought_recently` claims, the greatest first, net of cancels, in one named window.

import { foreign, h, setText } from "../../dom.js";
import { fill, grouped, windowOf } from "../../text.js";
import { isWanted, nameOf } from "../subject.js";
import { Widget } from "../widget.js";

const PLACES = 3;

export class TopWidget extends Widget {
  #rows;

  view() {
    const { room, params, strings } = this.context;
    const claims = room.claims
      .filter((claim) => claim.claim === "bought_recently" && isWanted(claim, params))
      .sort((a, b) => b.value - a.value || (a.id < b.id ? -1 : 1))
      .slice(0, PLACES);
    if (!claims.length) return null;
    const rows = claims.map((claim) => ({ name: nameOf(claim.sku_id, params, room.overlay), n: grouped(claim.value) }));
    const window = windowOf(claims[0].window_ms, strings);
    return { key: `${rows.length} ${window}`, window, rows };
  }

  build(view) {
    const { strings } = this.context;
    this.#rows = view.rows.map((_, place) => {
      const name = h("span.name");
      const figure = h("span.figure");
      return { name, figure, row: h("li", {}, h("span.place", {}, String(place + 1)), name, figure) };
    });
    const title = fill(strings.overlay.top, { window: view.window });
    this.append(h("div.plate", {}, h("div.head", {}, h("span.name", {}, title)), h("ol", {}, ...this.#rows.map(({ row }) => row))));
  }

  paint(view, before) {
    view.rows.forEach(({ name, n }, place) => {
      const row = this.#rows[place];
      if (before?.rows[place].name !== name) row.name.replaceChildren(foreign(name));
      setText(row.figure, fill(this.context.strings.overlay.units, { n }));
    });
  }
}
