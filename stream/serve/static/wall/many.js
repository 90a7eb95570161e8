// A wall of up to twelve rooms, one tile each, for whoever looks after many: `/wall?rooms=a,b,c`.

import { levelIcon } from "../overlay/icons.js";
import { controls, helpDialog, onKeys } from "../console/frame.js";
import { startExplaining } from "../console/explain.js";
import { TokenBox } from "../console/token-box.js";
import { View } from "../console/view.js";
import { Curve } from "../curve.js";
import { foreign, h, setText } from "../dom.js";
import { LANGUAGES } from "../language.js";
import { RAMP } from "../levels.js";
import { money, shortMoney } from "../money.js";
import { SnapupRoom } from "../snapup-room.js";
import { clean, compact, duration, fill, grouped, timeOfDay } from "../text.js";
import { Track } from "../track.js";
import { axisEnd, endedMs, gmvOf, paidLately, roomName, stateOf, stepOf, watchingUnknown } from "./figures.js";

export const MAX_ROOMS = 12;
const ROOM_ID = /^[A-Za-z0-9._:-]{1,64}$/;
const MAX_MONEY_CHARS = 12;
/** No section that a tile does not show: a document holds up to 200 products. */
const PARTS = ["card", "sales", "withheld"];

const view = new View();
const strings = LANGUAGES[view.lang];
const words = strings.wall;
const asked = [...new Set((new URLSearchParams(location.search).get("rooms") ?? "").split(",").map((each) => each.trim()).filter(Boolean))];
const wrong = asked.filter((each) => !ROOM_ID.test(each));
const fitting = asked.filter((each) => ROOM_ID.test(each));
const shown = fitting.slice(0, MAX_ROOMS);

class Tile {
  #room;
  #track;
  #last = null;
  #level = h("span.level", { hidden: true });
  #figure = h("b.figure", {}, "–");
  #people = h("p");
  #paid = h("p");
  #trouble = h("p.trouble", { role: "status" });
  #curve = new Curve();
  #name;
  #id;

  constructor(roomId) {
    this.#id = roomId;
    this.#name = foreign(clean(roomId, 64));
    this.#room = new SnapupRoom({ room: roomId, parts: PARTS, token: view.token });
    this.#track = new Track({ room: roomId, token: view.token });
    const link = h("a", { href: view.link(`wall/${encodeURIComponent(roomId)}`) }, this.#name);
    this.root = h("section.one", { "aria-label": clean(roomId, 64) }, h("div", {}, h("h2", {}, link, this.#level), this.#figure, this.#people, this.#paid, this.#trouble, this.#curve.root));
    this.#room.addEventListener("snapshot", (event) => {
      this.#last = event.detail;
      this.#track.take(this.#last);
    });
    this.#track.start();
    this.#room.start();
  }

  /** What is wrong with the token for this room; null: nothing. */
  get refusal() {
    return this.#room.refusal ?? null;
  }

  draw() {
    const room = this.#room;
    const last = this.#last;
    const state = stateOf(room, last, this.#track);
    const nowMs = room.now();
    this.root.dataset.state = state;
    setText(this.#trouble, this.#told(state, nowMs));
    const over = endedMs(last, this.#track);
    const atMs = state === "live" ? nowMs : (over ?? last?.as_of_ms ?? null);
    if (atMs === null) return;
    const gmv = last === null ? { minor: this.#track.at("gmv_minor", atMs) ?? 0, currency: this.#track.currency } : gmvOf(last);
    setText(this.#figure, gmv === null || gmv.currency === null ? "–" : moneyText(gmv));
    this.#drawCurve(atMs);
    if (last === null) return;
    setText(this.#name, roomName(last, this.#id));
    const unknown = watchingUnknown(last) !== null || state === "ended";
    setText(this.#people, unknown ? "" : fill(strings.claims.watching_now, { value: compact(last.totals.watching_now, strings) }));
    const { now } = state === "live" ? paidLately(this.#track, atMs) : { now: null };
    const lately = now === null ? "" : ` · ${fill(words.lately, { n: grouped(now) })}`;
    setText(this.#paid, `${fill(words.inAll, { n: grouped(last.totals.orders.paid) })}${lately}`);
    this.#drawLevel(last, state);
  }

  #told(state, nowMs) {
    if (state === "live") return "";
    if (state === "none") return strings.console.states[this.#room.state] ?? "";
    if (state === "ended") return fill(words.endedAt, { time: timeOfDay(endedMs(this.#last, this.#track), false) });
    return fill(strings.console.age, { age: duration(nowMs - this.#last.as_of_ms, strings) });
  }

  #drawLevel(overlay, state) {
    const { level } = overlay.urgency;
    this.#level.hidden = overlay.sales.length === 0 || state === "ended";
    if (this.#level.dataset.level === level) return;
    this.#level.dataset.level = level;
    this.#level.replaceChildren(levelIcon(level, RAMP.indexOf(level)), h("span", {}, strings.levels[level] ?? clean(level, 20)));
  }

  #drawCurve(atMs) {
    const fromMs = this.#track.firstMs;
    const { currency } = this.#track;
    if (fromMs === null || currency === null) return;
    const stepMs = stepOf(atMs - fromMs);
    const values = this.#track.steps("gmv_minor", fromMs, atMs, stepMs);
    this.#curve.root.hidden = values.every((value) => value === null);
    if (this.#curve.root.hidden) return;
    const each = fill(stepMs === 60_000 ? words.aMinute : words.aStep, { step: duration(stepMs, strings) });
    const format = (value) => shortMoney(value, currency, view.lang, strings);
    const known = values.filter((value) => value !== null);
    const best = known.length ? money(Math.max(...known), currency, view.lang) : "–";
    const about = fill(words.courseAbout, { each, from: timeOfDay(fromMs, false), to: timeOfDay(atMs, false), best });
    this.#curve.render({ fromMs, toMs: axisEnd(fromMs, atMs, stepMs), stepMs, values, behind: null, marks: [], format, timeOf: (at) => timeOfDay(at, atMs - fromMs < 600_000) }, about);
  }
}

function moneyText(gmv) {
  const whole = money(gmv.minor, gmv.currency, view.lang);
  return whole.length > MAX_MONEY_CHARS ? shortMoney(gmv.minor, gmv.currency, view.lang, strings) : whole;
}

const help = helpDialog({ strings });
const tokenBox = new TokenBox({ strings, room: "", onToken: () => location.reload() });
const tiles = shown.map((each) => new Tile(each));
const wall = h("main.many", {}, ...tiles.map((each) => each.root));
if (!tiles.length) wall.append(h("p", {}, words.noRooms));
const columns = [0, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4][tiles.length];
wall.style.setProperty("--columns", String(Math.max(columns, 1)));
wall.style.setProperty("--upright-columns", tiles.length > 6 && innerWidth >= 700 ? "2" : "1");
const told = [];
if (fitting.length > MAX_ROOMS) told.push(fill(words.tooMany, { most: MAX_ROOMS, n: grouped(fitting.length) }));
if (wrong.length) told.push(fill(words.noIds, { ids: clean(wrong.join(", "), 120) }));
document.title = `${words.manyTitle} · Snapup`;
document.body.classList.add("wall-body");
document.body.append(
  h("header.wall-top", {}, h("h1", {}, words.manyTitle), h("div.spring"), h("a.tool", { href: view.link("rooms") }, strings.console.rooms), controls({ view, strings }, help)),
  ...(told.length ? [h("p.note", { role: "status" }, told.join(" "))] : []),
  tokenBox.root,
  wall,
  help,
);
startExplaining();

function draw() {
  if (document.hidden) return;
  for (const each of tiles) each.draw();
  tokenBox.render(tiles.map((each) => each.refusal).find((refusal) => refusal !== null) ?? null);
}
view.addEventListener("change", draw);
document.addEventListener("visibilitychange", draw);
setInterval(draw, 1_000);
onKeys((event) => {
  if (event.key !== "?") return false;
  help.showModal();
  return true;
});
draw();
