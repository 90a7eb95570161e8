// Whether a value is a whole overlay document (`snapup.overlay.v1`). No part of a torn document is shown.

import { MECHANICS } from "./mechanics/mechanics.js";
import { bool, count, int, list, maybe, num, record, shape, str } from "./shapes.js";

const urgency = shape({
  level: str,
  since_ms: int,
  because: list(shape({ rule: str, value: num, threshold: num })),
  sale_id: maybe(str),
});
const sale = shape({
  sale_id: str,
  sku_id: str,
  status: str,
  starts_at_ms: maybe(int),
  ends_at_ms: maybe(int),
  extended: bool,
  offered: maybe(int),
  restocked: int,
  available: maybe(int),
  held: int,
  sold: int,
  oversold: int,
  over_limit: int,
  released: int,
  carters_without_order: count,
  suspect_units: int,
  velocity: shape({ units: int, window_ms: int }),
  eta_sellout_ms: maybe(shape({ low: int, high: int, coverage: num })),
  restock_planned_at_ms: maybe(int),
  price_minor: maybe(int),
  currency: maybe(str),
  urgency,
  suspicions: maybe(list(shape({ rule: str, orders: int, units: int }))),
  gone: maybe(int),
  corrections: maybe(list(shape({ what: str, before: maybe(int), now: maybe(int), said_at_ms: int }))),
  former: maybe(shape({ rounds: int, restocked: int, held: int, sold: int, gone: int })),
  prior_price_minor: maybe(int),
  last_restock: maybe(shape({ at_ms: int, quantity: int })),
});
const claim = shape({
  id: str,
  claim: str,
  sale_id: maybe(str),
  sku_id: maybe(str),
  value: (value) => int(value) || list(int)(value),
  unit: str,
  window_ms: maybe(int),
  as_of_ms: int,
  valid_until_ms: int,
  rule: str,
  inputs: record(maybe(num)),
  evidence: list(shape({ topic: str, partition: int, first_offset: int, next_offset: int })),
});

/** @type {(value: unknown) => boolean} */
export const isOverlay = shape({
  schema: (value) => value === "snapup.overlay.v1",
  room_id: str,
  epoch: int,
  rev: int,
  as_of_ms: int,
  stale_after_ms: int,
  clock: shape({ source: str, lag_ms: int }),
  totals: shape({
    viewers: count,
    views: int,
    watching_now: int,
    likes: int,
    comments: int,
    cart_adds: int,
    orders: shape({
      placed: int,
      paid: int,
      cancelled: int,
      refunded: int,
      ...Object.fromEntries(["shipped", "delivered", "completed", "payment_failed", "partly_undone"].map((name) => [name, maybe(int)])),
    }),
    money: list(shape({ currency: str, gmv_placed_minor: int, gmv_paid_minor: int, gmv_net_minor: int })),
  }),
  rates: list(
    shape({ name: str, window_ms: maybe(int), num: int, den: int, as_of_ms: int, method: str, error_95: maybe(num) }),
  ),
  sales: list(sale),
  urgency,
  claims: list(claim),
  withheld: list(shape({ claim: str, reason: str, sale_id: maybe(str), sku_id: maybe(str) })),
  feed: list(shape({ kind: str, at_ms: int, who: str, sku_id: str, quantity: int })),
  // A room has the section of a mechanic from the mechanic's first event on.
  ...Object.fromEntries(MECHANICS.map(({ name, isSection }) => [name, maybe(isSection)])),
});

/** Whether a value is the `fresh` member of a `fresh` event: the new times of a document that was sent before. */
export const isFresh = shape({
  epoch: int,
  rev: int,
  as_of_ms: int,
  stale_after_ms: int,
  clock: shape({ source: str, lag_ms: int }),
  claims: list(shape([str, int, int, (value) => int(value) || list(int)(value)])),
});
