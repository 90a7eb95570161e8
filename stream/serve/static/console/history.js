// What this page has seen since it was opened: one sample a second, and the events between samples. Bounded.

import { WINDOWS } from "./view.js";

/** Six hours at one a second: longer than a show. Beyond it the oldest samples go. */
const MAX_SAMPLES = 21_600;
const DROP_AT_ONCE = 600;
const MAX_EVENTS = 600;
const MAX_SALES = 24;
const SAMPLE_MS = 1_000;
/** An orders line shows, at each moment, the orders of the window before it. */
export const ORDERS_WINDOW_MS = 10_000;
/** A longer silence between two samples is a gap in the lines: a straight line would show what was never seen. */
const GAP_MS = 6_000;

export const RATES = ["watch_to_buy_uv", "click_to_buy_uv", "cart_to_order_uv", "engaged_uv_rate", "pay_rate", "orders_per_viewer"];
export const ORDERS = ["placed", "paid", "cancelled"];
export const STOCK = ["available", "held", "sold"];

export const saleKey = ({ sale_id, sku_id }) => `${sale_id}/${sku_id}`;

export class History {
  /** Epoch ms of each sample. */
  times = [];
  /** {atMs, kind, key, value}, oldest first. */
  events = [];
  #columns = new Map();
  #sales = new Set();
  #before = null;

  /** Takes a document that is newer than the last. */
  take(overlay) {
    this.#watch(overlay);
    this.#before = overlay;
    const last = this.times.at(-1);
    if (last !== undefined && overlay.as_of_ms <= last) return;
    if (last !== undefined && Math.floor(overlay.as_of_ms / SAMPLE_MS) === Math.floor(last / SAMPLE_MS)) {
      this.#removeLast(); // the last document of a second is that second's sample
    } else if (last !== undefined && overlay.as_of_ms - last > GAP_MS) {
      this.#append(last + 1, new Map());
    }
    this.#append(overlay.as_of_ms, this.#sample(overlay));
    if (this.times.length > MAX_SAMPLES) {
      this.times.splice(0, DROP_AT_ONCE);
      for (const column of this.#columns.values()) column.splice(0, DROP_AT_ONCE);
    }
  }

  /** The values of a name over `times`; null where nothing was seen. */
  column(name) {
    return this.#columns.get(name) ?? this.times.map(() => null);
  }

  /** The share that a rate had at each moment. */
  rate(name, windowMs) {
    return this.column(`${name} ${windowMs}`);
  }

  /** The orders in the window before each moment; null until this page has seen a whole window. */
  orders(name) {
    const total = this.column(`orders ${name}`);
    let from = 0;
    return this.times.map((time, place) => {
      while (this.times[from + 1] <= time - ORDERS_WINDOW_MS) from += 1;
      const seen = this.times[from] <= time - ORDERS_WINDOW_MS && time - this.times[from] < ORDERS_WINDOW_MS + GAP_MS;
      const came = seen && total[place] !== null && total[from] !== null ? total[place] - total[from] : null;
      return came === null || came < 0 ? null : came; // fewer than before: a new session began
    });
  }

  stock(key, name) {
    return this.column(`${key} ${name}`);
  }

  #append(time, values) {
    for (const name of values.keys()) {
      if (!this.#columns.has(name)) this.#columns.set(name, this.times.map(() => null));
    }
    this.times.push(time);
    for (const [name, column] of this.#columns) column.push(values.get(name) ?? null);
  }

  #removeLast() {
    this.times.pop();
    for (const column of this.#columns.values()) column.pop();
  }

  #sample(overlay) {
    const values = new Map();
    for (const rate of overlay.rates) {
      if (RATES.includes(rate.name) && WINDOWS.includes(rate.window_ms ?? null) && rate.den > 0) {
        values.set(`${rate.name} ${rate.window_ms ?? null}`, rate.num / rate.den);
      }
    }
    for (const name of ORDERS) values.set(`orders ${name}`, overlay.totals.orders[name]);
    for (const sale of overlay.sales) {
      const key = saleKey(sale);
      if (!this.#sales.has(key) && this.#sales.size >= MAX_SALES) continue;
      this.#sales.add(key);
      for (const name of STOCK) values.set(`${key} ${name}`, sale[name]);
    }
    return values;
  }

  // -- events ---------------------------------------------------------------------------------------------------------
  #watch(overlay) {
    const before = new Map((this.#before?.sales ?? []).map((sale) => [saleKey(sale), sale]));
    for (const sale of overlay.sales) {
      const key = saleKey(sale);
      const old = before.get(key);
      for (const event of old === undefined ? firstEvents(sale, this.#before !== null) : eventsBetween(old, sale)) {
        this.events.push({ atMs: overlay.as_of_ms, ...event, key });
      }
    }
    if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
  }
}

function* firstEvents(sale, appeared) {
  if (appeared) yield { kind: sale.status === "scheduled" ? "scheduled" : "opened" };
  yield { kind: "level", value: sale.urgency.level, because: sale.urgency.because, atMs: sale.urgency.since_ms, first: true };
}

function* eventsBetween(old, sale) {
  const isAnew = roundOf(sale) > roundOf(old);
  if (isAnew) yield { kind: "round", value: roundOf(sale) };
  for (const correction of newCorrections(old, sale)) {
    yield { kind: "corrected", value: `${correction.what} ${correction.said_at_ms}`, correction };
  }
  if (old.status !== sale.status && sale.status === "scheduled") yield { kind: "scheduled" };
  if (old.status !== sale.status && sale.status === "open") {
    yield sale.starts_at_ms === null ? { kind: "opened" } : { kind: "opened", atMs: sale.starts_at_ms };
  }
  if (sale.restocked > old.restocked) yield { kind: "restock", value: sale.restocked - old.restocked };
  const isLater = sale.ends_at_ms !== null && old.ends_at_ms !== null && sale.ends_at_ms > old.ends_at_ms;
  if (isLater && sale.extended && !isAnew) {
    yield { kind: "extended", value: sale.ends_at_ms };
  }
  const gone = goneAs(sale);
  if (gone !== null && gone !== goneAs(old)) yield { kind: gone, value: sale.held };
  // The units of a new round were never out of stock.
  const isBack = old.available === 0 && sale.available > 0 && sale.restocked === old.restocked;
  if (isBack && !isAnew) yield { kind: "available" };
  if (sale.oversold > old.oversold) yield { kind: "oversold", value: sale.oversold };
  if (old.status !== sale.status && sale.status === "ended") yield { kind: "ended" };
  if (old.urgency.level !== sale.urgency.level) {
    yield { kind: "level", value: sale.urgency.level, because: sale.urgency.because, atMs: sale.urgency.since_ms };
  }
}

/** The number of the present round. */
const roundOf = (sale) => (sale.former?.rounds ?? 0) + 1;

/** The corrections of a document that the one before it did not show. */
function newCorrections(old, sale) {
  const nameOf = (each) => `${each.what} ${each.said_at_ms}`;
  const known = new Set((old.corrections ?? []).map(nameOf));
  return (sale.corrections ?? []).filter((each) => !known.has(nameOf(each)));
}

/** How the stock ran out: all of it sold, or some only held. Null if something is left. */
function goneAs(sale) {
  if (sale.available !== 0) return null;
  return sale.held > 0 ? "all_taken" : "sold_out";
}
