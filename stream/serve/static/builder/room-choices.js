// What a room has to choose from: its sales and products, with the names that it gives them. And what an address asks
// for that the room does not have.

import { clean } from "../text.js";

/** The room's document; null: there is none, or the server does not hand it out. `error` says why. */
export async function askForRoom({ room, token, signal }) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const url = new URL(`../../v1/rooms/${encodeURIComponent(room)}`, import.meta.url);
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal });
    if (response.status === 401 || response.status === 403) return { overlay: null, error: "refused" };
    if (response.status === 404) return { overlay: null, error: "missing" };
    if (!response.ok) return { overlay: null, error: "offline" };
    const overlay = await response.json();
    return Array.isArray(overlay?.sales) ? { overlay, error: null } : { overlay: null, error: "missing" };
  } catch {
    return { overlay: null, error: "offline" };
  }
}

/** `{ sales, products }` of a document: ids, each once and in order, with the name of a product as far as it is known. */
export function choicesOf(overlay) {
  const rows = overlay?.sales ?? [];
  const described = Array.isArray(overlay?.card?.products) ? overlay.card.products : [];
  const names = new Map(described.map((each) => [each?.sku_id, each?.name]));
  const once = (ids) => [...new Set(ids.filter((id) => typeof id === "string"))].sort();
  const skus = once([...rows.map(({ sku_id }) => sku_id), ...names.keys()]);
  return {
    sales: once(rows.map(({ sale_id }) => sale_id)),
    products: skus.map((id) => ({ id, name: clean(names.get(id) ?? "", 40) })),
    pairs: new Set(rows.map(({ sale_id, sku_id }) => `${sale_id}/${sku_id}`)),
  };
}

/** What the address asks for and the room does not have now: `{ what, value }`, as in `mistakesIn`. */
export function missingIn({ sales, products, pairs }, { sale, sku, names }) {
  const found = [];
  const has = (id) => products.some((product) => product.id === id);
  if (sale && !sales.includes(sale)) found.push({ what: "sale", value: sale });
  if (sku && !has(sku)) found.push({ what: "sku", value: sku });
  if (sale && sku && sales.includes(sale) && has(sku) && !pairs.has(`${sale}/${sku}`)) found.push({ what: "pair", value: `${sale} / ${sku}` });
  for (const id of names.keys()) {
    if (!has(id) && !sales.includes(id)) found.push({ what: "name", value: id });
  }
  return found.slice(0, 10);
}
