// Left column: from viewers to payers, every rate with its fraction, and the totals of the session.

import { h, setText } from "../dom.js";
import { amount, clean, compact, fill, grouped, share, timeOfDay, windowOf } from "../text.js";
import { explain } from "./explain.js";
import { setFigure } from "./heard.js";
import { keyed } from "./keyed.js";
import { signOf } from "../money.js";
import { WINDOWS } from "./view.js";

/** Stage → the rate that holds its count, and the side of that rate. */
const STAGES = [
  ["viewers", "watch_to_buy_uv", "den"],
  ["clickers", "click_to_buy_uv", "den"],
  ["carters", "cart_to_order_uv", "den"],
  ["carted_buyers", "cart_to_order_uv", "num"],
  ["payers", "watch_to_buy_uv", "num"],
];
const FIGURES = ["views", "likes", "comments", "cart_adds"];
const ORDERS = ["placed", "paid", "cancelled", "refunded"];
/** Shown where there are any. */
const ORDERS_LATER = ["partly_undone", "shipped", "delivered", "completed", "payment_failed"];
const GMVS = ["placed", "paid", "net"];

export class Funnel {
  #context;
  #windows;
  #stages;
  #rates;
  #figures = {};
  #money;
  #overlay = null;

  constructor(context) {
    this.#context = context;
    const { strings, view } = context;
    const words = strings.console;
    this.#windows = WINDOWS.map((windowMs) => {
      const button = h("button", { type: "button" }, windowOf(windowMs, strings));
      button.addEventListener("click", () => view.set({ window: windowMs }));
      return button;
    });
    this.#stages = h("ol.stages");
    this.#rates = h("ul.rates");
    this.#money = h("tbody");
    this.root = h(
      "section.funnel",
      { "aria-label": words.funnel },
      h(
        "header.bar-head",
        {},
        h("h2", {}, words.funnel),
        h("div.choice", { role: "group", "aria-label": words.window }, ...this.#windows),
      ),
      this.#stages,
      this.#rates,
      h("header.bar-head", {}, h("h2", {}, words.totals)),
      h("dl.figures.orders", {}, ...[...ORDERS, ...ORDERS_LATER].map((name) => this.#figure(name))),
      this.#moneyTable(),
      h("dl.figures", {}, ...FIGURES.map((name) => this.#figure(name))),
    );
  }

  #figure(name) {
    const words = this.#context.strings.console;
    const value = h("dd", {}, "–");
    const group = h("div", { "data-figure": name }, h("dt", {}, words.figures[name]), value);
    explain(group, () => [`${words.figures[name]}: ${value.dataset.full ?? value.textContent}`, words.figureHelp[name], this.#asOf()]);
    this.#figures[name] = value;
    return group;
  }

  #moneyTable() {
    const words = this.#context.strings.console;
    const heads = GMVS.map((name) => {
      const head = h("th", { scope: "col" }, words.gmvs[name]);
      explain(head, () => [words.gmvHelp[name]]);
      return head;
    });
    return h("table.money", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, words.gmv), ...heads)), this.#money);
  }

  render(overlay) {
    this.#overlay = overlay;
    const { view, strings } = this.#context;
    WINDOWS.forEach((windowMs, place) => this.#windows[place].setAttribute("aria-pressed", String(view.window === windowMs)));
    const rates = (overlay?.rates ?? []).filter((rate) => (rate.window_ms ?? null) === view.window);
    this.#renderStages(new Map(rates.map((rate) => [rate.name, rate])));
    this.#renderRates(rates);
    const totals = overlay?.totals;
    for (const name of FIGURES) {
      const value = totals?.[name];
      setFigure(this.#figures[name], value === undefined ? "–" : shortened(value, strings), value === undefined ? "–" : grouped(value));
      this.#figures[name].dataset.full = value === undefined ? "–" : grouped(value);
    }
    for (const name of ORDERS) setText(this.#figures[name], totals ? grouped(totals.orders[name]) : "–");
    for (const name of ORDERS_LATER) {
      const orders = totals?.orders[name] ?? 0;
      setText(this.#figures[name], grouped(orders));
      this.#figures[name].parentElement.hidden = orders === 0;
    }
    this.#renderMoney(totals?.money ?? []);
  }

  #renderStages(rates) {
    const { strings } = this.#context;
    const words = strings.console;
    const viewers = rates.get("watch_to_buy_uv")?.den ?? 0;
    const stages = STAGES.map(([name, rateName, side]) => {
      const rate = rates.get(rateName);
      return { name, rate, value: rate === undefined ? null : rate[side] };
    });
    keyed(
      this.#stages,
      stages,
      ({ name }) => name,
      ({ name }) => {
        const element = h("li", {}, h("i.fill", { "aria-hidden": "true" }), h("span.label", {}, words.stages[name]), h("b"), h("span.soft"));
        explain(element, () => {
          const { rate, value } = element.stage;
          return [
            `${words.stages[name]}: ${value === null ? "–" : grouped(value)}`,
            words.stageHelp[name],
            rate ? `${this.#windowLine(rate)} · ${methodOf(rate, strings)}` : null,
          ];
        });
        return element;
      },
      (element, stage) => {
        element.stage = stage;
        const [bar, , value, of] = element.children;
        bar.style.inlineSize = viewers > 0 && stage.value !== null ? `${Math.min(100, (100 * stage.value) / viewers)}%` : "0%";
        setText(value, stage.value === null ? "–" : grouped(stage.value));
        const isShare = stage.name !== "viewers" && viewers > 0 && stage.value !== null;
        setText(of, isShare ? fill(words.ofViewers, { share: share(stage.value, viewers) }) : "");
      },
    );
  }

  #renderRates(rates) {
    const { strings, view } = this.#context;
    const words = strings.console;
    keyed(
      this.#rates,
      rates,
      (rate) => `${rate.name} ${rate.currency ?? ""}`,
      (rate) => {
        const name = fill(words.rates[rate.name] ?? clean(rate.name, 40), { currency: signOf(rate.currency ?? "", view.lang).trim() });
        const element = h("li", {}, h("span.label", {}, name), h("b"), h("span.of"));
        explain(element, () => {
          const now = element.rate;
          const { num } = rateParts(now, strings);
          return [
            `${name}: ${rateParts(now, strings).value}`,
            words.rateHelp[now.name] ?? "",
            now.note ? (words.rateNotes[now.note] ?? clean(now.note, 40)) : null,
            fill(words.helpOf, {
              num,
              den: grouped(now.den),
              window: windowOf(now.window_ms, strings),
              time: timeOfDay(now.as_of_ms),
              method: methodOf(now, strings),
            }),
          ];
        });
        return element;
      },
      (element, rate) => {
        element.rate = rate;
        const [, value, of] = element.children;
        const parts = rateParts(rate, strings);
        setText(value, parts.value);
        setText(of, rate.den > 0 ? fill(words.rateOf, { num: parts.num, den: grouped(rate.den) }) : words.nobody);
      },
    );
  }

  #renderMoney(purses) {
    const words = this.#context.strings.console;
    this.#money.parentElement.hidden = purses.length === 0;
    keyed(
      this.#money,
      purses,
      ({ currency }) => currency,
      ({ currency }) => {
        const row = h("tr", {}, h("th", { scope: "row" }, clean(currency, 8)));
        for (const name of GMVS) {
          const cell = h("td");
          explain(cell, () => [`${cell.textContent} ${clean(currency, 8)} · ${words.gmvs[name]}`, words.gmvHelp[name], this.#asOf()]);
          row.append(cell);
        }
        return row;
      },
      (row, purse) => GMVS.forEach((name, place) => setText(row.children[place + 1], amount(purse[`gmv_${name}_minor`], purse.currency))),
    );
  }

  #windowLine(rate) {
    const { strings } = this.#context;
    return `${strings.console.window}: ${windowOf(rate.window_ms, strings)} · ${fill(strings.console.asOf, { time: timeOfDay(rate.as_of_ms) })}`;
  }

  #asOf() {
    const { strings } = this.#context;
    if (this.#overlay === null) return null;
    return `${strings.console.totals} · ${fill(strings.console.asOf, { time: timeOfDay(this.#overlay.as_of_ms) })}`;
  }
}

/** The value of a rate and its numerator, in the rate's own unit. */
export function rateParts(rate, strings) {
  const about = aboutOf(rate);
  if (rate.currency) {
    const num = amount(Math.floor(rate.num / 1000), rate.currency);
    return { value: rate.den > 0 ? amount(Math.floor(rate.num / rate.den), rate.currency) : "–", num };
  }
  const num = `${about}${grouped(rate.num)}`;
  if (rate.den <= 0) return { value: "–", num };
  if (rate.name === "orders_per_viewer") return { value: (Math.floor((rate.num / rate.den) * 1000) / 1000).toFixed(3), num };
  return { value: `${rate.bound === "lower" ? "≥ " : ""}${share(rate.num, rate.den)}`, num };
}

/** The sign before a figure that is not exact. */
export function aboutOf({ method, bound }) {
  if (bound === "lower") return "≥";
  return method === "exact" ? "" : "≈";
}

function methodOf(rate, strings) {
  const words = strings.console;
  if (rate.method === "exact") return words.exact;
  const sketch = fill(words.sketch, { error: (Math.ceil((rate.error_95 ?? 0) * 1000) / 10).toFixed(1) });
  return rate.bound === "lower" ? `${words.atLeast}; ${sketch}` : sketch;
}

function shortened(value, strings) {
  return value < 1_000_000 ? grouped(value) : compact(value, strings);
}
