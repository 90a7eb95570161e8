// The rooms page: the most watched rooms, or those with the worst alerts, searched by part of their id.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { LANGUAGES } from "../language.js";
import { foreign, h, setText } from "../dom.js";
import { clean, duration, fill, grouped } from "../text.js";
import { explain, refreshExplanation, startExplaining } from "./explain.js";
import { controls, helpDialog, onKeys } from "./frame.js";
import { keyed } from "./keyed.js";
import { askForRooms } from "./rooms-list.js";
import { TokenBox } from "./token-box.js";
import { View } from "./view.js";

const ASK_MS = 2_000;
const ASK_AFTER_MS = 150;
const LIMIT = 100;

const view = new View();
const strings = LANGUAGES[view.lang];
const words = strings.console;
const SORTS = { watching_now: words.busiestFirst, level: words.alertsFirst };

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
const sorts = Object.entries(SORTS).map(([sort, word]) => {
  const button = h("button", { type: "button" }, word);
  button.addEventListener("click", () => {
    view.set({ sort });
    ask();
  });
  return [sort, button];
});
const body = h("tbody");
const note = h("p.soft", { role: "status" });
const COLUMNS = ["room", "level", "alerts", "watching", "placed", "paid", "fresh"];
const table = h(
  "table.rooms",
  {},
  h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col", class: `at-${name}` }, words.columns[name])))),
  body,
);
document.title = `${words.rooms} · Snapup`;
document.body.append(
  h("header.top", {}, h("h1", {}, words.rooms), h("div.spring"), controls({ view, strings }, help)),
  tokenBox.root,
  h(
    "main.rooms-page",
    {},
    h("div.filter", {}, input, h("div.choice", { role: "group", "aria-label": words.columns.alerts }, ...sorts.map(([, button]) => button))),
    h("div.table", {}, table),
    note,
  ),
  help,
);
startExplaining();

let asking = null;
let timer = 0;

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const sort = view.sort in SORTS ? view.sort : "watching_now";
  for (const [each, button] of sorts) button.setAttribute("aria-pressed", String(each === sort));
  const answer = await askForRooms({ token: view.token, q: view.q, sort, limit: LIMIT, signal });
  if (signal.aborted) return;
  show(answer);
  if (!document.hidden) timer = setTimeout(ask, ASK_MS);
}

function show({ rooms, matching, nowMs, error, refusal = null }) {
  document.documentElement.dataset.fresh = error === null ? "new" : "old";
  tokenBox.render(refusal);
  if (error !== null) {
    setText(note, refusal === null ? words.states[error] : "");
    return;
  }
  keyed(body, rooms, (room) => room.room_id, createRow, (row, room) => updateRow(row, room, nowMs));
  const empty = view.q ? words.noMatch : words.noRooms;
  setText(note, !rooms.length ? empty : matching > rooms.length ? fill(words.truncated, { n: grouped(rooms.length) }) : "");
  refreshExplanation();
}

function createRow(room) {
  const link = h("a", { href: view.link(`console/${encodeURIComponent(room.room_id)}`) }, foreign(clean(room.room_id, 64)));
  const level = h("span.level");
  const row = h("tr", {}, ...COLUMNS.map((name) => h(name === "room" ? "th" : "td", { class: `at-${name}`, scope: name === "room" ? "row" : null })));
  const cells = Object.fromEntries(COLUMNS.map((name, place) => [name, row.children[place]]));
  cells.room.append(link);
  cells.level.append(level);
  row.fields = { ...cells, level };
  for (const name of ["watching", "placed", "paid"]) {
    const figure = { watching: "watching_now", placed: "placed", paid: "paid" }[name];
    explain(cells[name], () => [`${words.columns[name]}: ${cells[name].textContent}`, words.figureHelp[figure]]);
  }
  return row;
}

function updateRow(row, room, nowMs) {
  const { level, alerts, watching, placed, paid, fresh } = row.fields;
  const known = typeof room.level === "string" && room.level in strings.levels ? room.level : "unknown";
  if (level.dataset.level !== known) {
    level.dataset.level = known;
    level.replaceChildren(levelIcon(known, RAMP.indexOf(known)), h("span", {}, strings.levels[known]));
  }
  level.hidden = room.sales === 0;
  const number = (value) => (Number.isFinite(value) ? grouped(value) : "–");
  setText(watching, number(room.watching_now));
  setText(placed, number(room.orders_placed));
  setText(paid, number(room.orders_paid));
  const ageMs = Math.max(0, nowMs - room.as_of_ms);
  const isOld = nowMs > room.stale_after_ms;
  setText(fresh, fill(words.age, { age: duration(ageMs, strings) }));
  row.dataset.fresh = isOld ? "old" : "new";
  const lines = [];
  if (room.oversold > 0) lines.push(fill(words.alerts.oversold, { n: grouped(room.oversold) }));
  if (room.suspect_units > 0) lines.push(fill(words.alerts.suspect, { n: grouped(room.suspect_units) }));
  if (isOld) lines.push(fill(words.alerts.stale, { age: duration(ageMs, strings) }));
  setText(alerts, lines.join(" · "));
  alerts.classList.toggle("warn", lines.length > 0);
}

let typing = 0;
async function find() {
  clearTimeout(typing);
  view.set({ q: input.value.trim() });
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
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const links = [...body.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), links.length - 1)]?.focus();
  } else return false;
  return true;
});
ask();
