// The subject of a widget: the sale that the address names, else the one that leads the room's urgency.

import { RAMP } from "../levels.js";
import { clean } from "../text.js";

/** The claims of these kinds that may be said now and that the address allows, the leading sale's first. */
export function claimsOf({ room, params }, ...kinds) {
  const overlay = room.overlay;
  if (overlay === null) return [];
  const lead = overlay.urgency.sale_id;
  const level = new Map(overlay.sales.map((sale) => [`${sale.sale_id}/${sale.sku_id}`, RAMP.indexOf(sale.urgency.level)]));
  const rank = (claim) => [
    claim.sale_id === lead ? 0 : 1,
    -(level.get(`${claim.sale_id}/${claim.sku_id}`) ?? -1),
    `${claim.sale_id}/${claim.sku_id}`,
  ];
  return room.claims
    .filter((claim) => kinds.includes(claim.claim) && isWanted(claim, params))
    .sort((a, b) => compared(rank(a), rank(b)));
}

/** The first of those claims, or null. */
export function claimOf(context, ...kinds) {
  return claimsOf(context, ...kinds)[0] ?? null;
}

/** Whether the address allows a sale and SKU. A claim about the whole room is always allowed. */
export function isWanted({ sale_id, sku_id }, { sale, sku }) {
  if (sale_id === null || sale_id === undefined) return true;
  return (!sale || sale === sale_id) && (!sku || sku === sku_id);
}

/** The name of a SKU or sale: from the address, else its id. */
export function nameOf(id, params) {
  return clean(params.names.get(id) ?? id, 40);
}

function compared(a, b) {
  for (let place = 0; place < a.length; place += 1) {
    if (a[place] !== b[place]) return a[place] < b[place] ? -1 : 1;
  }
  return 0;
}
