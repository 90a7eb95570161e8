// The subject of a page: the one product of one sale that every widget of the page speaks of.
//
// What the address names (`sale`, `sku`) comes first, then the product on show, then the sale that leads. If none of
// these is there, widgets about a product say nothing.

import { LEVELS, placeOfLevel, RAMP } from "../levels.js";
import { clean } from "../text.js";

/** How long a product stays the subject, and for how long it can be read that it sold out or ended. */
export const KEPT_MS = 20_000;
/** A sale that starts so soon leads the ones that have nothing left. */
const SOON_MS = 15 * 60_000;
// Places of what does not sell, behind every level of the ramp.
const ALL_TAKEN = RAMP.length;
const SOON = ALL_TAKEN + 1;
const SOLD_OUT = SOON + 1;
const SCHEDULED = SOLD_OUT + 1;
const ENDED = SCHEDULED + 1;
const UNKNOWN = ENDED + 1;

/** Chooses the subject from each document, and keeps a leader for a while. */
export class Subject {
  /** The subject as the document shows it: one of `overlay.sales`; null: nothing can be the subject. */
  sale = null;
  /** Why it is the subject: "address", "on_show" or "leader"; null: there is none. */
  why = null;
  #kept = null;
  #agreed;

  /** @param {{read: () => object|null, write: (kept: object) => void}} [agreed]  what other pages of the browser chose */
  constructor(agreed = { read: () => null, write: () => {} }) {
    this.#agreed = agreed;
  }

  /** Choose, once before all widgets look. Returns the ms after which the choice may be another one. */
  look({ room, params }) {
    const { overlay } = room;
    const now = room.now();
    const { sales, why } = overlay === null ? { sales: [], why: null } : candidates(overlay, params);
    const ranked = overlay === null ? [] : ranking(sales, overlay.urgency.sale_id, now);
    const best = ranked[0] ?? null;
    if (best === null) {
      [this.sale, this.why] = [null, null];
      if (overlay !== null) this.#kept = null; // a document that is late is no other subject
      return Infinity;
    }
    const kept = this.#keptOf(ranked, why, now);
    const untilMs = kept === null || kept.place <= best.place ? Infinity : keptUntilMs(kept, this.#kept.since_ms);
    const chosen = kept !== null && (untilMs === Infinity || now < untilMs) ? kept : best;
    if (chosen !== kept) this.#kept = { ...idOf(chosen.sale), since_ms: now };
    if (why === "leader") this.#agreed.write({ ...this.#kept, seen_ms: now });
    [this.sale, this.why] = [chosen.sale, why];
    return chosen === kept ? Math.max(untilMs - now, 1) : Infinity;
  }

  /** Where the kept subject stands now; null: it is none any more. Pages of one browser keep the same leader. */
  #keptOf(ranked, why, now) {
    const find = (kept) => ranked.find(({ sale }) => kept !== null && isSame(sale, kept)) ?? null;
    const agreed = why === "leader" ? this.#agreed.read(now) : null;
    if (find(agreed) !== null && (find(this.#kept) === null || agreed.since_ms > this.#kept.since_ms)) this.#kept = agreed;
    return find(this.#kept);
  }
}

/** What may be the subject, and why. */
function candidates({ sales, card }, params) {
  if (params.sale || params.sku) return { sales: sales.filter((sale) => isWanted(sale, params)), why: "address" };
  const shown = card?.on_show?.sku_id;
  if (typeof shown === "string") return { sales: sales.filter(({ sku_id }) => sku_id === shown), why: "on_show" };
  return { sales, why: "leader" };
}

/** `{ sale, place }` of each sale, the one that leads first. */
function ranking(sales, leadingSaleId, nowMs) {
  const ranked = sales.map((sale) => ({ sale, place: placeOf(sale, nowMs) }));
  const rank = ({ sale, place }) => [
    place,
    place === SOON || place === SCHEDULED ? sale.starts_at_ms : 0,
    place === ENDED ? -(sale.ends_at_ms ?? 0) : 0,
    sale.sale_id === leadingSaleId ? 0 : 1,
    sale.urgency.since_ms,
    keyOf(sale),
  ];
  return ranked.map((each) => ({ each, rank: rank(each) })).sort((a, b) => compared(a.rank, b.rank)).map(({ each }) => each);
}

function placeOf({ status, starts_at_ms, urgency: { level } }, nowMs) {
  if (status === "ended") return ENDED;
  if (status === "scheduled") return starts_at_ms - nowMs <= SOON_MS ? SOON : SCHEDULED;
  if (RAMP.includes(level)) return placeOfLevel(level);
  return { all_taken: ALL_TAKEN, sold_out: SOLD_OUT, ended: ENDED }[level] ?? UNKNOWN;
}

/** Until when a subject is kept though another leads. What has nothing to sell is kept only to be read. */
function keptUntilMs({ sale, place }, sinceMs) {
  if (place === ALL_TAKEN || place === SOLD_OUT) return sale.urgency.since_ms + KEPT_MS;
  if (place === ENDED) return (sale.ends_at_ms ?? sale.urgency.since_ms) + KEPT_MS;
  return place < ALL_TAKEN ? sinceMs + KEPT_MS : -Infinity;
}

/** The claims of these kinds about the page's subject, or about the whole room, that may be said now. */
export function subjectClaims({ room, subject }, ...kinds) {
  return room.claims.filter(
    (claim) => kinds.includes(claim.claim) && (isOfRoom(claim) || (subject.sale !== null && isSame(claim, subject.sale))),
  );
}

/** The first of those claims, or null. */
export function claimOf(context, ...kinds) {
  return subjectClaims(context, ...kinds)[0] ?? null;
}

/** The claims of these kinds about any product that the address allows, the leading sale's first. */
export function claimsOf({ room, params }, ...kinds) {
  const overlay = room.overlay;
  if (overlay === null) return [];
  const lead = overlay.urgency.sale_id;
  const level = new Map(overlay.sales.map((sale) => [keyOf(sale), placeOfLevel(sale.urgency.level)]));
  const rank = (claim) => [claim.sale_id === lead ? 0 : 1, level.get(keyOf(claim)) ?? LEVELS.length, keyOf(claim)];
  return room.claims
    .filter((claim) => kinds.includes(claim.claim) && isWanted(claim, params))
    .sort((a, b) => compared(rank(a), rank(b)));
}

/** Whether the address allows a sale and SKU. A claim about the whole room is always allowed. */
export function isWanted(each, { sale, sku }) {
  return isOfRoom(each) || ((!sale || sale === each.sale_id) && (!sku || sku === each.sku_id));
}

/** Whether two things are about one SKU of one sale. */
export function isSame(a, b) {
  return a.sale_id === b.sale_id && a.sku_id === b.sku_id;
}

/** The name of a SKU: from the address, else as the room's card describes it, else its id. The same of other ids. */
export function nameOf(id, params, overlay = null) {
  const described = () => overlay?.card?.products?.find((product) => product.sku_id === id)?.name;
  return clean(params.names.get(id) ?? described() ?? id, 40);
}

function isOfRoom({ sale_id }) {
  return sale_id === null || sale_id === undefined;
}

function idOf({ sale_id, sku_id }) {
  return { sale_id, sku_id };
}

function keyOf({ sale_id, sku_id }) {
  return `${sale_id}/${sku_id}`;
}

function compared(a, b) {
  for (let place = 0; place < a.length; place += 1) {
    if (a[place] !== b[place]) return a[place] < b[place] ? -1 : 1;
  }
  return 0;
}
