// What pages know of the room's card before anything of it is shown: shape, words, places, sample. Touches no page.

import { int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

const product = shape({
  sku_id: str,
  name: maybe(str),
  label: maybe(str),
  price_minor: maybe(int),
  list_price_minor: maybe(int),
  currency: maybe(str),
  picture: maybe(str),
});
const priced = (sku_id, name, label, yuan, listYuan) => ({
  sku_id,
  name,
  label,
  price_minor: yuan * 100,
  list_price_minor: listYuan * 100,
  currency: "CNY",
  picture: `https://img.example/${sku_id}.webp`,
});
const PRODUCTS = [
  priced("sku-1", "羊毛大衣 Wool coat", "3", 459, 899),
  priced("sku-2", "真丝围巾 Silk scarf", "7", 129, 269),
  priced("sku-3", "短靴 Ankle boots", "12", 499, 699),
];

export const card = {
  name: "card",
  isSection: shape({
    product_count: int,
    link_count: int,
    products: list(product),
    links: list(str),
    host_id: maybe(str),
    host_name: maybe(str),
    title: maybe(str),
    picture: maybe(str),
    on_show: maybe(product),
    products_beyond: maybe(int),
    links_beyond: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { product: "bottom-start", shelf: "bottom-end" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room, whose sale is of the first product. */
  sample: () => ({
    product_count: PRODUCTS.length,
    link_count: 1,
    products: PRODUCTS,
    links: ["sample-2"],
    host_id: "h-77",
    host_name: "小雨",
    title: "秋季女装 Autumn coats",
    on_show: PRODUCTS[0],
  }),
};
