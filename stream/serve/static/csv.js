// Tables for spreadsheets: the rows and heads of `snapup report --csv`, byte for byte, from the same report.

const MONEY = ["placed_minor", "paid_minor", "net_minor"];
const UNITS = ["orders_paid", "units_placed", "units_paid", "units_cancelled", "units_refunded", "units_net", "cart_adds"];
const LEDGER = ["status", "offered", "restocked", "available", "held", "sold", "released", "gone", "oversold"];
const MINUTE = ["views", "watching", "comments", "likes", "cart_adds", "orders_placed", "orders_paid"];

/** A row for each product of a report. */
export function productsCsv({ products }) {
  const currencies = currenciesOf(products);
  const rows = products.map((each) => [
    asText(each.sku_id ?? "rest"),
    asText(each.sale_id ?? ""),
    ...UNITS.map((name) => each[name]),
    ...LEDGER.map((name) => each.ledger?.[name] ?? ""),
    ...moneyCells(each.money, currencies),
  ]);
  return written(["sku_id", "sale_id", ...UNITS, ...LEDGER, ...moneyHead(currencies)], rows);
}

/** A row for each minute of a report. */
export function minutesCsv({ minutes }) {
  const currencies = currenciesOf(minutes);
  const rows = minutes.map((each) => [each.start_ms, utcOf(each.start_ms), ...MINUTE.map((name) => each[name]), ...moneyCells(each.money, currencies)]);
  return written(["start_ms", "start_utc", ...MINUTE, ...moneyHead(currencies)], rows);
}

/** A row for each point of a history, whose counts are of the session so far. */
export function pointsCsv({ points, currency, other_gmv_minor: others }) {
  const names = Object.keys(points).filter((name) => name !== "at_ms" && name !== "gmv_minor");
  const gmv = Object.entries({ ...(currency === null ? {} : { [currency]: points.gmv_minor }), ...others });
  const head = ["at_ms", "at_utc", ...names, ...gmv.map(([each]) => `paid_minor.${each}`)];
  const rows = points.at_ms.map((at, place) => [
    at,
    utcOf(at),
    ...names.map((name) => (typeof points[name][place] === "string" ? asText(points[name][place]) : (points[name][place] ?? ""))),
    ...gmv.map(([, column]) => column[place] ?? 0),
  ]);
  return written(head, rows);
}

/** A text that a spreadsheet does not take for a formula. */
export function asText(text) {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function currenciesOf(items) {
  return [...new Set(items.flatMap((each) => each.money.map((amounts) => amounts.currency)))].sort();
}

const moneyHead = (currencies) => currencies.flatMap((currency) => MONEY.map((name) => `${name}.${currency}`));

function moneyCells(money, currencies) {
  const of = new Map(money.map((amounts) => [amounts.currency, amounts]));
  return currencies.flatMap((currency) => MONEY.map((name) => of.get(currency)?.[name] ?? 0));
}

const utcOf = (epochMs) => `${new Date(Math.floor(epochMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;

function written(head, rows) {
  return [head, ...rows].map((row) => `${row.map(cellOf).join(",")}\r\n`).join("");
}

function cellOf(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
