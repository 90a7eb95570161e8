// The course of a show: what the server remembers of it, one sample in ten seconds, and what this page has seen itself, one
// sample a second. Bounded.

import { saleKey } from "./episodes.js";
import { WINDOWS } from "./view.js";

/** Six hours at one a second: longer than a show. Beyond it the oldest samples go. */
const MAX_SAMPLES = 21_600;
const DROP_AT_ONCE = 600;
const MAX_EVENTS = 600;
/** The server's last point is believed this long: nothing may have changed since, or nobody may have counted. */
const HOLD_MS = 600_000;
/** Twelve hours of the server's steps. */
const MAX_GRID = 4_320;
const MAX_SALES = 24;
const SAMPLE_MS = 1_000;
/** An orders line shows, at each moment, the orders of the window before it. */
export const ORDERS_WINDOW_MS = 10_000;
/** A longer silence between two samples is a gap in the lines: a straight line would show what was never seen. */
const GAP_MS = 6_000;

export const RATES = ["watch_to_buy_uv", "click_to_buy_uv", "cart_to_order_uv", "engaged_uv_rate", "pay_rate", "orders_per_viewer"];
export const ORDERS = ["placed", "paid", "cancelled"];
export const STOCK = ["available", "held", "sold"];

export class History {
  /** Epoch ms of each sample. */
  times = [];
  /** {atMs, key, value, because}: each change of a sale's level, oldest first. */
  levels = [];
  /** Of the sums in column `gmv`. */
  currency = null;
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
    const purse = overlay.totals.money[0];
    this.currency ??= purse?.currency ?? null;
    const mine = overlay.totals.money.find(({ currency }) => currency === this.currency);
    values.set("gmv", mine?.gmv_paid_minor ?? (overlay.totals.money.length ? null : 0));
    values.set("watching", overlay.totals.watching_now);
    for (const name of ORDERS) values.set(`orders ${name}`, overlay.totals.orders[name]);
    for (const sale of overlay.sales) {
      const key = saleKey(sale);
      if (!this.#sales.has(key) && this.#sales.size >= MAX_SALES) continue;
      this.#sales.add(key);
      for (const name of STOCK) values.set(`${key} ${name}`, sale[name]);
    }
    return values;
  }

  // -- what the server remembers ------------------------------------------------------------------------------------------
  /** Takes the server's history for the moments that this page has not seen itself. */
  remember({ points, step_ms: stepMs, marks, currency }) {
    const grid = gridOf(points.at_ms, Math.max(stepMs, 1_000), this.times.at(-1) ?? Infinity);
    const seen = this.times;
    const merged = [];
    let mine = 0;
    for (const [atMs, place] of grid) {
      while (mine < seen.length && seen[mine] <= atMs) merged.push([seen[mine], mine++, -1]);
      const before = mine > 0 ? atMs - seen[mine - 1] : Infinity;
      const after = mine < seen.length ? seen[mine] - atMs : Infinity;
      if (Math.min(before, after) >= GAP_MS) merged.push([atMs, -1, place]);
    }
    while (mine < seen.length) merged.push([seen[mine], mine++, -1]);
    const columns = new Map();
    for (const name of new Set([...this.#columns.keys(), ...Object.keys(REMEMBERED)])) {
      const own = this.#columns.get(name);
      const theirs = REMEMBERED[name]?.(points) ?? null;
      const isOther = name === "gmv" && currency !== (this.currency ?? currency);
      columns.set(name, merged.map(([, place, past]) => (place >= 0 ? (own?.[place] ?? null) : isOther ? null : (theirs?.[past] ?? null))));
    }
    this.currency ??= currency;
    this.times = merged.map(([atMs]) => atMs);
    this.#columns = columns;
    const known = new Set(this.levels.map(({ atMs, key }) => `${key} ${atMs}`));
    const firstMs = this.levels[0]?.atMs ?? Infinity;
    const past = marks
      .filter(({ kind, at_ms, sale_id }) => kind === "level" && sale_id && at_ms < firstMs)
      .map((mark) => ({ atMs: mark.at_ms, key: saleKey(mark), value: String(mark.value), because: [] }))
      .filter(({ atMs, key }) => !known.has(`${key} ${atMs}`));
    this.levels = [...past, ...this.levels].sort((a, b) => a.atMs - b.atMs);
  }

  /** The most that were watching, and when; null: nothing is known. */
  peak() {
    const column = this.column("watching");
    let best = -1;
    column.forEach((value, place) => value !== null && (best < 0 || value > column[best]) && (best = place));
    return best < 0 ? null : { value: column[best], atMs: this.times[best] };
  }

  // -- levels ---------------------------------------------------------------------------------------------------------
  #watch(overlay) {
    const before = new Map((this.#before?.sales ?? []).map((sale) => [saleKey(sale), sale.urgency.level]));
    for (const sale of overlay.sales) {
      const key = saleKey(sale);
      const { level, because, since_ms: atMs } = sale.urgency;
      if (before.get(key) !== level) this.levels.push({ atMs, key, value: level, because });
    }
    if (this.levels.length > MAX_EVENTS) this.levels.splice(0, this.levels.length - MAX_EVENTS);
  }
}

/** Column → what the server's points have of it. */
const REMEMBERED = {
  gmv: (points) => points.gmv_minor,
  watching: (points) => points.watching,
  "orders placed": (points) => points.orders,
  "orders paid": (points) => points.orders_paid,
  "watch_to_buy_uv null": (points) => ratio(points.payers, points.viewers),
  "click_to_buy_uv null": (points) => ratio(points.payers, points.clickers),
};

function ratio(numbers, of) {
  return numbers && of ? numbers.map((value, place) => (of[place] > 0 ? value / of[place] : null)) : null;
}

/** [moment, place of its point] for each step: a point holds until the next one. Bounded. */
function gridOf(times, stepMs, untilMs) {
  const grid = [];
  times.forEach((atMs, place) => {
    // The last point holds until now, if this page sees the show go on.
    const next = times[place + 1] ?? (untilMs === Infinity ? atMs + stepMs : Math.min(untilMs, atMs + HOLD_MS));
    for (let at = atMs; at < next && grid.length < MAX_GRID; at += stepMs) grid.push([at, place]);
  });
  return grid;
}
