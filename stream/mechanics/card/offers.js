// What widgets and panel say of a product in the same way: its name and its prices.

import { clean, priced } from "../../text.js";

/** The name of a product: from the address, else as it was described, else its SKU. */
export function titleOf({ sku_id, name }, params) {
  return clean(params?.names.get(sku_id) ?? name ?? sku_id, 40);
}

/**
 * `{ price, was, list }` for people; null where it is not known. In a sale that says its price, all are the sale's. A
 * price of before is shown where the shop says that it was the lowest of 30 days; a list price is shown where it is more
 * than the price: it is the shop's word, and no price of before.
 */
export function pricesOf(product, sale, lang) {
  const said = Number.isSafeInteger(sale?.price_minor) ? sale : product;
  const { price_minor, prior_price_minor, list_price_minor, currency } = said;
  const price = priced(price_minor, currency, lang);
  const more = (minor) => (price !== null && minor > price_minor ? priced(minor, currency, lang) : null);
  return { price, was: more(prior_price_minor), list: more(list_price_minor) };
}

/** A moment in this computer's zone: `21:05`, on another day with month and day before it. */
export function momentOf(epochMs, nowMs) {
  const [moment, now] = [new Date(epochMs), new Date(nowMs)];
  if (Number.isNaN(moment.getTime())) return null;
  const two = (value) => String(value).padStart(2, "0");
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  const isToday = moment.toDateString() === now.toDateString();
  return isToday ? time : `${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}
