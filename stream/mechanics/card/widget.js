// What viewers see of the room's card: the product on show, and the sales of the room. What they say of stock, of
// buyers and of an end is what a claim allows, as in every other widget.

import { foreign, h, setText } from "../../dom.js";
import { roll } from "../../overlay/motion.js";
import { claimsOf, isWanted } from "../../overlay/subject.js";
import { Widget } from "../../overlay/widget.js";
import { said } from "../../overlay/widgets/stock.js";
import { picture, pictureAddress } from "../../pictures.js";
import { clean, fill, grouped, windowOf } from "../../text.js";
import { momentOf, pricesOf, titleOf } from "./offers.js";

export const styles = new URL("widget.css", import.meta.url).href;

const STOCK = ["stock_left", "all_taken", "sold_out"];
const ROWS = 5;
const LABEL_CHARS = 8;
const labels = new Intl.Collator("en", { numeric: true });

/** The claims of these kinds about one SKU of one sale. */
function claimsAbout(context, sale, ...kinds) {
  if (sale === null) return [];
  return claimsOf(context, ...kinds).filter(({ sale_id, sku_id }) => sale_id === sale.sale_id && sku_id === sale.sku_id);
}

export class ProductWidget extends Widget {
  #parts;

  view() {
    const { room, subject, params, strings, lang } = this.context;
    const product = room.overlay?.card?.on_show;
    // A page has one subject: beside what its address names, another product on show is not shown.
    if (!product || (params.sku && params.sku !== product.sku_id)) return null;
    if (params.sale && subject.sale?.sku_id !== product.sku_id) return null;
    const words = strings.mechanics.card;
    const isSold = subject.sale?.sku_id === product.sku_id && subject.sale.status === "open";
    const sale = isSold ? subject.sale : null;
    const [stock] = claimsAbout(this.context, sale, ...STOCK);
    const [ends] = claimsAbout(this.context, sale, "ends_in");
    const [bought] = claimsAbout(this.context, sale, "bought_recently");
    const until = ends === undefined ? null : momentOf(ends.inputs.ends_at_ms, room.now());
    const image = pictureAddress(product.picture);
    return {
      key: [product.sku_id, sale?.sale_id ?? "", stock?.claim ?? "", image ?? ""].join(" "),
      image,
      name: titleOf(product, params),
      label: clean(product.label ?? "", LABEL_CHARS),
      ...pricesOf(product, sale, lang),
      until: until === null ? "" : fill(words.until, { time: until }),
      says: stock?.claim ?? null,
      left: stock?.claim === "stock_left" ? stock.value : 0,
      aside: asideOf(stock, bought, strings),
      ...sharesOf(stock),
    };
  }

  build(view) {
    const { strings } = this.context;
    const words = strings.mechanics.card;
    const [name, label, price, list, until] = [h("span.name"), h("span.label"), h("span.figure"), h("span.unit"), h("span.unit")];
    const [left, aside, sold, held] = [h("span.figure.left"), h("span.aside"), h("span.sold"), h("span.held")];
    const stock = {
      stock_left: () => said(strings.overlay.left, left),
      all_taken: () => [h("span.figure.left", {}, strings.overlay.allTaken)],
      sold_out: () => [h("span.figure.left", {}, strings.overlay.soldOut)],
    }[view.says]?.();
    const told = h(
      "div.told",
      {},
      h("div.head", {}, h("span.named", {}, label, name), h("span.chip", {}, words.onShow)),
      h("div.says.prices", {}, price, list, until),
      stock && h("div.says.stock", {}, ...stock, aside),
      stock && h("div.bar", { "aria-hidden": "true" }, sold, held),
    );
    this.append(h("div.plate", {}, picture(view.image), told));
    this.#parts = { name, label, price, list, until, left, aside, sold, held };
  }

  /** The price of before, else the list price. */
  #before({ was, list }, words) {
    if (was !== null) return fill(this.context.strings.overlay.was, { price: was });
    return list === null ? "" : fill(words.listPrice, { price: list });
  }

  paint(view, before) {
    const words = this.context.strings.mechanics.card;
    const { name, label, price, list, until, left, aside, sold, held } = this.#parts;
    if (before?.name !== view.name) name.replaceChildren(foreign(view.name));
    if (before?.label !== view.label) label.replaceChildren(foreign(view.label));
    label.hidden = !view.label;
    setText(price, view.price ?? "");
    setText(list, this.#before(view, words));
    setText(until, view.until);
    for (const each of [price, list, until]) each.hidden = each.textContent === "";
    price.parentElement.hidden = [price, list, until].every(({ hidden }) => hidden);
    setText(aside, view.aside);
    if (view.says === "stock_left") {
      const direction = before === null || before.left === view.left ? null : before.left < view.left ? "up" : "down";
      roll(left, grouped(view.left), direction);
    }
    sold.style.inlineSize = `${(view.sold * 100).toFixed(2)}%`;
    held.style.inlineSize = `${(view.held * 100).toFixed(2)}%`;
  }
}

/** 3 before 12, and what has no label behind all that have one. */
function byLabel({ label: a }, { label: b }) {
  return (a === "") - (b === "") || labels.compare(a, b);
}

/** What stands beside the stock: units that are not paid yet, or those that were bought in a window. */
function asideOf(stock, bought, strings) {
  if (stock?.claim === "all_taken") return fill(strings.overlay.notYetPaid, { n: grouped(stock.value) });
  if (stock?.claim !== "stock_left" || bought === undefined) return "";
  return fill(strings.overlay.boughtRecently, { n: grouped(bought.value), window: windowOf(bought.window_ms, strings) });
}

/** The shares of a sale's units that are sold and held, as its claim counts them. */
function sharesOf(stock) {
  if (stock === undefined) return { sold: 0, held: 0 };
  const { offered, restocked, held, sold } = stock.inputs;
  const total = offered + restocked;
  const share = total > 0 ? Math.min(sold / total, 1) : 0;
  return { sold: share, held: total > 0 ? Math.min(held / total, 1 - share) : 0 };
}

export class ShelfWidget extends Widget {
  #rows;

  view() {
    const { room, params, strings, lang } = this.context;
    const section = room.overlay?.card;
    if (!section) return null;
    const products = new Map(section.products.map((product) => [product.sku_id, product]));
    const words = strings.mechanics.card;
    const rows = room.overlay.sales
      .filter((sale) => (sale.status === "open" || sale.status === "scheduled") && isWanted(sale, params))
      .map((sale) => {
        const product = products.get(sale.sku_id) ?? { sku_id: sale.sku_id };
        return {
          id: `${sale.sale_id}/${sale.sku_id}`,
          isShown: section.on_show?.sku_id === sale.sku_id,
          isOpen: sale.status === "open",
          label: clean(product.label ?? "", LABEL_CHARS),
          name: titleOf(product, params),
          price: pricesOf(product, sale, lang).price ?? "",
          tag: this.#tag(sale, words),
        };
      })
      .sort((a, b) => b.isShown - a.isShown || b.isOpen - a.isOpen || byLabel(a, b) || (a.id < b.id ? -1 : 1));
    if (!rows.length) return null;
    const shown = rows.slice(0, ROWS);
    return { key: shown.map(({ id, isShown }) => `${id}${isShown ? "*" : ""}`).join(" "), rows: shown, more: rows.length - shown.length };
  }

  /** What a claim allows to say of a sale's stock; of a sale that has not begun, when it begins. */
  #tag(sale, words) {
    const { overlay: texts } = this.context.strings;
    if (sale.status === "scheduled") {
      const from = sale.starts_at_ms === null ? null : momentOf(sale.starts_at_ms, this.context.room.now());
      return from === null ? "" : fill(words.from, { time: from });
    }
    const [stock] = claimsAbout(this.context, sale, ...STOCK);
    if (stock === undefined) return "";
    if (stock.claim === "stock_left") return fill(texts.left, { n: grouped(stock.value) });
    return stock.claim === "all_taken" ? texts.allTaken : texts.soldOut;
  }

  build(view) {
    const words = this.context.strings.mechanics.card;
    const more = h("span.aside");
    this.#rows = view.rows.map(({ isShown }) => {
      const [label, name, price, tag] = [h("span.label"), h("span.name"), h("span.price"), h("span.tag")];
      const shown = isShown ? h("span.chip", {}, words.onShow) : null;
      return { label, name, price, tag, row: h("li", {}, h("span.named", {}, label, name, shown), price, tag) };
    });
    this.#rows.more = more;
    const head = h("div.head", {}, h("span.name", {}, words.sales), more);
    this.append(h("div.plate", {}, head, h("ol", {}, ...this.#rows.map(({ row }) => row))));
  }

  paint(view, before) {
    setText(this.#rows.more, view.more > 0 ? fill(this.context.strings.mechanics.card.more, { n: grouped(view.more) }) : "");
    view.rows.forEach((row, place) => {
      const { label, name, price, tag } = this.#rows[place];
      if (before?.rows[place].label !== row.label) label.replaceChildren(foreign(row.label));
      if (before?.rows[place].name !== row.name) name.replaceChildren(foreign(row.name));
      label.hidden = !row.label;
      setText(price, row.price);
      setText(tag, row.tag);
    });
  }
}

export const widgets = { product: ProductWidget, shelf: ShelfWidget };
