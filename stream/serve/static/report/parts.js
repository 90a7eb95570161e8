// The parts of a report's page: tiles, tables and the curve's model. Each returns what it draws; nothing here asks.

import { stepOf } from "../wall/figures.js";
import { marksOf } from "../wall/marks.js";
import { foreign, h } from "../dom.js";
import { money, shortMoney } from "../money.js";
import { nameOfSource } from "../sources.js";
import { clean, duration, fill, grouped, share, timeOfDay } from "../text.js";

const MAX_ROWS = 2_000;

/** A table: `columns` are `{ title, number }`, and cells are texts or nodes. */
export function table(caption, columns, rows, strings) {
  const head = columns.map(({ title, number }) => h(number ? "th.n" : "th", { scope: "col" }, title));
  const body = rows.slice(0, MAX_ROWS).map((row) =>
    h("tr", {}, ...row.map((cell, place) => h(place ? (columns[place].number ? "td.n" : "td") : "th", place ? {} : { scope: "row" }, cell))),
  );
  const more = rows.length > MAX_ROWS ? h("p.soft", {}, fill(strings.report.more, { n: grouped(rows.length - MAX_ROWS) })) : null;
  return h("div.table", { tabindex: "0", role: "region", "aria-label": caption }, h("table", {}, h("caption.heard", {}, caption), h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body)), more);
}

export const text = (title) => ({ title, number: false });
export const number = (title) => ({ title, number: true });

export const moneyOf = (amounts, name, lang) => amounts.map((each) => money(each[name], each.currency, lang, { cents: true })).join(" · ") || "–";

/** The moment as `2026-11-27 20:33:11` in this computer's zone. */
export function momentOf(epochMs) {
  const at = new Date(epochMs);
  const two = (value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${timeOfDay(epochMs)}`;
}

/** This computer's zone, such as `UTC+08:00`. */
export function zoneOf(epochMs) {
  const minutes = -new Date(epochMs).getTimezoneOffset();
  const two = (value) => String(value).padStart(2, "0");
  return `UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

export function tile(title, text, ...lines) {
  const figure = h("dd", {}, text);
  figure.style.setProperty("--chars", String(text.length));
  return h("div.tile", {}, h("dt", {}, title), figure, ...lines.filter(Boolean).map((line) => h("dd.below", {}, line)));
}

/** The model of the curve of a course, the last show's behind it. */
export function modelOfTrack(track, before, strings, lang) {
  const fromMs = track.sessionMs;
  const toMs = track.endedMs ?? track.lastMs;
  const stepMs = stepOf(toMs - fromMs);
  const values = track.steps("gmv_minor", fromMs, toMs, stepMs);
  const behind = behindOf(before, track.currency, toMs - fromMs, stepMs);
  return model({ fromMs, toMs: Math.max(toMs, fromMs + stepMs), stepMs, values, behind, marks: marksOf(track.marks, strings) }, track.currency, strings, lang);
}

/** The model of the curve of a counted report. */
export function modelOfReport(report, track, before, strings, lang) {
  const steps = report.curve?.steps ?? report.minutes;
  const currency = leading(report.totals.money);
  if (!steps.length || currency === null) return null;
  const stepMs = report.curve?.step_ms ?? 60_000;
  const fromMs = steps[0].start_ms;
  const values = [];
  // Of a very long session minutes without a change are left out of the report: nothing was paid in them.
  for (const each of steps) {
    const place = Math.round((each.start_ms - fromMs) / stepMs);
    while (values.length < place) values.push(0);
    values.push(each.money.find((amounts) => amounts.currency === currency)?.paid_minor ?? 0);
  }
  const toMs = fromMs + values.length * stepMs;
  const marks = track?.sessionMs === report.session.began_at_ms ? marksOf(track.marks, strings) : [];
  return model({ fromMs, toMs, stepMs, values, behind: behindOf(before, currency, toMs - fromMs, stepMs), marks }, currency, strings, lang);
}

function behindOf(before, currency, longMs, stepMs) {
  if (before === null || before.currency !== currency || before.sessionMs === null) return null;
  return before.steps("gmv_minor", before.sessionMs, Math.min(before.endedMs ?? before.lastMs, before.sessionMs + longMs), stepMs);
}

function model(course, currency, strings, lang) {
  const seconds = course.toMs - course.fromMs < 600_000;
  return { ...course, currency, format: (value) => shortMoney(value, currency, lang, strings), timeOf: (at) => timeOfDay(at, seconds) };
}

export function leading(money) {
  return money.reduce((best, each) => (best === null || each.paid_minor > best.paid_minor ? each : best), null)?.currency ?? null;
}

/** The curve's figures as a table, that of the last show beside them. */
export function curveTable({ fromMs, stepMs, values, behind, currency }, strings, lang) {
  const words = strings.report;
  const cell = (value) => (value === null || value === undefined ? "–" : money(value, currency, lang, { cents: true }));
  const columns = [text(words.from), number(fill(words.gmvIn, { currency })), ...(behind === null ? [] : [number(words.lastShow)])];
  const rows = values.map((value, place) => [momentOf(fromMs + place * stepMs), cell(value), ...(behind === null ? [] : [cell(behind[place])])]);
  return table(words.figures, columns, rows, strings);
}

const nameOf = (id, rest) => (id === null ? rest : foreign(clean(id, 64)));

export function productsTable({ products }, strings, lang) {
  const words = strings.report;
  const columns = [text(words.product), text(words.sale), number(words.orders), number(words.unitsPaid), number(words.undone), number(words.carts), number(words.left), number(words.oversold), number(words.paid), number(words.net)];
  const rows = products.map((each) => [
    nameOf(each.sku_id, words.rest),
    nameOf(each.sale_id, "–"),
    grouped(each.orders_paid),
    grouped(each.units_paid),
    grouped(each.units_cancelled + each.units_refunded),
    grouped(each.cart_adds),
    each.ledger?.available === null || each.ledger === null || each.ledger === undefined ? "–" : grouped(each.ledger.available),
    each.ledger ? grouped(each.ledger.oversold) : "–",
    moneyOf(each.money, "paid_minor", lang),
    moneyOf(each.money, "net_minor", lang),
  ]);
  return table(words.products, columns, rows, strings);
}

export function sourcesTable({ sources }, strings) {
  const words = strings.report;
  const all = sources.reduce((sum, each) => sum + each.views, 0);
  const rows = sources.map((each) => [each.other ? words.rest : nameOfSource(each, strings), grouped(each.views), share(each.views, all), grouped(each.clicks)]);
  return table(words.sources, [text(words.source), number(words.views), number("%"), number(words.clicks)], rows, strings);
}

const about = (each, words) => [each.sale_id, each.sku_id].filter((id) => id !== null && id !== undefined).map((id) => clean(id, 40)).join(" / ") || words.room;

export function claimsTable({ claims, room_id: roomId }, strings) {
  const words = strings.report;
  const value = (each) => (Array.isArray(each) ? each.join(" – ") : typeof each === "number" ? grouped(each) : "–");
  const rows = claims.map((each) => [
    strings.claimNames?.[each.claim] ?? clean(each.claim, 40),
    about(each, words),
    `${momentOf(each.first_at_ms)} – ${timeOfDay(each.last_until_ms)}`,
    duration(each.said_ms, strings),
    `${value(each.first)} → ${value(each.last)}`,
    h("code", {}, clean(each.rule, 60)),
    h("code", {}, `snapup explain ${clean(roomId, 64)} --claim ${clean(each.claim, 40)} --at ${new Date(each.first_at_ms).toISOString()}`),
    h("ul.evidence", {}, ...each.evidence.map((part) => h("li", {}, h("code", {}, `${clean(part.topic, 60)}/${part.partition}@${part.first_offset}..${part.next_offset}`)))),
  ]);
  const columns = [text(words.claim), text(words.about), text(words.when), number(words.howLong), text(words.firstLast), text(words.rule), text(words.explain), text(words.evidence)];
  return table(words.said, columns, rows, strings);
}

export function withheldTable({ withheld }, strings) {
  const words = strings.report;
  const rows = withheld.map((each) => [
    strings.claimNames?.[each.claim] ?? clean(each.claim, 40),
    about(each, words),
    Object.hasOwn(strings.withheld, each.reason) ? strings.withheld[each.reason] : clean(each.reason, 60),
    `${momentOf(each.first_at_ms)} – ${timeOfDay(each.last_until_ms)}`,
    duration(each.withheld_ms, strings),
  ]);
  return table(words.withheld, [text(words.claim), text(words.about), text(words.why), text(words.when), number(words.howLong)], rows, strings);
}

export function logTable({ log }, strings) {
  const words = strings.report;
  const rows = log.topics.map((each) => [`${clean(each.topic, 60)} / ${each.partition}`, `${each.first_offset} … ${each.next_offset}`, grouped(each.records), h("code", {}, clean(each.sha256, 64))]);
  return table(words.log, [text(words.topic), text(words.offsets), number(words.records), text("SHA-256")], rows, strings);
}
