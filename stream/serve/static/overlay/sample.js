// A made-up room for the builder's preview, with the interface of SnapupRoom. The page says "sample data" wherever the
// room is used.

import { MECHANICS } from "../mechanics/mechanics.js";

const STEP_MS = 2_000;
const OFFERED = 500;
/** What comes back when the sale has run down. */
const RESTOCK = 58;
const PEOPLE = ["l***", "小***", "M***", "陈***", "a***"];

export class SampleRoom extends EventTarget {
  #sinceMs = Date.now();
  #overlay = null;
  #timer = 0;
  #step = 0;

  now() {
    return Date.now();
  }

  get overlay() {
    return this.#overlay;
  }

  get claims() {
    return this.#overlay?.claims ?? [];
  }

  claim(kind) {
    return this.claims.find((claim) => claim.claim === kind) ?? null;
  }

  start() {
    this.#next();
    return this;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #next() {
    this.#overlay = sampleOverlay(this.#step, this.now(), this.#sinceMs);
    this.#step += 1;
    this.dispatchEvent(new Event("change"));
    this.#timer = setTimeout(() => this.#next(), STEP_MS);
  }
}

/** The document of one step. The sale runs down to its last units and is restocked. */
export function sampleOverlay(step, nowMs, sinceMs) {
  const left = 64 - (step % 30) * 2;
  const held = 21;
  const runs = Math.floor(step / 30);
  const restocked = runs * RESTOCK;
  const sold = OFFERED + restocked - left - held;
  const sale = { sale_id: "drop", sku_id: "sku-1" };
  const endsAtMs = sinceMs + 272_000 + Math.floor((nowMs - sinceMs) / 270_000) * 270_000;
  const claim = (kind, value, unit, inputs, windowMs = null, subject = sale) => ({
    id: `${kind}:${step}`,
    claim: kind,
    sale_id: subject?.sale_id ?? null,
    sku_id: subject?.sku_id ?? null,
    value,
    unit,
    window_ms: windowMs,
    as_of_ms: nowMs,
    valid_until_ms: nowMs + 10_000,
    rule: `${kind}/1`,
    inputs,
    evidence: [],
  });
  const urgency = { level: left > 40 ? "rush" : "snap_up", since_ms: sinceMs, because: [], sale_id: "drop" };
  return {
    schema: "snapup.overlay.v1",
    room_id: "sample",
    epoch: 1,
    rev: step + 1,
    as_of_ms: nowMs,
    stale_after_ms: nowMs + 10_000,
    clock: { source: "tick", lag_ms: 0 },
    totals: {
      viewers: { value: 41_200, method: "exact" },
      views: 52_000,
      watching_now: 12_800 + ((step * 37) % 300),
      likes: 238_400 + step * 61,
      comments: 18_200 + step * 7,
      cart_adds: 6_100 + step * 3,
      orders: { placed: sold + held, paid: sold, cancelled: 4, refunded: 1 },
      money: [
        {
          currency: "CNY",
          gmv_placed_minor: (sold + held) * 39_900,
          gmv_paid_minor: sold * 39_900,
          gmv_net_minor: (sold - 5) * 39_900,
        },
      ],
    },
    rates: [],
    sales: [
      {
        ...sale,
        status: "open",
        starts_at_ms: sinceMs - 60_000,
        ends_at_ms: endsAtMs,
        extended: false,
        offered: OFFERED,
        restocked,
        available: left,
        held,
        sold,
        oversold: 0,
        over_limit: 0,
        released: 0,
        sell_through: sold / (OFFERED + restocked),
        carters_without_order: { value: 190, method: "exact" },
        suspect_units: 0,
        velocity: { units: 10, window_ms: 10_000 },
        eta_sellout_ms: { low: left * 800, high: left * 1_500, coverage: 0.9 },
        restock_planned_at_ms: null,
        price_minor: 39_900,
        list_price_minor: 89_900,
        prior_price_minor: 59_900,
        last_restock: runs ? { at_ms: nowMs - (step % 30) * STEP_MS, quantity: RESTOCK } : null,
        currency: "CNY",
        urgency,
      },
    ],
    urgency,
    claims: [
      claim("watching_now", 12_800 + ((step * 37) % 300), "people", { open_sessions: 12_800 }, null, null),
      claim("stock_left", left, "items", { offered: OFFERED, restocked, held, sold, oversold: 0 }),
      claim("eta_sellout", [left * 800, left * 1_500], "ms", { available: left, units: 10, coverage: 0.9 }, 10_000),
      claim("bought_recently", sold, "items", { paid_orders_net: sold, units_net: sold }, 300_000),
      claim("bought_recently", 86, "items", { paid_orders_net: 86, units_net: 86 }, 300_000, { sale_id: "drop", sku_id: "sku-2" }),
      claim("bought_recently", 31, "items", { paid_orders_net: 31, units_net: 31 }, 300_000, { sale_id: "drop", sku_id: "sku-3" }),
      claim("in_carts", 190, "people", { carters_without_order: 190 }),
      claim("ends_in", endsAtMs - nowMs, "ms", { ends_at_ms: endsAtMs, extended: 0 }),
    ],
    withheld: [],
    ...Object.fromEntries(MECHANICS.map(({ name, sample }) => [name, sample(step, nowMs)])),
    feed: [{ kind: "order", at_ms: nowMs, who: PEOPLE[step % PEOPLE.length], sku_id: "sku-1", quantity: 1 + (step % 7 === 3) }],
  };
}
