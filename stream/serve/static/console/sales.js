// Top of the middle: what is left of each sale, how fast it goes and how many still want it: the base for a restock.

import { levelIcon } from "../overlay/icons.js";
import { placeOfLevel, RAMP } from "../levels.js";
import { foreign, h, setText } from "../dom.js";
import { clean, duration, fill, grouped, priced, share, span, timeOfDay, windowOf } from "../text.js";
import { explain } from "./explain.js";
import { aboutOf } from "./funnel.js";
import { saleKey } from "./episodes.js";
import { keyed } from "./keyed.js";
import { becauseLines, correctionText } from "./reasons.js";

/** The sale that leads, and one more; all of them stand in the table of products. */
const MAX_SHOWN = 2;

/** The sales, the most urgent first, so that the one that leads the room is the first. The order is stable among equals. */
export function sorted(sales) {
  const rank = (sale) => placeOfLevel(sale.urgency.level);
  return [...sales].sort((a, b) => rank(a) - rank(b) || b.oversold - a.oversold || (saleKey(a) < saleKey(b) ? -1 : 1));
}

export class Sales {
  #context;
  #list;
  #none;

  constructor(context) {
    this.#context = context;
    const words = context.strings.console;
    this.#list = h("ol.sales");
    this.#none = h("p.soft", {}, words.noSales);
    this.root = h("section.stock", { "aria-label": words.sales }, h("header.bar-head", {}, h("h2", {}, words.sales)), this.#list, this.#none);
  }

  /** Draws the sales. `chosen`: the sale whose stock is charted. */
  render(overlay, chosen, nowMs) {
    const all = sorted(overlay?.sales ?? []);
    let shown = all.slice(0, MAX_SHOWN);
    if (chosen !== null && !shown.includes(chosen)) shown = [...shown.slice(0, MAX_SHOWN - 1), chosen];
    this.#none.hidden = all.length > 0;
    keyed(
      this.#list,
      shown,
      saleKey,
      (sale) => this.#create(sale),
      (element, sale) => this.#update(element, sale, sale === chosen, nowMs),
    );
  }

  #create(sale) {
    const { strings, view } = this.#context;
    const words = strings.console;
    const fields = {};
    const figure = (name, help) => {
      const value = h("b", {}, "–");
      fields[name] = value;
      const group = h("div", { "data-figure": name }, value, h("span.soft", {}, words.sale[name]));
      explain(group, () => [`${words.sale[name]}: ${value.textContent}`, help()]);
      return group;
    };
    fields.badge = h("span.level");
    explain(fields.badge, () => [
      fill(words.asOf, { time: timeOfDay(element.sale.urgency.since_ms) }),
      ...becauseLines(element.sale.urgency.because, element.sale.urgency.level, strings),
    ]);
    fields.name = h("button.choose", { type: "button" }, foreign(""));
    explain(fields.name, () => [
      fields.name.textContent,
      `${clean(sale.sku_id, 40)} · ${clean(sale.sale_id, 40)}`,
      fill(words.showInChart, { sale: fields.name.textContent }),
    ]);
    fields.name.addEventListener("click", () => view.set({ sale: saleKey(element.sale) }));
    fields.of = h("span.soft.of", {}, foreign(""));
    fields.when = h("span.when");
    fields.bar = h("div.stockbar", { "aria-hidden": "true" }, h("i.sold"), h("i.held"));
    fields.sellThrough = h("span.soft");
    explain(fields.sellThrough, () => [fields.sellThrough.textContent, words.saleHelp.sellThrough]);
    fields.pace = h("ul.pace");
    const element = h(
      "li.sale",
      {},
      h("div.sale-head", {}, fields.badge, fields.name, fields.of, fields.when),
      h(
        "div.sale-body",
        {},
        // The base for a restock: how many are left, for how long, and how many people still want one.
        h(
          "div.amounts",
          {},
          figure("left", () => words.saleHelp.left),
          figure("goneIn", () => fields.etaHelp),
          figure("waiting", () => words.saleHelp.carters),
        ),
        h(
          "div.flow",
          {},
          fields.bar,
          h(
            "div.parts",
            {},
            figure("sold", () => words.saleHelp.sold),
            figure("held", () => words.saleHelp.held),
            fields.sellThrough,
          ),
          fields.pace,
        ),
      ),
    );
    element.fields = fields;
    return element;
  }

  #update(element, sale, chosen, nowMs) {
    const { strings, names } = this.#context;
    const words = strings.console;
    const { fields } = element;
    element.sale = sale;
    setText(fields.name.firstElementChild, names.of(sale.sku_id));
    setText(fields.of.firstElementChild, names.of(sale.sale_id));
    element.classList.toggle("chosen", chosen);
    fields.name.setAttribute("aria-pressed", String(chosen));
    if (fields.badge.dataset.level !== sale.urgency.level) {
      fields.badge.dataset.level = sale.urgency.level;
      const word = strings.levels[sale.urgency.level] ?? clean(sale.urgency.level, 20);
      fields.badge.replaceChildren(levelIcon(sale.urgency.level, RAMP.indexOf(sale.urgency.level)), h("span", {}, word));
    }
    setText(fields.when, whenOf(sale, nowMs, strings));
    setText(fields.left, sale.available === null ? "?" : grouped(sale.available));
    const eta = sale.eta_sellout_ms;
    fields.goneIn.parentElement.hidden = !eta;
    setText(fields.goneIn, eta ? span(eta.low, eta.high, strings) : "");
    fields.etaHelp = eta ? fill(words.saleHelp.eta, { coverage: Math.round(eta.coverage * 100) }) : "";
    const carters = sale.carters_without_order;
    fields.waiting.parentElement.hidden = carters.value === 0;
    setText(fields.waiting, `${aboutOf(carters)}${grouped(carters.value)}`);
    setText(fields.held, grouped(sale.held));
    setText(fields.sold, grouped(sale.sold));
    const total = sale.offered === null ? 0 : sale.offered + sale.restocked;
    const beyond = Math.max(total, sale.held + sale.sold);
    const [sold, held] = fields.bar.children;
    sold.style.inlineSize = beyond > 0 ? `${(100 * sale.sold) / beyond}%` : "0%";
    held.style.inlineSize = beyond > 0 ? `${(100 * sale.held) / beyond}%` : "0%";
    setText(
      fields.sellThrough,
      total > 0
        ? fill(words.sale.sellThrough, { share: share(sale.sold, total), num: grouped(sale.sold), den: grouped(total) })
        : words.sale.unknown,
    );
    keyed(
      fields.pace,
      paceOf(sale, strings, this.#context.view.lang),
      ({ name }) => name,
      ({ name }) => {
        const line = h(`li.${name}`);
        explain(line, () => [line.textContent, line.help]);
        return line;
      },
      (line, { text, help }) => {
        line.help = help;
        setText(line, text);
      },
    );
  }
}

function whenOf(sale, nowMs, strings) {
  const words = strings.console.sale;
  const { status, starts_at_ms: starts, ends_at_ms: ends } = sale;
  if (status === "scheduled" && starts !== null) return fill(words.starts, { time: duration(starts - nowMs, strings) });
  if (status !== "open" || ends === null) return strings.statuses[status] ?? clean(status, 20);
  if (ends <= nowMs) return strings.statuses.ended;
  const text = fill(words.ends, { time: duration(ends - nowMs, strings) });
  return sale.extended ? `${text} · ${words.extended}` : text;
}

/** Further lines about a sale: warnings first. */
function paceOf(sale, strings, lang) {
  const words = strings.console.sale;
  const help = strings.console.saleHelp;
  const lines = [];
  const add = (name, text, about = "") => lines.push({ name, text, help: about });
  const window = windowOf(sale.velocity.window_ms, strings);
  if (sale.oversold > 0) add("warn-oversold", fill(words.oversold, { n: grouped(sale.oversold) }), help.oversold);
  if (sale.suspect_units > 0) add("warn-suspects", fill(words.suspects, { n: grouped(sale.suspect_units) }));
  for (const { rule, orders, units } of sale.suspicions ?? []) {
    const why = words.suspicions[rule] ?? clean(rule, 40);
    const text = fill(words.suspectOrders, { n: grouped(orders), units: grouped(units), rule: why });
    add(`warn-suspects-${clean(rule, 40)}`, text, help.suspicions[rule]);
  }
  if (sale.over_limit > 0) add("warn-limit", fill(words.overLimit, { n: grouped(sale.over_limit) }));
  if (sale.restock_planned_at_ms !== null && sale.restock_planned_at_ms !== undefined) {
    add("restock", fill(strings.restockAt, { time: timeOfDay(sale.restock_planned_at_ms, false) }));
  }
  if (sale.former) {
    const text = fill(words.round, { n: sale.former.rounds + 1, sold: grouped(sale.former.sold) });
    add("round", text, help.round);
  }
  for (const each of sale.corrections ?? []) {
    const text = correctionText(each, strings);
    if (text) add(`corrected-${each.what}-${each.said_at_ms}`, text, fill(help.corrected, { time: timeOfDay(each.said_at_ms) }));
  }
  if (sale.velocity.units !== 0) {
    const n = `${sale.velocity.units > 0 ? "+" : "−"}${grouped(Math.abs(sale.velocity.units))}`;
    add("velocity", fill(words.velocity, { n, window }), `${words.velocityName}: ${fill(help.velocity, { window })}`);
  }
  if (sale.restocked > 0) add("restocked", fill(words.restocked, { n: grouped(sale.restocked) }));
  if (sale.released > 0) add("released", fill(words.released, { n: grouped(sale.released) }));
  if (sale.gone > 0) add("gone", fill(words.gone, { n: grouped(sale.gone) }), help.gone);
  const price = priced(sale.price_minor, sale.currency, lang);
  if (price !== null) add("price", price);
  return lines;
}
