// The big screen of one room, read from across a room: money, people, the last five minutes, the course, what leads.

import { levelIcon } from "../overlay/icons.js";
import { controls, helpDialog, onKeys } from "../console/frame.js";
import { reasonText } from "../console/away.js";
import { explain, startExplaining } from "../console/explain.js";
import { TokenBox } from "../console/token-box.js";
import { View } from "../console/view.js";
import { Curve } from "../curve.js";
import { foreign, h, setText } from "../dom.js";
import { LANGUAGES } from "../language.js";
import { RAMP } from "../levels.js";
import { money, shortMoney } from "../money.js";
import { Subject } from "../overlay/subject.js";
import { SnapupRoom } from "../snapup-room.js";
import { clean, compact, duration, fill, grouped, share, timeOfDay, undoneText, windowOf } from "../text.js";
import { Track } from "../track.js";
import { nameOfSource, sourcesOf } from "../sources.js";
import { axisEnd, comparedGmv, changeOf, endedMs, gmvOf, leaderOf, paidLately, productName, roomName, saleIn, stateOf, stepOf, watchingUnknown } from "./figures.js";
import { marksOf } from "./marks.js";

const DRAW_MS = 500;
const MAX_SOURCES = 5;
/** A longer amount is shortened: it would not fit. */
const MAX_MONEY_CHARS = 14;

const roomId = decodeURIComponent(location.pathname.split("/").at(-1));
const view = new View(roomId);
const strings = LANGUAGES[view.lang];
const words = strings.wall;
/** No section that the screen does not show: a document holds up to 200 products. */
const parts = ["card", "sales", "sources", "withheld"];
const room = new SnapupRoom({ room: roomId, parts, token: view.token, whenHidden: "keep" });
const track = new Track({ room: roomId, token: view.token });
/** The last document, also after its room is gone: the screen stays. */
let last = null;
let before = null;
const subject = new Subject();
/** The sale that leads, and why, when a fresh document last told. */
let led = null;
let why = null;

const help = helpDialog({ strings });
const tokenBox = new TokenBox({ strings, room: roomId, onToken: () => location.reload() });
const note = h("p.note", { role: "status", hidden: true });
const clock = h("span.clock");
const level = h("span.level", { hidden: true });
const heading = h("h1", {}, foreign(clean(roomId, 64)));
const tiles = { gmv: tile("gmv"), watching: tile("watching"), paid: tile("paid") };
const curve = new Curve();
const curveTitle = h("h2");
const leader = { name: h("b.name"), level: h("span.level"), left: h("b.left"), of: h("p"), pace: h("p.soft"), bar: h("div.stockbar", { "aria-hidden": "true" }, h("i.sold"), h("i.held")) };
const leaderRoot = h("section.leader", { "aria-label": words.leader }, h("h2", {}, words.leader), leader.name, h("p", {}, leader.level), leader.left, leader.bar, leader.of, leader.pace);
const sources = h("ul");
const sourcesRoot = h("section.sources", { "aria-label": words.sources, hidden: true }, h("h2", {}, words.sources), sources);
const nothing = h("p.nothing", { hidden: true });

document.title = `${clean(roomId, 64)} · ${words.title}`;
document.body.classList.add("wall-body");
document.body.append(
  h(
    "header.wall-top",
    {},
    heading,
    level,
    h("div.spring"),
    clock,
    h("a.tool", { href: view.link(`../console/${encodeURIComponent(roomId)}`) }, words.console),
    controls({ view, strings }, help),
  ),
  note,
  tokenBox.root,
  h(
    "main.wall",
    {},
    nothing,
    h("div.tiles", {}, tiles.gmv.root, tiles.watching.root, tiles.paid.root),
    h("section.course", { "aria-label": words.course }, curveTitle, curve.root),
    leaderRoot,
    sourcesRoot,
  ),
  help,
);
startExplaining();

function tile(name) {
  const figure = h("b.figure", {}, "–");
  const lines = [h("p"), h("p")];
  const root = h("section.tile", { "data-tile": name, "aria-label": words.tiles[name] }, h("h2", {}, words.tiles[name]), figure, ...lines);
  explain(root, () => [words.tiles[name], words.help[name]]);
  return { root, figure, lines };
}

function write({ figure, lines }, text, ...below) {
  setText(figure, text);
  figure.style.setProperty("--chars", String(text.length));
  lines.forEach((each, place) => {
    const said = below[place] ?? "";
    const [told, tone] = Array.isArray(said) ? said : [said, ""];
    setText(each, told);
    each.dataset.tone = tone;
  });
}

const arrow = (change) => (change > 0 ? "▲" : change < 0 ? "▼" : "=");
const tone = (change) => (change > 0 ? "up" : change < 0 ? "down" : "");
const percent = (change) => `${change > 0 ? "+" : change < 0 ? "−" : ""}${grouped(Math.abs(change))} %`;

function moneyText(gmv) {
  const whole = money(gmv.minor, gmv.currency, view.lang);
  return whole.length > MAX_MONEY_CHARS ? shortMoney(gmv.minor, gmv.currency, view.lang, strings) : whole;
}

// -- drawing ----------------------------------------------------------------------------------------------------------
function draw() {
  if (document.hidden) return;
  const nowMs = room.now();
  const state = stateOf(room, last, track);
  document.documentElement.dataset.fresh = state === "old" ? "old" : "new";
  document.documentElement.dataset.state = state;
  setText(clock, timeOfDay(nowMs, false));
  tokenBox.render(room.refusal ?? null);
  drawNote(state, nowMs);
  nothing.hidden = state !== "none";
  if (state === "none") setText(nothing, reasonText(room, strings));
  const asOfMs = last?.as_of_ms ?? track.endedMs;
  if (asOfMs === null) return;
  // Figures are as of the document. Only of a live room does the time go on between two documents.
  const atMs = state === "live" ? nowMs : (endedMs(last, track) ?? asOfMs);
  drawGmv(atMs, state);
  drawWatching(state);
  drawPaid(atMs, state);
  drawCurve(atMs);
  if (last !== null) {
    setText(heading.firstElementChild, roomName(last, roomId));
    drawLeader(state);
    drawSources();
  }
}

function drawNote(state, nowMs) {
  const told = noteOf(state, nowMs);
  note.hidden = told === "";
  note.dataset.state = state;
  setText(note, told);
}

function noteOf(state, nowMs) {
  if (state === "ended") {
    const at = endedMs(last, track);
    return fill(track.sessionMs === null ? words.endedAt : words.ended, { time: timeOfDay(at, false), long: duration(at - (track.sessionMs ?? at), strings) });
  }
  if (state !== "old") return "";
  return fill(words.old, { why: reasonText(room, strings), age: duration(nowMs - last.as_of_ms, strings) });
}

function drawGmv(atMs, state) {
  const gmv = last === null ? { minor: track.at("gmv_minor", atMs) ?? 0, currency: track.currency } : gmvOf(last);
  const compared = state === "old" ? null : comparedGmv(gmv, track, before, atMs);
  let told = "";
  if (compared !== null) {
    const change = changeOf(gmv.minor, compared.minor);
    told = [`${arrow(change)} ${fill(compared.whole ? words.comparedWhole : words.compared, { change: percent(change) })}`, tone(change)];
  }
  const then = compared === null ? "" : fill(words.then, { amount: moneyText({ minor: compared.minor, currency: gmv.currency }) });
  const others = (last?.totals.money ?? []).filter((each) => each.currency !== gmv?.currency);
  const also = others.map((each) => money(each.gmv_paid_minor, each.currency, view.lang)).join(", ");
  write(tiles.gmv, gmv === null || gmv.currency === null ? "–" : moneyText(gmv), told, also ? fill(strings.rooms.also, { amounts: also }) : then);
}

function drawWatching(state) {
  const { peak } = track;
  const withheld = last === null ? null : watchingUnknown(last);
  if (withheld !== null) {
    write(tiles.watching, "–", strings.withheld[withheld]);
    return;
  }
  const top = peak === null ? "" : fill(words.peak, { n: compact(peak.value, strings), time: timeOfDay(peak.atMs, false) });
  const since = peak === null || peak.sinceMs === null ? "" : fill(words.since, { time: timeOfDay(peak.sinceMs, false) });
  setText(tiles.watching.root.firstElementChild, state === "ended" ? words.peakTitle : words.tiles.watching);
  if (state === "ended") {
    // What this page saw after the end is not the show's.
    const known = peak !== null && peak.sinceMs === null;
    write(tiles.watching, known ? compact(peak.value, strings) : "–", known ? timeOfDay(peak.atMs, false) : "");
    return;
  }
  write(tiles.watching, last === null ? "–" : grouped(last.totals.watching_now), top, since);
}

function drawPaid(atMs, state) {
  if (state === "ended") {
    const orders = last?.totals.orders.paid ?? track.at("orders_paid", atMs);
    setText(tiles.paid.root.firstElementChild, words.paidInAll);
    write(tiles.paid, orders === null ? "–" : grouped(orders), last === null ? "" : fill(strings.rooms.ofPlaced, { n: grouped(last.totals.orders.placed) }), last === null ? "" : undoneText(last.totals.orders, strings));
    return;
  }
  setText(tiles.paid.root.firstElementChild, words.tiles.paid);
  const { now, before: earlier } = paidLately(track, state === "old" ? last.as_of_ms : atMs);
  let told = "";
  if (now !== null && earlier !== null) {
    const change = earlier > 0 ? changeOf(now, earlier) : null;
    told = [`${fill(words.earlier, { n: grouped(earlier) })}${change === null ? "" : ` ${arrow(change)} ${grouped(Math.abs(change))} %`}`, change === null ? "" : tone(change)];
  }
  write(tiles.paid, now === null ? "–" : grouped(now), now === null ? words.collecting : told, fill(words.inAll, { n: grouped(last.totals.orders.paid) }));
}

function drawCurve(atMs) {
  const fromMs = track.firstMs;
  const stepMs = stepOf(atMs - fromMs);
  const values = fromMs === null || track.currency === null ? [] : track.steps("gmv_minor", fromMs, atMs, stepMs);
  curve.root.hidden = values.every((value) => value === null);
  if (curve.root.hidden) {
    setText(curveTitle, words.noCourse);
    return;
  }
  const behind = before === null || before.currency !== track.currency || track.sessionMs !== fromMs ? null : before.steps("gmv_minor", before.sessionMs, Math.min(before.endedMs ?? before.lastMs, before.sessionMs + Math.max(atMs - fromMs, stepMs)), stepMs);
  const each = fill(stepMs === 60_000 ? words.aMinute : words.aStep, { step: duration(stepMs, strings) });
  setText(curveTitle, `${fill(words.courseOf, { each })}${behind === null ? "" : ` ${words.andLast}`}`);
  const known = values.filter((value) => value !== null);
  const best = known.length ? money(Math.max(...known), track.currency, view.lang) : "–";
  const format = (value) => shortMoney(value, track.currency, view.lang, strings);
  const about = fill(words.courseAbout, { each, from: timeOfDay(fromMs, false), to: timeOfDay(atMs, false), best });
  const marks = marksOf(track.marks, strings, (skuId) => (last === null ? skuId : productName(last, skuId)));
  curve.render({ fromMs, toMs: axisEnd(fromMs, atMs, stepMs), stepMs, values, behind, marks, format, timeOf: (at) => timeOfDay(at, atMs - fromMs < 600_000) }, about);
}

function drawLevel(element, sale) {
  if (element.dataset.level === sale.urgency.level) return;
  element.dataset.level = sale.urgency.level;
  const word = strings.levels[sale.urgency.level] ?? clean(sale.urgency.level, 20);
  element.replaceChildren(levelIcon(sale.urgency.level, RAMP.indexOf(sale.urgency.level)), h("span", {}, word));
}

function drawLeader(state) {
  if (room.overlay !== null) {
    subject.look({ room, params: {} });
    ({ sale: led, why } = subject);
  }
  const sale = led === null ? leaderOf(last) : saleIn(last, led);
  leaderRoot.hidden = sale === null || state === "ended";
  level.hidden = sale === null || state !== "live";
  if (sale === null) return;
  drawLevel(level, last);
  drawLevel(leader.level, sale);
  setText(leaderRoot.firstElementChild, why === "on_show" ? words.onShow : words.leader);
  setText(leader.name, productName(last, sale.sku_id));
  const { units, window_ms: windowMs } = sale.velocity;
  setText(leader.pace, state === "live" && units > 0 ? fill(strings.console.sale.velocity, { n: grouped(units), window: windowOf(windowMs, strings) }) : "");
  const supply = sale.offered === null ? null : sale.offered + sale.restocked;
  leader.bar.hidden = leader.of.hidden = supply === null;
  const left = sale.available === null ? strings.console.sale.unknown : fill(words.left, { n: grouped(sale.available) });
  if (leader.left.textContent !== left) leader.left.style.setProperty("--chars", String(left.length));
  setText(leader.left, left);
  if (supply === null) return;
  const parts = Math.max(supply, sale.sold + sale.held, 1);
  leader.bar.children[0].style.inlineSize = `${(100 * sale.sold) / parts}%`;
  leader.bar.children[1].style.inlineSize = `${(100 * sale.held) / parts}%`;
  setText(leader.of, fill(words.ofSupply, { sold: grouped(sale.sold), held: grouped(sale.held), supply: grouped(supply) }));
}

function drawSources() {
  const found = sourcesOf(last, MAX_SOURCES);
  sourcesRoot.hidden = found.length === 0;
  sources.replaceChildren(
    ...found.map((each) => h("li", {}, foreign(nameOfSource(each, strings, 16)), " ", h("b", {}, share(each.num, each.den)))),
  );
}

let timer = 0;
function drawSoon() {
  timer ||= setTimeout(() => {
    timer = 0;
    draw();
  }, DRAW_MS);
}

room.addEventListener("snapshot", (event) => {
  last = event.detail;
  track.take(last);
});
room.addEventListener("change", drawSoon);
track.addEventListener("change", async () => {
  before = await track.before();
  draw();
});
view.addEventListener("change", draw);
document.addEventListener("visibilitychange", draw);
// Ages and windows go on even if nothing arrives.
setInterval(draw, 1_000);
onKeys((event) => {
  if (event.key === "?") help.showModal();
  else if (event.key === "f") document.fullscreenElement === null ? document.documentElement.requestFullscreen() : document.exitFullscreen();
  else return false;
  return true;
});
draw();
track.start();
room.start();
