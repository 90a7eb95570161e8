// What widgets and panel say of a product in the same way: its name, its prices, and the sale that it is in now.

import { isWanted } from "../../overlay/subject.js";
import { clean, minorUnits } from "../../text.js";

/** A price in the reader's language; null: there is none, or nobody said in which currency. */
export function priced(minor, currency, lang) {
  if (!Number.isSafeInteger(minor) || typeof currency !== "string" || !/^[A-Z]{3}$/.test(currency)) return null;
  const units = minorUnits(currency);
  const digits = minor % units === 0 ? 0 : String(units).length - 1;
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(lang, { style: "currency", currency, ...fixed }).format(minor / units);
}

/** The name of a product: from the address, else as it was described, else its SKU. */
export function titleOf({ sku_id, name }, params) {
  return clean(params?.names.get(sku_id) ?? name ?? sku_id, 40);
}

/** The one sale in which a product is sold now, or null. Of several, that which leads the room's urgency. */
export function saleNow(sku_id, { sales, urgency }, params) {
  const open = sales.filter((sale) => sale.sku_id === sku_id && sale.status === "open" && isWanted(sale, params));
  if (open.length === 1) return open[0];
  return open.find(({ sale_id }) => sale_id === urgency.sale_id) ?? null;
}

/**
 * `{ price, list }` for people; null where it is not known. In a sale that says its price, both are the sale's. A list
 * price is shown where it is more than the price: it is the shop's word, and no price of before.
 */
export function pricesOf(product, sale, lang) {
  const said = Number.isSafeInteger(sale?.price_minor) ? sale : product;
  const { price_minor, list_price_minor, currency } = said;
  const price = priced(price_minor, currency, lang);
  return { price, list: price !== null && list_price_minor > price_minor ? priced(list_price_minor, currency, lang) : null };
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
