// What a host sees of the room's card: who hosts, what is on show, every product, and where the room leads.

import { foreign, h, setText } from "../../dom.js";
import { picture, pictureAddress } from "../../pictures.js";
import { clean, grouped, priced } from "../../text.js";
import { keyed } from "../../console/keyed.js";
import { titleOf } from "./offers.js";

const PRODUCTS_MAX = 60;
const LINKS_MAX = 12;
/** Figures that are there only when they are more than nothing. */
const BEYOND = ["products_beyond", "links_beyond"];

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.card;
  const lang = document.documentElement.lang;
  const box = (figure, label, columns = 1) => {
    const [word, value] = [h("dt", {}, label), h("dd")];
    for (const each of [word, value]) Object.assign(each.style, { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" });
    const root = h("div", { "data-figure": figure }, word, value);
    root.style.gridColumn = `span ${columns}`;
    return { root, word, value };
  };
  const room = box("title", "", 2);
  const products = box("product_count", words.figures.product_count);
  const shown = box("on_show", words.onShow, 2);
  const links = box("link_count", words.figures.link_count);
  const beyond = BEYOND.map((name) => ({ name, ...box(name, words.figures[name]) }));
  const boxes = [room, products, shown, links, ...beyond];
  const body = h("tbody");
  const heads = [words.product, words.label, words.price, words.listPriceHead];
  const root = h(
    "div.beside",
    {},
    h("dl.figures", {}, ...boxes.map((each) => each.root)),
    h("table.money", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), body),
  );
  let seen = null;

  /** Foreign text, set again only where it differs; whole on hover. */
  const say = (element, text, whole = text) => {
    if (element.textContent !== text) element.replaceChildren(foreign(text));
    element.title = whole;
  };
  const face = (address) => {
    if (address === seen) return;
    seen = address;
    const image = picture(address);
    room.root.querySelector("img")?.remove();
    if (image === null) return;
    image.width = image.height = 36;
    Object.assign(image.style, { position: "absolute", insetInlineEnd: "4px", insetBlockStart: "4px", borderRadius: "4px" });
    room.root.style.position = "relative";
    room.root.append(image);
  };

  return {
    root,
    render(section) {
      face(pictureAddress(section.picture));
      const host = clean(section.host_name ?? section.host_id ?? "", 40);
      say(room.value, clean(section.title ?? "", 60) || host || "–");
      say(room.word, section.title ? host : "", clean(section.host_id ?? "", 64));
      say(shown.value, section.on_show ? titleOf(section.on_show) : words.noneOnShow, clean(section.on_show?.sku_id ?? "", 64));
      setText(products.value, `${section.products_beyond > 0 ? "≥" : ""}${grouped(section.product_count)}`);
      setText(links.value, `${section.links_beyond > 0 ? "≥" : ""}${grouped(section.link_count)}`);
      const rooms = section.links.slice(0, LINKS_MAX).map((other) => clean(other, 24));
      const more = section.links.length > rooms.length ? ", …" : "";
      say(links.word, rooms.length ? `${words.leadsTo}: ${rooms.join(", ")}${more}` : words.figures.link_count);
      for (const each of beyond) {
        setText(each.value, grouped(section[each.name] ?? 0));
        each.root.hidden = !section[each.name];
      }
      keyed(
        body,
        section.products.slice(0, PRODUCTS_MAX).map((product, place) => ({ product, place })),
        ({ place }) => String(place),
        () => h("tr", {}, h("th", { scope: "row" }), h("td"), h("td"), h("td")),
        (row, { product }) => {
          const [name, label, price, list] = row.children;
          const isShown = section.on_show?.sku_id === product.sku_id;
          say(name, `${isShown ? "▶ " : ""}${titleOf(product)}`, clean(product.sku_id, 64));
          say(label, clean(product.label ?? "", 16));
          setText(price, priced(product.price_minor, product.currency, lang) ?? "–");
          setText(list, priced(product.list_price_minor, product.currency, lang) ?? "–");
        },
      );
      body.parentElement.hidden = section.products.length === 0;
    },
  };
}
