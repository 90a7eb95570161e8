// The products of a room, one line each, to be sorted: a column without any figure is not there.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { foreign, h, setText } from "../dom.js";
import { clean, fill, grouped, share } from "../text.js";
import { explain } from "./explain.js";
import { saleKey } from "./episodes.js";
import { aboutOf } from "./funnel.js";
import { keyed } from "./keyed.js";
import { hostMoney, money } from "../money.js";
import { setFigure } from "./heard.js";

const MINUTE_MS = 60_000;
const ROWS_MAX = 200;
/** Column → its figure; null: nothing is known. The first that has figures is sorted by, unless the host chose another. */
const COLUMNS = {
  gmv: (row) => row.purses?.[0].gmv_paid_minor ?? null,
  clicks: (row) => countOf(row.product?.clickers),
  carts: (row) => countOf(row.product?.carters),
  paid: (row) => row.sale?.sold ?? countOf(row.product?.payers),
  conversion: (row) => conversionOf(row.product),
  waiting: (row) => row.sale?.carters_without_order.value ?? null,
  left: (row) => row.sale?.available ?? null,
  pace: (row) => (row.sale ? (row.sale.velocity.units * MINUTE_MS) / row.sale.velocity.window_ms : null),
};
const MAX_SUMS = 2;
const SHOWN = ["clicks", "carts", "paid", "conversion", "gmv", "waiting", "left", "pace"];

export class Products {
  #context;
  #heads = {};
  #body = h("tbody");
  #note = h("p.soft", { hidden: true });

  constructor(context) {
    this.#context = context;
    const words = context.strings.console.products;
    for (const name of SHOWN) {
      const button = h("button", { type: "button" }, words.columns[name]);
      button.addEventListener("click", () => context.view.set({ by: this.#by() === name ? `-${name}` : name }));
      explain(button, () => [words.columns[name], words.help[name]]);
      this.#heads[name] = h(`th.at-${name}`, { scope: "col", "aria-sort": "none" }, button);
    }
    const head = h("tr", {}, h("th", { scope: "col" }, words.product), ...Object.values(this.#heads));
    this.root = h(
      "section.products",
      { "aria-label": words.title, hidden: true },
      h("header.bar-head", {}, h("h2", {}, words.title), this.#note),
      h("div.table", {}, h("table", {}, h("thead", {}, head), this.#body)),
    );
  }

  #by() {
    return this.#context.view.by;
  }

  /** Draws the products. `chosen`: the sale whose stock is charted. */
  render(overlay, chosen) {
    const rows = rowsOf(overlay);
    this.root.hidden = rows.length === 0;
    if (!rows.length) return;
    const there = new Set(SHOWN.filter((name) => rows.some((row) => COLUMNS[name](row) !== null)));
    const asked = this.#by().replace(/^-/, "");
    const by = there.has(asked) ? asked : (Object.keys(COLUMNS).find((name) => there.has(name)) ?? "");
    const up = this.#by().startsWith("-");
    for (const name of SHOWN) {
      this.#heads[name].hidden = !there.has(name);
      this.#heads[name].setAttribute("aria-sort", name !== by ? "none" : up ? "ascending" : "descending");
    }
    const rank = (row) => COLUMNS[by]?.(row) ?? -Infinity;
    rows.sort((a, b) => (up ? rank(a) - rank(b) : rank(b) - rank(a)) || (a.key < b.key ? -1 : 1));
    keyed(
      this.#body,
      rows.slice(0, ROWS_MAX),
      ({ key }) => key,
      (row) => this.#create(row),
      (element, row) => this.#update(element, row, there, row.sale !== undefined && row.sale === chosen),
    );
    this.#writeNote(overlay);
  }

  #create(row) {
    const { view, strings } = this.#context;
    const words = strings.console.products;
    const level = h("span.level");
    const name = h("button.choose", { type: "button" }, foreign(""));
    name.addEventListener("click", () => element.row.sale && view.set({ sale: element.row.key }));
    const cells = Object.fromEntries(SHOWN.map((column) => [column, h(`td.at-${column}`)]));
    for (const column of SHOWN) {
      const cell = cells[column];
      explain(cell, () => [`${words.columns[column]}: ${cell.dataset.full ?? "–"}`, words.help[column], this.#of(column, element.row)]);
    }
    explain(name, () => [name.textContent, row.key, fill(strings.console.showInChart, { sale: name.textContent })]);
    const element = h("tr", {}, h("th", { scope: "row" }, level, " ", name), ...Object.values(cells));
    element.fields = { level, name, cells };
    return element;
  }

  #update(element, row, there, isChosen) {
    const { names, strings } = this.#context;
    const { level, name, cells } = element.fields;
    element.row = row;
    element.classList.toggle("chosen", isChosen);
    name.setAttribute("aria-pressed", String(isChosen));
    setText(name.firstElementChild, names.of(row.sku));
    const known = row.sale?.urgency.level ?? null;
    level.hidden = known === null;
    if (known !== null && level.dataset.level !== known) {
      level.dataset.level = known;
      level.replaceChildren(levelIcon(known, RAMP.indexOf(known)), h("span.heard", {}, wordOf(known, strings)));
      level.title = wordOf(known, strings);
    }
    for (const column of SHOWN) {
      const cell = cells[column];
      cell.hidden = !there.has(column);
      const [short, full] = this.#write(column, row);
      setFigure(cell, short, full);
      cell.dataset.full = full;
    }
    cells.left.classList.toggle("warn", (row.sale?.oversold ?? 0) > 0);
  }

  /** A figure for the eye, and in full. */
  #write(column, row) {
    const { strings, view } = this.#context;
    const value = COLUMNS[column](row);
    if (value === null) return ["–", "–"];
    if (column === "gmv") {
      const sums = (write) => row.purses.slice(0, MAX_SUMS).map(({ gmv_paid_minor: minor, currency }) => write(minor, currency)).join(" + ");
      const full = (minor, currency) => money(minor, currency, view.lang, { cents: true });
      return [sums((minor, currency) => hostMoney(minor, currency, view.lang, strings)), sums(full)];
    }
    if (column === "conversion") {
      const { payers, clickers } = row.product;
      return both(`${aboutOf(payers) || aboutOf(clickers)}${share(payers.value, clickers.value)}`);
    }
    if (column === "pace") {
      const perMinute = Math.round(Math.abs(value));
      return both(fill(strings.console.products.pace, { n: `${value < 0 ? "−" : ""}${grouped(perMinute)}` }));
    }
    if (column === "left" && row.sale.oversold > 0) return both(fill(strings.console.products.oversold, { n: grouped(row.sale.oversold) }));
    const count = {
      clicks: row.product?.clickers,
      carts: row.product?.carters,
      paid: row.sale ? undefined : row.product?.payers,
      waiting: row.sale?.carters_without_order,
    }[column];
    return both(`${count ? aboutOf(count) : ""}${grouped(value)}`);
  }

  /** Of what a figure is. */
  #of(column, row) {
    if (column === "paid" && !row.sale && row.product) return this.#context.strings.console.products.people;
    if (column !== "conversion" || COLUMNS.conversion(row) === null) return null;
    return `${grouped(row.product.payers.value)} ÷ ${grouped(row.product.clickers.value)}`;
  }

  #writeNote({ sales, products_beyond: beyond }) {
    const { strings } = this.#context;
    const is = (status, level) => sales.filter((sale) => sale.status === status && (!level || sale.urgency.level === level)).length;
    const parts = [
      [is("open", "sold_out"), strings.levels.sold_out],
      [is("scheduled"), strings.statuses.scheduled],
      [is("ended"), strings.statuses.ended],
    ].filter(([n]) => n > 0);
    const said = parts.map(([n, word]) => `${word} ${grouped(n)}`);
    if (beyond > 0) said.push(fill(strings.console.products.beyond, { n: grouped(beyond) }));
    this.#note.hidden = said.length === 0;
    setText(this.#note, said.join(" · "));
  }
}

const wordOf = (level, strings) => (Object.hasOwn(strings.levels, level) ? strings.levels[level] : clean(level, 20));
const both = (text) => [text, text];
const countOf = (count) => count?.value ?? null;

function conversionOf(product) {
  const clickers = countOf(product?.clickers);
  const payers = countOf(product?.payers);
  return clickers > 0 && payers !== null ? payers / clickers : null;
}

/** One row for each sale of a SKU, and one for each product that is in no sale. */
function rowsOf(overlay) {
  const products = new Map((overlay?.products ?? []).map((product) => [product.sku_id, product]));
  const told = new Set();
  const first = overlay?.totals.money[0]?.currency;
  // In the room's first currency before others: rows are sorted by it.
  const pursesOf = (product) => {
    const purses = [...(product?.money ?? [])].sort((one, other) => (other.currency === first) - (one.currency === first));
    return purses.length ? purses : null;
  };
  const sales = (overlay?.sales ?? []).map((sale) => {
    const sku = sale.sku_id;
    // Figures of a product stand once, however many sales it is in.
    const product = told.has(sku) ? undefined : products.get(sku);
    told.add(sku);
    return { key: saleKey(sale), sku, sale, product, purses: pursesOf(product) };
  });
  const others = [...products.values()]
    .filter(({ sku_id }) => !told.has(sku_id))
    .map((product) => ({ key: `/${product.sku_id}`, sku: product.sku_id, sale: undefined, product, purses: pursesOf(product) }));
  return [...sales, ...others];
}
