// The report of one session. Its course is kept by the server for a while. What only the log proves comes from a file of
// `snapup report`, which this page opens and never sends anywhere.

import { controls, helpDialog, onKeys } from "../console/frame.js";
import { TokenBox } from "../console/token-box.js";
import { View } from "../console/view.js";
import { minutesCsv, pointsCsv, productsCsv } from "../csv.js";
import { Curve } from "../curve.js";
import { foreign, h, setText } from "../dom.js";
import { LANGUAGES } from "../language.js";
import { money } from "../money.js";
import { askForHistory } from "../room-history.js";
import { save } from "../saving.js";
import { clean, duration, fill, grouped, pieces, undoneText } from "../text.js";
import { Track } from "../track.js";
import { changeOf } from "../wall/figures.js";
import { claimsTable, curveTable, logTable, modelOfReport, modelOfTrack, momentOf, productsTable, sourcesTable, tile, withheldTable, zoneOf } from "./parts.js";
import { isReport } from "./whole.js";

const MAX_FILE_BYTES = 64 << 20;
const PICTURE = { width: 1_600, height: 720 };

const [, roomId, asked] = location.pathname.split("/").slice(-3).map(decodeURIComponent);
const view = new View(roomId);
const strings = LANGUAGES[view.lang];
const words = strings.report;
const help = helpDialog({ strings });
const tokenBox = new TokenBox({ strings, room: roomId, onToken: () => location.reload() });
const title = fill(words.title, { room: clean(roomId, 64) });
document.title = `${title} · Snapup`;

const note = h("p.soft", { role: "status" }, strings.console.states.connecting);
const verdict = h("p.verdict", { hidden: true });
const tiles = h("dl.tiles");
const curve = new Curve();
const curveNote = h("p.soft");
const figures = h("details", {}, h("summary", {}, words.figures));
const curveRoot = h("section", { hidden: true }, h("h2", {}, words.course), curveNote, curve.root, figures);
const downloads = h("p.downloads");
const counted = h("div");
const file = h("input", { type: "file", accept: ".json,application/json", id: "file" });
const fileNote = h("p.trouble", { role: "alert" });
const command = h("code");
const openRoot = h("section.open", {}, h("h2", {}, words.countedTitle), h("p", {}, words.countedWhy), h("p", {}, command), h("p", {}, h("label", { for: "file" }, words.openFile), " ", file), fileNote);
document.body.append(
  h(
    "header.top",
    {},
    h("a.home", { href: view.link("../../rooms") }, strings.console.rooms),
    h("h1", {}, ...pieces(words.title, { room: foreign(clean(roomId, 64)) })),
    h("div.spring"),
    h("a.tool", { href: view.link(`../../console/${encodeURIComponent(roomId)}`) }, strings.wall.console),
    controls({ view, strings }, help),
  ),
  tokenBox.root,
  h("main.report", {}, note, verdict, tiles, downloads, curveRoot, counted, openRoot),
  help,
);

let history = null;
let track = null;
let before = null;
let report = null;

const sessionMs = /^\d{10,16}$/.test(asked) ? Number(asked) : null;
setText(command, `snapup report ${roomId}${sessionMs === null ? "" : ` --session ${sessionMs}`} --to report.json`);

async function begin() {
  const answer = await askForHistory({ room: roomId, token: view.token, session: sessionMs });
  tokenBox.render(answer.refusal ?? null);
  if (answer.history === null) {
    setText(note, { refused: strings.console.states.refused, offline: strings.console.states.offline }[answer.error] ?? words.notKept);
    return;
  }
  history = answer.history;
  track = new Track({ room: roomId, token: view.token }).of(history);
  before = await track.before();
  setText(command, `snapup report ${roomId} --session ${history.session_ms} --to report.json`);
  if (report === null) drawKept();
  else drawCounted();
}

// -- what the server keeps --------------------------------------------------------------------------------------------
function drawKept() {
  const { points, session_ms: began, ended_ms: ended, to_ms: to, currency } = history;
  setText(note, headOf(began, ended, to, null));
  const place = points.at_ms.length - 1;
  if (place < 0) return;
  const last = (name) => (Array.isArray(points[name]) ? grouped(points[name][place]) : "–");
  const { peak } = track;
  const parts = [];
  if (currency !== null) {
    const minor = points.gmv_minor[place];
    const others = Object.entries(history.other_gmv_minor ?? {}).map(([each, column]) => money(column[place] ?? 0, each, view.lang, { cents: true }));
    const then = before !== null && before.currency === currency && before.endedMs !== null && ended !== null ? before.at("gmv_minor", before.endedMs) : null;
    const compared = then !== null && then > 0 ? fill(words.against, { amount: money(then, currency, view.lang), change: changeText(changeOf(minor, then)) }) : "";
    parts.push(tile(words.paid, money(minor, currency, view.lang, { cents: true }), compared, others.join(" · ")));
  }
  parts.push(tile(words.orders, last("orders_paid"), fill(strings.rooms.ofPlaced, { n: last("orders") })));
  if (peak !== null) parts.push(tile(words.peak, grouped(peak.value), momentOf(peak.atMs)));
  if (Array.isArray(points.viewers)) parts.push(tile(words.viewers, last("viewers")));
  tiles.replaceChildren(...parts);
  drawCurve(currency === null ? null : modelOfTrack(track, before, strings, view.lang));
  drawDownloads([
    [words.csvMinutes, () => save(pointsCsv(history), nameOf("course.csv"), "text/csv")],
    [words.png, savePicture],
    [words.json, () => save(JSON.stringify(history, null, 1), nameOf("history.json"), "application/json")],
  ]);
  counted.replaceChildren(h("section", {}, h("h2", {}, words.notKeptTitle), h("p", {}, words.notKeptParts)));
}

function headOf(began, ended, asOf, show) {
  const parts = [show ? fill(words.show, { show: clean(show, 64) }) : "", `${words.began} ${momentOf(began)}`];
  parts.push(ended === null || ended === undefined ? `${words.goesOn}, ${fill(strings.console.asOf, { time: momentOf(asOf) })}` : `${words.ended} ${momentOf(ended)}`);
  parts.push(duration((ended ?? asOf) - began, strings), zoneOf(began));
  return parts.filter(Boolean).join(" · ");
}

const changeText = (change) => `${change > 0 ? "+" : change < 0 ? "−" : "±"}${grouped(Math.abs(change))} %`;

// -- what was counted from the log ------------------------------------------------------------------------------------
function drawCounted() {
  const { session, totals, check, before: earlier } = report;
  setText(note, headOf(session.began_at_ms, session.ended_at_ms, session.as_of_ms, session.show_id));
  drawVerdict(check);
  const parts = totals.money.map((each) => {
    const then = earlier?.totals.money.find((other) => other.currency === each.currency)?.paid_minor ?? 0;
    const compared = then > 0 ? fill(words.against, { amount: money(then, each.currency, view.lang), change: changeText(changeOf(each.paid_minor, then)) }) : "";
    return tile(words.paid, money(each.paid_minor, each.currency, view.lang, { cents: true }), compared, `${words.net} ${money(each.net_minor, each.currency, view.lang, { cents: true })}`);
  });
  const { orders, peak } = totals;
  parts.push(tile(words.orders, grouped(orders.paid), fill(strings.rooms.ofPlaced, { n: grouped(orders.placed) }), undoneText(orders, strings)));
  if (peak) parts.push(tile(words.peak, grouped(peak.watching), momentOf(peak.at_ms)));
  parts.push(tile(words.viewers, grouped(totals.viewers), fill(words.viewsOf, { n: grouped(totals.views) })));
  parts.push(tile(strings.console.figures.likes, grouped(totals.likes), `${strings.console.figures.comments} ${grouped(totals.comments)}`, `${strings.console.figures.cart_adds} ${grouped(totals.cart_adds)}`));
  tiles.replaceChildren(...parts);
  const isSame = track !== null && track.sessionMs === session.began_at_ms;
  drawCurve(modelOfReport(report, isSame ? track : null, isSame ? before : null, strings, view.lang));
  const section = (heading, shown, ...more) => h("section", {}, h("h2", {}, heading), ...more, shown);
  const none = () => h("p.soft", {}, words.none);
  counted.replaceChildren(
    section(words.products, report.products.length ? productsTable(report, strings, view.lang) : none()),
    section(words.sources, report.sources.length ? sourcesTable(report, strings) : none()),
    section(words.said, report.claims.length ? claimsTable(report, strings) : none(), h("p.soft", {}, words.saidNote)),
    section(words.withheld, report.withheld.length ? withheldTable(report, strings) : none()),
    section(words.log, logTable(report, strings), h("p.soft", {}, words.logNote), h("p", {}, h("code.hash", {}, clean(report.log.sha256, 64)))),
  );
  drawDownloads([
    [words.csvProducts, () => save(productsCsv(report), nameOf("products.csv"), "text/csv")],
    [words.csvMinutes, () => save(minutesCsv(report), nameOf("minutes.csv"), "text/csv")],
    [words.png, savePicture],
    [words.json, () => save(JSON.stringify(report, null, 1), nameOf("report.json"), "application/json")],
  ]);
}

function drawVerdict({ figures: all, differences, problems, claims }) {
  const holds = !differences.length && !problems.length && !claims.wrong;
  verdict.hidden = false;
  verdict.dataset.holds = String(holds);
  const told = differences.length || claims.wrong ? fill(words.differs, { wrong: grouped(differences.length), figures: grouped(all), claims: grouped(claims.wrong) }) : holds ? fill(words.holds, { figures: grouped(all), right: grouped(claims.right), claims: grouped(claims.claims) }) : words.incomplete;
  const why = claims.why_not ? [` ${clean(claims.why_not, 300)}`] : [];
  verdict.replaceChildren(told, ...why, ...problems.map((problem) => h("span.problem", {}, clean(problem, 300))));
}

// -- both -------------------------------------------------------------------------------------------------------------
function drawCurve(model) {
  curveRoot.hidden = model === null || model.values.length === 0;
  if (curveRoot.hidden) return;
  setText(curveNote, `${fill(strings.wall.courseOf, { each: fill(model.stepMs === 60_000 ? strings.wall.aMinute : strings.wall.aStep, { step: duration(model.stepMs, strings) }) })}${model.behind === null ? ` · ${words.noLast}` : ` ${strings.wall.andLast}`}`);
  figures.replaceChildren(figures.firstElementChild, curveTable(model, strings, view.lang));
  curve.render(model, `${words.course}. ${curveNote.textContent}`);
}

function drawDownloads(list) {
  downloads.replaceChildren(
    `${words.downloads} `,
    ...list.flatMap(([label, make]) => {
      const button = h("button.tool", { type: "button" }, label);
      button.addEventListener("click", make);
      return [button, " "];
    }),
  );
}

async function savePicture() {
  save(await curve.picture(PICTURE.width, PICTURE.height), nameOf("curve.png"));
}

function nameOf(ending) {
  const began = report?.session.began_at_ms ?? history.session_ms;
  const at = new Date(began).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return `report-${roomId.replaceAll(":", "_")}-${at}Z-${ending}`;
}

file.addEventListener("change", async () => {
  const chosen = file.files?.[0];
  if (!chosen) return;
  setText(fileNote, "");
  let made = null;
  try {
    made = chosen.size <= MAX_FILE_BYTES ? JSON.parse(await chosen.text()) : null;
  } catch {
    made = null;
  }
  file.value = ""; // the same file may be opened again when the command has written it anew
  if (!isReport(made)) setText(fileNote, words.noReport);
  else if (made.room_id !== roomId) setText(fileNote, fill(words.otherRoom, { room: clean(made.room_id, 64) }));
  else {
    const wanted = sessionMs ?? history?.session_ms ?? null;
    if (wanted !== null && wanted !== made.session.began_at_ms) setText(fileNote, fill(words.otherSession, { time: momentOf(made.session.began_at_ms) }));
    report = made;
    drawCounted();
  }
});
view.addEventListener("change", () => (report === null ? history && drawKept() : drawCounted()));
onKeys((event) => {
  if (event.key !== "?") return false;
  help.showModal();
  return true;
});
begin();
