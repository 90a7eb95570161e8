// The page of all rooms: their totals, then a page of rooms at a time, searched by part of their id.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { LANGUAGES } from "../language.js";
import { foreign, h, setText } from "../dom.js";
import { money } from "../money.js";
import { clean, duration, fill, grouped, pieces, timeOfDay } from "../text.js";
import { explain, refreshExplanation, startExplaining } from "./explain.js";
import { controls, helpDialog, onKeys } from "./frame.js";
import { keyed } from "./keyed.js";
import { askForRooms } from "./rooms-list.js";
import { RoomTotals } from "./room-totals.js";
import { Sparks } from "./sparks.js";
import { TokenBox } from "./token-box.js";
import { View } from "./view.js";

const ASK_MS = 2_000;
const ASK_AFTER_MS = 150;
const PAGE_ROOMS = 100;

const view = new View();
const strings = LANGUAGES[view.lang];
const words = strings.console;
const own = strings.rooms;

const help = helpDialog({ strings });
const tokenBox = new TokenBox({
  strings,
  room: "",
  onToken: (token) => {
    view.token = token;
    ask();
  },
});
const input = h("input", {
  type: "search",
  "aria-label": words.search,
  placeholder: `${words.search}  ( / )`,
  autocomplete: "off",
  spellcheck: "false",
  maxlength: "64",
});
input.value = view.q;
const sorts = Object.entries(own.sorts).map(([sort, word]) => {
  const button = h("button", { type: "button" }, word);
  button.addEventListener("click", () => go({ sort, page: 1 }));
  return [sort, button];
});
const sparks = new Sparks(strings);
const totals = new RoomTotals({ view, strings });
const body = h("tbody");
const note = h("p.soft", { role: "status" });
const only = h("p.only", { hidden: true });
const range = h("span", { role: "status" });
const previous = h("button.tool", { type: "button" }, `‹ ${own.previous}`);
const next = h("button.tool", { type: "button" }, `${own.next} ›`);
previous.addEventListener("click", () => go({ page: view.page - 1 }));
next.addEventListener("click", () => go({ page: view.page + 1 }));
const pager = h("nav.pager", { "aria-label": own.pager, hidden: true }, previous, range, next);
const COLUMNS = ["room", "level", "alerts", "trend", "watching", "gmv", "paid", "fresh", "links"];
const TITLES = { ...words.columns, ...own.columns };
const table = h(
  "table.rooms",
  {},
  h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col", class: `at-${name}` }, TITLES[name])))),
  body,
);
document.title = `${words.rooms} · Snapup`;
document.body.append(
  h("header.top", {}, h("h1", {}, words.rooms), h("div.spring"), controls({ view, strings }, help)),
  tokenBox.root,
  h(
    "main.rooms-page",
    {},
    totals.root,
    h("div.filter", {}, input, h("div.choice", { role: "group", "aria-label": own.sortedBy }, ...sorts.map(([, button]) => button))),
    only,
    h("div.table", {}, table),
    note,
    pager,
  ),
  help,
);
startExplaining();

let asking = null;
let timer = 0;

function go(chosen) {
  view.set(chosen);
  return ask();
}

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const sort = view.sort in own.sorts ? view.sort : "watching_now";
  for (const [each, button] of sorts) button.setAttribute("aria-pressed", String(each === sort));
  const offset = (view.page - 1) * PAGE_ROOMS;
  const answer = await askForRooms({ token: view.token, q: view.q, sort, limit: PAGE_ROOMS, offset, trend: true, signal });
  if (signal.aborted) return;
  // Rooms went while this page of them was open: the last page that is there.
  if (answer.error === null && offset > 0 && offset >= answer.matching) {
    return go({ page: Math.max(1, Math.ceil(answer.matching / PAGE_ROOMS)) });
  }
  show(answer, offset);
  if (!document.hidden) timer = setTimeout(ask, ASK_MS);
}

function show(answer, offset) {
  const { rooms, matching, nowMs, error, refusal = null } = answer;
  document.documentElement.dataset.fresh = error === null ? "new" : "old";
  tokenBox.render(refusal);
  if (error !== null) {
    setText(note, refusal === null ? words.states[error] : "");
    return;
  }
  totals.render(answer, view.q);
  only.hidden = answer.onlyRoom === null;
  if (!only.hidden) only.replaceChildren(...pieces(own.onlyRoom, { room: foreign(clean(answer.onlyRoom, 64)) }));
  sparks.take(rooms, nowMs);
  keyed(body, rooms, (room) => room.room_id, createRow, (row, room) => updateRow(row, room, nowMs));
  rove();
  const empty = view.q ? words.noMatch : words.noRooms;
  setText(note, !rooms.length ? empty : answer.complete ? "" : fill(own.incomplete, { n: grouped(matching) }));
  pager.hidden = matching <= PAGE_ROOMS;
  setText(range, fill(own.range, { from: grouped(offset + 1), to: grouped(offset + rooms.length), n: grouped(matching) }));
  previous.disabled = offset === 0;
  next.disabled = offset + rooms.length >= matching;
  refreshExplanation();
}

function createRow(room) {
  const id = encodeURIComponent(room.room_id);
  const shown = clean(room.room_id, 64);
  const link = h("a", { href: view.link(`console/${id}`) }, foreign(shown));
  const level = h("span.level");
  const row = h("tr", {}, ...COLUMNS.map((name) => h(name === "room" ? "th" : "td", { class: `at-${name}`, scope: name === "room" ? "row" : null })));
  const cells = Object.fromEntries(COLUMNS.map((name, place) => [name, row.children[place]]));
  cells.room.append(link);
  cells.level.append(level);
  const spark = sparks.create();
  cells.trend.append(spark.root, spark.said);
  for (const [page, path] of Object.entries({ overlay: `overlay?room=${id}`, wall: `wall/${id}`, report: `report/${id}/last` })) {
    const label = fill(own.linksOf, { page: own.pages[page], room: shown });
    cells.links.append(h("a", { href: view.link(path), "aria-label": label }, own.pages[page]), " ");
  }
  row.fields = { ...cells, level, spark };
  return row;
}

function updateRow(row, room, nowMs) {
  const { level, alerts, watching, gmv, paid, fresh, spark } = row.fields;
  sparks.draw(spark, room.room_id, nowMs);
  const known = typeof room.level === "string" && room.level in strings.levels ? room.level : "unknown";
  if (level.dataset.level !== known) {
    level.dataset.level = known;
    level.replaceChildren(levelIcon(known, RAMP.indexOf(known)), h("span", {}, strings.levels[known]));
  }
  level.hidden = room.sales === 0;
  const number = (value) => (Number.isFinite(value) ? grouped(value) : "–");
  setText(watching, number(room.watching_now));
  setText(gmv, (room.money ?? []).map((each) => money(each.gmv_paid_minor, each.currency, view.lang)).join(" · ") || "–");
  setText(paid, `${number(room.orders_paid)} / ${number(room.orders_placed)}`);
  const ageMs = Math.max(0, nowMs - room.as_of_ms);
  const isOld = nowMs > room.stale_after_ms;
  const ended = Number.isFinite(room.ended_at_ms);
  setText(fresh, ended ? fill(own.ended, { time: timeOfDay(room.ended_at_ms, false) }) : fill(words.age, { age: duration(ageMs, strings) }));
  row.dataset.fresh = isOld || ended ? "old" : "new";
  const lines = [];
  if (room.oversold > 0) lines.push(fill(words.alerts.oversold, { n: grouped(room.oversold) }));
  if (room.suspect_units > 0) lines.push(fill(words.alerts.suspect, { n: grouped(room.suspect_units) }));
  if (isOld && !ended) lines.push(fill(words.alerts.stale, { age: duration(ageMs, strings) }));
  setText(alerts, lines.join(" · "));
  alerts.classList.toggle("warn", lines.length > 0);
}

// -- keys -------------------------------------------------------------------------------------------------------------
/** All links of the list are one tab stop; arrows move among them. */
function rove() {
  const links = [...body.querySelectorAll("a")];
  const at = links.includes(document.activeElement) ? document.activeElement : links[0];
  for (const link of links) link.tabIndex = link === at ? 0 : -1;
}
body.addEventListener("focusin", rove);

function move({ rows = 0, across = 0 }) {
  const row = document.activeElement?.closest?.("tbody tr");
  const all = [...body.children];
  if (!all.length) return false;
  if (!row || row.parentElement !== body) {
    if (rows > 0) all[0].querySelector("a").focus();
    return rows > 0;
  }
  const places = [...row.querySelectorAll("a")];
  const to = all[Math.min(Math.max(all.indexOf(row) + rows, 0), all.length - 1)];
  const place = Math.min(Math.max(places.indexOf(document.activeElement) + across, 0), places.length - 1);
  to.querySelectorAll("a")[place].focus();
  return true;
}

let typing = 0;
async function find() {
  clearTimeout(typing);
  view.set({ q: input.value.trim(), page: 1 });
  await ask();
}
input.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(find, ASK_AFTER_MS);
});
input.addEventListener("keydown", (event) => {
  // Search first: the key opens the first match of the current text, not of the list shown a moment ago.
  if (event.key === "Enter") find().then(() => body.querySelector("a")?.click());
  if (event.key === "Escape") input.blur();
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
onKeys((event) => {
  if (event.key === "/") {
    input.focus();
    input.select();
  } else if (event.key === "?") help.showModal();
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") return move({ rows: event.key === "ArrowDown" ? 1 : -1 });
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") return move({ across: event.key === "ArrowRight" ? 1 : -1 });
  else return false;
  return true;
});
ask();
