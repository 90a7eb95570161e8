// Rates, orders, stock and urgency over one shared time axis, with events marked on all charts.

import { h, setText } from "../dom.js";
import { clean, compact, duration, fill, grouped, minorUnits, share, timeOfDay, windowOf } from "../text.js";
import { zoneOf } from "./zone.js";
import { Chart } from "./chart.js";
import { episodeText } from "./desk.js";
import { saleKey } from "./episodes.js";
import { ORDERS, ORDERS_WINDOW_MS, RATES, STOCK } from "./history.js";
import { money } from "../money.js";
import { thenValue } from "./show-history.js";
import { RANGES } from "./view.js";
import { becauseLines } from "./reasons.js";
import { explain } from "./explain.js";
import { keyed } from "./keyed.js";

const SHOWN_FIRST = new Set(["watch_to_buy_uv", "click_to_buy_uv", "cart_to_order_uv"]);
const STEP_MS = 1_000;
const SHIFT_STEP_MS = 10_000;
/** A page just opened shows one minute: five would show a dot. */
const NARROWEST_MS = 60_000;

export class Charts {
  #context;
  #history;
  #nowMs = 0;
  #sale = null;
  #pinnedMs = null;
  #hoverMs = null;
  #charts;
  #readout;
  #strip;
  #episodes = [];
  #isCompared = false;
  #rangeButtons;
  #note;

  /** @param {{view, strings, names, shows}} context */
  constructor(context, history) {
    this.#context = context;
    this.#history = history;
    const { strings } = context;
    const words = strings.console;
    const shared = {
      timeOf: (atMs) => timeOfDay(atMs),
      marks: () => this.#marks(),
      pinned: () => this.#pinnedMs,
      onHover: (atMs) => this.#hovered(atMs),
      range: () => this.#range(),
      lowest: false,
      labelled: false,
      words: words.chartTable,
    };
    // Written as in the funnel beside it: one figure has one form.
    const percent = (value) => share(value, 1);
    const whole = (value) => grouped(value);
    const sum = (value) => money(value, history.currency ?? "", context.view.lang, { cents: true });
    this.#charts = {
      gmv: new Chart({
        ...shared,
        labelled: true,
        lines: [
          { name: "gmv", label: words.series.gmv, format: sum, filled: true },
          { name: "before", label: words.series.before, format: sum, behind: true },
        ],
        // Without the sign, so that it is short enough for the margin: `2M`, `200 万`.
        axis: (value) => compact(Math.floor(value / minorUnits(history.currency ?? "")), strings),
        about: () => words.chartHelp.gmv,
      }),
      watching: new Chart({
        ...shared,
        lines: [
          { name: "watching", label: words.series.watching, format: whole, filled: true },
          { name: "before", label: words.series.before, format: whole, behind: true },
        ],
        whole: true,
        axis: (value) => compact(value, strings),
        about: () => words.chartHelp.watching,
      }),
      orders: new Chart({
        ...shared,
        lines: ORDERS.map((name) => ({ name, label: words.series[name], format: whole })),
        whole: true,
        axis: (value) => compact(value, strings),
        about: () => fill(words.chartHelp.orders, { window: windowOf(ORDERS_WINDOW_MS, strings) }),
      }),
      stock: new Chart({
        ...shared,
        lines: STOCK.map((name) => ({
          name,
          label: words.series[name],
          format: whole,
          filled: name === "available",
          explain: words.saleHelp[name === "available" ? "left" : name],
        })),
        whole: true,
        axis: (value) => compact(value, strings),
        about: () => words.chartHelp.stock,
      }),
      rates: new Chart({
        ...shared,
        lowest: true,
        lines: RATES.filter((name) => name !== "orders_per_viewer").map((name) => ({
          name,
          label: words.rates[name],
          format: percent,
          explain: words.rateHelp[name],
          hidden: !SHOWN_FIRST.has(name),
        })),
        axis: (value) => `${Number((value * 100).toFixed(2))} %`,
        about: () => words.chartHelp.rates,
      }),
    };
    this.#readout = h("output.readout");
    this.#note = h("span.soft");
    this.#strip = h("ol.strip", { "aria-label": words.urgency });
    this.#rangeButtons = RANGES.map((range) => {
      const button = h("button", { type: "button" }, words.ranges[range]);
      button.addEventListener("click", () => context.view.set({ range }));
      return button;
    });
    this.root = h(
      "section.time",
      { "aria-label": words.time, tabindex: "-1", id: "time" },
      h(
        "header.bar-head",
        {},
        h("h2", {}, words.time),
        this.#note,
        this.#readout,
        h("div.choice", { role: "group", "aria-label": words.range }, ...this.#rangeButtons),
      ),
      ...Object.values(this.#charts).map((chart) => chart.root),
      this.#strip,
    );
  }

  /** Draws what the history holds now. `sale`: the sale whose stock and level are drawn; null: none. */
  render(nowMs, sale, episodes = this.#episodes, isCompared = this.#isCompared) {
    this.#nowMs = nowMs;
    this.#episodes = episodes;
    this.#isCompared = isCompared;
    this.#sale = sale;
    const { view, strings } = this.#context;
    const words = strings.console;
    const history = this.#history;
    const key = sale === null ? "" : saleKey(sale);
    RANGES.forEach((range, place) => this.#rangeButtons[place].setAttribute("aria-pressed", String(view.range === range)));
    const shows = this.#context.shows;
    const since = shows.show === null ? words.sinceOpened : words.since;
    const begins = history.times.length ? fill(since, { time: timeOfDay(history.times[0]) }) : words.collecting;
    setText(this.#note, `${begins} · ${zoneOf(this.#nowMs)}`);
    const from = this.#firstPlace();
    const cut = (column) => column.slice(from);
    const times = cut(history.times);
    const { gmv, watching, rates, orders, stock } = this.#charts;
    const then = (name) => times.map((atMs) => (isCompared ? thenValue(shows.before, shows.show, name, atMs) : null));
    const isComparable = shows.before !== null && shows.before.currency === history.currency;
    gmv.title = words.charts.gmv;
    gmv.show([times, cut(history.column("gmv")), isComparable ? then("gmv_minor") : times.map(() => null)]);
    watching.title = words.charts.watching;
    watching.show([times, cut(history.column("watching")), then("watching")]);
    for (const chart of [gmv, watching]) chart.root.toggleAttribute("data-alone", shows.before === null || !isCompared);
    rates.title = fill(words.charts.rates, { window: windowOf(view.window, strings) });
    rates.show([
      times,
      ...RATES.filter((name) => name !== "orders_per_viewer").map((name) => cut(history.rate(name, view.window))),
    ]);
    orders.title = fill(words.charts.orders, { window: windowOf(ORDERS_WINDOW_MS, strings) });
    orders.show([times, ...ORDERS.map((name) => cut(history.orders(name)))]);
    stock.title = fill(words.charts.stock, { sale: sale === null ? "–" : this.#context.names.of(sale.sku_id) });
    stock.show([times, ...STOCK.map((name) => cut(history.stock(key, name)))]);
    this.#drawStrip(key);
    this.#read();
  }

  dress() {
    for (const chart of Object.values(this.#charts)) chart.dress();
  }

  /** Whether the key is one of this part's, which is then handled. */
  key(event) {
    const step = event.shiftKey ? SHIFT_STEP_MS : STEP_MS;
    const moves = { ArrowLeft: -step, ArrowRight: step };
    const { times } = this.#history;
    if (!times.length) return false;
    if (event.key in moves) {
      const to = (this.#pinnedMs ?? times.at(-1)) + moves[event.key];
      this.#pin(to >= times.at(-1) ? null : Math.max(to, times[0]));
    } else if (event.key === "Home") this.#pin(times[0]);
    else if (event.key === "End" || (event.key === "Escape" && this.#pinnedMs !== null)) this.#pin(null);
    else return false;
    return true;
  }

  #pin(atMs) {
    this.#pinnedMs = atMs;
    this.render(this.#nowMs, this.#sale);
  }

  #hovered(atMs) {
    if (this.#hoverMs === atMs) return;
    this.#hoverMs = atMs;
    this.#read();
  }

  #read() {
    const atMs = this.#hoverMs ?? this.#pinnedMs;
    for (const chart of Object.values(this.#charts)) chart.read(atMs);
    this.#readout.hidden = atMs === null;
    if (atMs !== null) setText(this.#readout, timeOfDay(atMs));
  }

  /** The range of time that is shown. It ends now, or contains the pinned moment. */
  #range() {
    const { times } = this.#history;
    const first = times[0] ?? this.#nowMs;
    const to = Math.max(this.#nowMs, times.at(-1) ?? 0);
    const range = this.#context.view.range;
    const seen = Math.max(to - first, NARROWEST_MS);
    const width = range === 0 ? seen : Math.min(range, Math.max(seen, NARROWEST_MS));
    const end = this.#pinnedMs !== null && this.#pinnedMs < to - width ? this.#pinnedMs + width / 2 : to;
    return [end - width, end];
  }

  #firstPlace() {
    const [from] = this.#range();
    const { times } = this.#history;
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < from) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #marks() {
    const key = this.#sale === null ? "" : saleKey(this.#sale);
    return this.#episodes
      .filter((episode) => episode.key === key || episode.key === "")
      .filter((episode) => !(episode.kind === "level" && (episode.isFirst || episode.value === "ended")))
      .map((episode) => ({ atMs: episode.atMs, label: episodeText(episode, this.#context.strings), tone: episode.kind }))
      .sort((a, b) => a.atMs - b.atMs);
  }

  /** Draws the level over the same range, each part with its reason. */
  #drawStrip(key) {
    const [from, to] = this.#range();
    const levels = this.#history.levels.filter((each) => each.key === key);
    const parts = levels
      .map((event, place) => ({ ...event, untilMs: levels[place + 1]?.atMs ?? to }))
      .filter((part) => part.untilMs > from && part.atMs < to);
    const { strings } = this.#context;
    keyed(
      this.#strip,
      parts,
      (part) => `${part.atMs} ${part.value}`,
      (part) => {
        const element = h("li", { "data-level": part.value }, h("span"));
        explain(element, () => [
          `${timeOfDay(part.atMs)} ${strings.levels[part.value] ?? clean(part.value, 20)}`,
          ...becauseLines(part.because, part.value, strings),
        ]);
        return element;
      },
      (element, part) => {
        const start = Math.max(part.atMs, from);
        element.style.insetInlineStart = `${((start - from) / (to - from)) * 100}%`;
        element.style.inlineSize = `${((Math.min(part.untilMs, to) - start) / (to - from)) * 100}%`;
        setText(element.firstElementChild, strings.levels[part.value] ?? clean(part.value, 20));
        const lasted = duration(Math.min(part.untilMs, to) - part.atMs, strings);
        element.setAttribute("aria-label", `${timeOfDay(part.atMs)} ${element.textContent}, ${lasted}`);
      },
    );
  }
}
