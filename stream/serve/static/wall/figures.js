// What a big screen says of a room, worked out from its document and its course. Nothing here draws.

import { clean } from "../text.js";
import { leadingCurrency } from "../track.js";

export const WINDOW_MS = 300_000;

/** The paid GMV in the leading currency: `{ minor, currency }`; null: nothing was paid. */
export function gmvOf(overlay) {
  const currency = leadingCurrency(overlay.totals.money);
  const found = overlay.totals.money.find((each) => each.currency === currency);
  return found === undefined ? null : { minor: found.gmv_paid_minor, currency };
}

/**
 * How GMV stands to the last show's at the same time since its beginning: `{ percent, minor, whole }`. `whole`: the last
 * show was shorter, and is compared as a whole. Null where nothing true can be said: no last show, its figure at that
 * time is not known or 0, or another currency.
 */
export function comparedGmv(gmv, track, before, nowMs) {
  if (gmv === null || before === null || before.currency !== gmv.currency) return null;
  if (track.sessionMs === null || before.sessionMs === null || before.endedMs === null) return null;
  const sinceMs = nowMs - track.sessionMs;
  const whole = before.sessionMs + sinceMs >= before.endedMs;
  const minor = before.at("gmv_minor", whole ? before.endedMs : before.sessionMs + sinceMs);
  if (minor === null || minor <= 0 || sinceMs < 0) return null;
  return { percent: changeOf(gmv.minor, minor), minor, whole };
}

/** The change in whole per cent, rounded towards zero: it never says more than happened. */
export function changeOf(now, then) {
  return Math.trunc((100 * (now - then)) / then);
}

/** Orders paid in the last five minutes and in the five before: `{ now, before }`, each null where it is not known. */
export function paidLately(track, nowMs) {
  return {
    now: track.between("orders_paid", nowMs - WINDOW_MS, nowMs),
    before: track.sessionMs !== null && nowMs - 2 * WINDOW_MS < track.sessionMs ? null : track.between("orders_paid", nowMs - 2 * WINDOW_MS, nowMs - WINDOW_MS),
  };
}

/** Why the number of people watching cannot be said; null: it can. */
export function watchingUnknown(overlay) {
  return overlay.withheld.find((each) => each.claim === "watching_now" && each.reason === "leaves_not_heard")?.reason ?? null;
}

/** The sale that leads: the one that the room's urgency names and that is most urgent; null: there is none. */
export function leaderOf(overlay) {
  const named = overlay.sales.filter((sale) => sale.sale_id === overlay.urgency.sale_id);
  return named.find((sale) => sale.urgency.level === overlay.urgency.level) ?? named[0] ?? null;
}

/** A sale as this document has it; null: it is not there any more. */
export function saleIn(overlay, { sale_id: saleId, sku_id: skuId }) {
  return overlay.sales.find((sale) => sale.sale_id === saleId && sale.sku_id === skuId) ?? null;
}

/** A product's name by the room's card, else its SKU id. */
export function productName(overlay, skuId) {
  const known = [overlay.card?.on_show, ...(overlay.card?.products ?? [])].find((each) => each?.sku_id === skuId && each.name);
  return clean(known?.name ?? skuId, 40);
}

/** A room's title or its host's name by its card, else its id. */
export function roomName(overlay, roomId) {
  return clean(overlay.card?.title || overlay.card?.host_name || roomId, 64);
}

/**
 * "live", "old" (the figures are too old), "ended" (the show is over, its figures are final), or "none" (nothing is known).
 */
export function stateOf(room, overlay, track) {
  if (overlay === null) return track.endedMs === null ? "none" : "ended";
  if (endedMs(overlay, track) !== null) return "ended";
  return room.overlay === null ? "old" : "live";
}

/** When the show ended; null: it goes on. */
export function endedMs(overlay, track) {
  const said = overlay?.session?.ended_at_ms ?? null;
  if (said !== null) return said;
  return overlay === null || track.sessionMs === (overlay.session?.began_at_ms ?? track.sessionMs) ? track.endedMs : null;
}

/** The step of a curve over this time: a minute, or ten seconds of a show under a quarter of an hour. */
export function stepOf(longMs) {
  if (longMs < 900_000) return 10_000;
  return longMs < 14_400_000 ? 60_000 : 300_000;
}

/** The end of a curve's axis: whole steps, so that it moves when the curve does. */
export function axisEnd(fromMs, atMs, stepMs) {
  return fromMs + Math.max(1, Math.ceil((atMs - fromMs) / stepMs)) * stepMs;
}
