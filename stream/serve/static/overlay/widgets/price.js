// The price of the subject in its sale. A price of before stands beside it only where the shop says that it was the
// lowest of the 30 days before (`prior_price_minor`); a list price never does.

import { foreign, h, setText } from "../../dom.js";
import { fill, priced } from "../../text.js";
import { nameOf } from "../subject.js";
import { Widget } from "../widget.js";

export class PriceWidget extends Widget {
  #parts;

  view() {
    const { room, subject, params, lang } = this.context;
    const { sale } = subject;
    if (sale?.status !== "open" && sale?.status !== "scheduled") return null;
    const price = priced(sale.price_minor, sale.currency, lang);
    if (price === null) return null;
    return {
      key: `${sale.sale_id} ${sale.sku_id}`,
      name: nameOf(sale.sku_id, params, room.overlay),
      price,
      was: sale.prior_price_minor > sale.price_minor ? priced(sale.prior_price_minor, sale.currency, lang) : null,
    };
  }

  build() {
    const [name, price, was] = [h("span.name"), h("span.figure"), h("span.aside")];
    const unit = h("span.unit", {}, this.context.strings.overlay.inTheSale);
    this.append(h("div.plate", {}, h("div.head", {}, name), h("div.says", {}, price, unit), was));
    this.#parts = { name, price, was };
  }

  paint(view, before) {
    const { name, price, was } = this.#parts;
    if (before?.name !== view.name) name.replaceChildren(foreign(view.name));
    setText(price, view.price);
    setText(was, view.was === null ? "" : fill(this.context.strings.overlay.was, { price: view.was }));
    was.hidden = view.was === null;
  }
}
