// The host's console of one room: it connects, keeps the history, and has each part draw itself.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { SnapupRoom } from "../snapup-room.js";
import { LANGUAGES } from "../language.js";
import { foreign, h, setText } from "../dom.js";
import { clean, duration, fill } from "../text.js";
import { reasonOf, reasonText } from "./away.js";
import { Charts } from "./charts.js";
import { Claims } from "./claims.js";
import { Desk } from "./desk.js";
import { Episodes, saleKey } from "./episodes.js";
import { explain, refreshExplanation, startExplaining } from "./explain.js";
import { controls, helpDialog, onKeys } from "./frame.js";
import { Freshness } from "./freshness.js";
import { Funnel } from "./funnel.js";
import { Headline } from "./headline.js";
import { Announcer } from "./heard.js";
import { History } from "./history.js";
import { becauseLines } from "./reasons.js";
import { Sales, sorted } from "./sales.js";
import { Mechanics } from "./mechanics.js";
import { Names } from "./names.js";
import { Products } from "./products.js";
import { Rover } from "./rove.js";
import { Search } from "./search.js";
import { ShowHistory, thenValue } from "./show-history.js";
import { Sources } from "./sources.js";
import { TokenBox } from "./token-box.js";
import { RANGES, View, WINDOWS } from "./view.js";

/** Drawing more often than this helps no reader. */
const DRAW_MS = 250;
const CHART_MS = 1_000;
const AGE_MS = 500;
/** Figures that are missing for a moment are no event. */
const AWAY_MS = 3_000;

const roomId = decodeURIComponent(location.pathname.split("/").at(-1));
const view = new View(roomId);
const strings = LANGUAGES[view.lang];
const words = strings.console;
// The history continues while the page is hidden: a host comes back to this page.
const room = new SnapupRoom({ room: roomId, token: view.token, whenHidden: "keep" });
const shows = new ShowHistory({ roomId, tokenOf: () => view.token });
const announcer = new Announcer();
const names = new Names();
/** Whether it is the sale that leads the room. */
const leads = (key) => sorted(room.last?.sales ?? []).slice(0, 1).some((sale) => saleKey(sale) === key);
const context = { view, strings, room, roomId, shows, announcer, names, leads };
const history = new History();

const freshness = new Freshness(context);
const funnel = new Funnel(context);
const sales = new Sales(context);
const charts = new Charts(context, history);
const mechanics = new Mechanics(context);
const desk = new Desk(context);
const episodes = new Episodes((episode) => desk.begun(episode));
const headline = new Headline(context);
const products = new Products(context);
const sources = new Sources(context);
funnel.root.append(sources.root);
const claims = new Claims(context);
const search = new Search(context);
const tokenBox = new TokenBox({
  strings,
  room: roomId,
  onToken: (token) => {
    view.token = token;
    room.useToken(token);
    shows.ask();
  },
});
const help = helpDialog(context);
const stale = h("section.stale", { hidden: true, "aria-label": words.states.stale });
const level = h("span.level");
const name = h("h1", {}, foreign(clean(roomId, 64)));
explain(level, () => {
  const head = room.last?.urgency;
  return head ? [clean(head.sale_id ?? "", 40), ...becauseLines(head.because, head.level, strings)] : [];
});

document.title = `${clean(roomId, 64)} · ${words.title}`;
const find = h("button.tool", { type: "button" }, words.searchHint);
find.addEventListener("click", () => search.open());
const overlayLink = h("a.tool", { href: overlayAddress(), target: "_blank", rel: "noopener" }, words.overlay);
// The overlay has its token in its address, as OBS needs it: only for whoever goes there.
for (const kind of ["pointerdown", "keydown"]) overlayLink.addEventListener(kind, () => (overlayLink.href = overlayAddress(view.token)));
document.body.append(
  h("a.skip", { href: "#time" }, words.skip),
  h(
    "header.top",
    {},
    h("a.home", { href: view.link("../console") }, words.rooms),
    name,
    level,
    freshness.root,
    h("div.spring"),
    find,
    overlayLink,
    controls(context, help),
  ),
  tokenBox.root,
  stale,
  h(
    "main.console",
    {},
    headline.root,
    h("div.middle", {}, sales.root, products.root, charts.root, mechanics.root),
    h("div.right", {}, desk.root, claims.root),
    funnel.root,
  ),
  announcer.root,
  search.root,
  help,
);
startExplaining();
const PANELS = "header.top, .headline, .funnel, .stock, .products, .time, .desk, .claims, .mechanic";
const rover = new Rover(() => document.querySelectorAll(PANELS));

function overlayAddress(token = "") {
  const address = view.link(`../overlay?room=${encodeURIComponent(roomId)}`);
  return token ? `${address}&token=${encodeURIComponent(token)}` : address;
}

// -- drawing ----------------------------------------------------------------------------------------------------------
let timer = 0;
let chartTimer = 0;
let drawnAt = -Infinity;
let chartedAt = -Infinity;

/** The sale whose stock and level are charted: the chosen one, else the most urgent. */
function chosenSale(overlay) {
  const all = overlay?.sales ?? [];
  return all.find((sale) => saleKey(sale) === view.sale) ?? sorted(all)[0] ?? null;
}

function draw({ charted = false } = {}) {
  if (document.hidden) return;
  drawnAt = performance.now();
  const overlay = room.last;
  const isLive = room.overlay !== null;
  // What is old stays as it was: its clocks stand still, and nothing of it may be said.
  const now = isLive || overlay === null ? room.now() : overlay.as_of_ms;
  const chosen = chosenSale(overlay);
  drawAge();
  headline.render(overlay, course(overlay));
  funnel.render(overlay);
  sales.render(overlay, chosen, now);
  products.render(overlay, chosen);
  sources.render(overlay);
  mechanics.render(overlay);
  claims.render(overlay, isLive ? now : Infinity);
  desk.render(episodes.list);
  drawLevel(overlay);
  clearTimeout(chartTimer);
  const waitMs = charted ? 0 : CHART_MS - (drawnAt - chartedAt);
  if (waitMs <= 0) {
    chartedAt = drawnAt;
    // Without live figures the charts end where the figures end.
    charts.render(isLive ? room.now() : (history.times.at(-1) ?? room.now()), chosen, episodes.list, shows.isOf(overlay));
  } else {
    chartTimer = setTimeout(() => draw({ charted: true }), waitMs);
  }
  refreshExplanation();
  rover.settle();
}

/** What the headline compares with: the most that were watching, and the last show at the same minute. */
function course(overlay) {
  const minor = shows.isOf(overlay) ? thenValue(shows.before, shows.show, "gmv_minor", overlay?.as_of_ms ?? 0) : null;
  const currency = shows.before?.currency ?? null;
  return { peak: history.peak(), before: minor === null || currency === null ? null : { minor, currency } };
}

/** Draws the age of the figures, with a warning in words if they are too old. */
function drawAge() {
  freshness.render();
  const overlay = room.last;
  const isOld = overlay !== null && room.overlay === null;
  const isDown = overlay === null && ["pipeline", "partly"].includes(reasonOf(room));
  stale.hidden = !isOld && !isDown;
  if (isDown) setText(stale, reasonText(room, strings));
  if (isOld) {
    const note = fill(words.staleNote, { age: duration(room.now() - overlay.as_of_ms, strings) });
    setText(stale, `${reasonText(room, strings)} ${note}`.trim());
  }
  tokenBox.render(room.refusal);
}

function drawLevel(overlay) {
  const has = overlay !== null && overlay.sales.length > 0;
  level.hidden = !has;
  if (!has || level.dataset.level === overlay.urgency.level) return;
  level.dataset.level = overlay.urgency.level;
  const word = strings.levels[overlay.urgency.level] ?? clean(overlay.urgency.level, 20);
  level.replaceChildren(levelIcon(overlay.urgency.level, RAMP.indexOf(overlay.urgency.level)), h("span", {}, word));
}

function drawSoon() {
  if (timer) return;
  const inMs = Math.max(0, DRAW_MS - (performance.now() - drawnAt));
  timer = setTimeout(() => {
    timer = 0;
    draw();
  }, inMs);
}

let wasOnline = false;
let sessionMs = null;
room.addEventListener("snapshot", ({ detail: overlay }) => {
  names.take(overlay);
  history.take(overlay);
  episodes.take(overlay);
  const beganMs = overlay.session?.began_at_ms ?? null;
  // The first document, a new connection and a new show: the server may know what this page did not see.
  if (!wasOnline || beganMs !== sessionMs || (shows.show !== null && !shows.isOf(overlay))) shows.ask();
  [wasOnline, sessionMs] = [true, beganMs];
});
room.addEventListener("change", () => {
  if (!room.online) wasOnline = false;
  // After a show there is no document any more, but its history.
  else if (room.last === null && room.state !== "connecting") shows.ask();
  lookAway();
  drawSoon();
});
shows.addEventListener("change", () => {
  history.remember(shows.show);
  episodes.remember(shows.show.marks);
  draw({ charted: true });
});

let awaySince = null;
let isTold = false;
/** Figures that do not come are an episode of their own, told once. */
function lookAway() {
  const isAway = room.last !== null && room.overlay === null;
  awaySince = isAway ? (awaySince ?? performance.now()) : null;
  if (isAway && performance.now() - awaySince >= AWAY_MS) {
    episodes.away(reasonOf(room), room.now());
    isTold = true;
  } else if (!isAway && isTold) {
    episodes.away(null, room.now());
    announcer.say(words.states.live);
    isTold = false;
  }
}
view.addEventListener("change", () => {
  charts.dress();
  draw({ charted: true });
});
document.addEventListener("visibilitychange", () => !document.hidden && draw({ charted: true }));
// The age grows even if nothing arrives.
setInterval(() => {
  lookAway();
  if (!document.hidden) drawAge();
}, AGE_MS);

// -- keys -------------------------------------------------------------------------------------------------------------
const next = (list, item) => list[(list.indexOf(item) + 1) % list.length];
onKeys((event) => {
  if (charts.key(event)) return true;
  if (event.key === "/") search.open();
  else if (event.key === "?") help.showModal();
  else if (event.key === "w") view.set({ window: next(WINDOWS, view.window) });
  else if (event.key === "r") view.set({ range: next(RANGES, view.range) });
  else if (event.key === "s") {
    const all = sorted(room.last?.sales ?? []).map(saleKey);
    if (all.length) view.set({ sale: next(all, saleKey(chosenSale(room.last))) });
  } else return false;
  return true;
});

draw();
room.start();
