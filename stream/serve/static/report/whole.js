// Whether a value is a whole report of `snapup report` (`snapup.report.v1`). No part of a torn one is shown.

import { int, list, maybe, shape, str } from "../shapes.js";

const amounts = list(shape({ currency: str, placed_minor: int, paid_minor: int, net_minor: int }));
const steps = (value) => Array.isArray(value) && value.every(step);
const step = shape({ start_ms: int, views: int, watching: int, comments: int, likes: int, cart_adds: int, orders_placed: int, orders_paid: int, money: amounts });
const session = shape({ show_id: maybe(str), began_at_ms: int, ended_at_ms: maybe(int), as_of_ms: int });
const totals = shape({
  viewers: int,
  views: int,
  peak: maybe(shape({ watching: int, at_ms: int })),
  likes: int,
  comments: int,
  cart_adds: int,
  orders: shape({ placed: int, paid: int, cancelled: int, refunded: int, partly_undone: maybe(int) }),
  money: amounts,
});
const many = (test) => (value) => Array.isArray(value) && value.every(test);
const ledger = shape({ status: str, offered: maybe(int), restocked: int, available: maybe(int), held: int, sold: int, released: int, oversold: int });
const evidence = shape({ topic: str, partition: int, first_offset: int, next_offset: int });

/** @type {(value: unknown) => boolean} */
export const isReport = shape({
  schema: (value) => value === "snapup.report.v1",
  room_id: str,
  session,
  totals,
  minutes: steps,
  curve: maybe(shape({ step_ms: int, steps })),
  products: many(shape({ sku_id: maybe(str), sale_id: maybe(str), ledger: maybe(ledger), orders_paid: int, units_placed: int, units_paid: int, units_cancelled: int, units_refunded: int, units_net: int, cart_adds: int, money: amounts })),
  sources: many(shape({ source: maybe(str), views: int, clicks: int })),
  claims: many(shape({ claim: str, rule: str, sale_id: maybe(str), sku_id: maybe(str), unit: str, documents: int, first_at_ms: int, last_until_ms: int, said_ms: int, evidence: many(evidence) })),
  withheld: many(shape({ claim: str, reason: str, sale_id: maybe(str), sku_id: maybe(str), documents: int, first_at_ms: int, last_until_ms: int, withheld_ms: int })),
  log: shape({ sha256: str, records: int, topics: many(shape({ topic: str, partition: int, first_offset: int, next_offset: int, records: int, sha256: str })) }),
  check: shape({ figures: int, differences: many(shape({ name: str })), problems: many(str), claims: shape({ claims: int, right: int, wrong: int, documents: int, why_not: maybe(str) }) }),
  before: maybe(shape({ session, totals })),
});
