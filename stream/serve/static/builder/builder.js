// Composes the address of an overlay and previews the overlay on pictures as different as a show's.

import { h, setText } from "../dom.js";
import { LANGUAGES } from "../language.js";
import { controls, helpDialog } from "../console/frame.js";
import { askForRooms } from "../console/rooms-list.js";
import { RAMP } from "../levels.js";
import { View } from "../console/view.js";
import { nameWritten } from "../overlay/names.js";
import { DEFAULTS, HOMES, mistakesIn, paramsOf, PLACES } from "../overlay/params.js";
import { PRESET_FRAME, PRESETS } from "../overlay/presets.js";
import { fill } from "../text.js";
import { addressOf } from "./address.js";
import { askForRoom, choicesOf, missingIn } from "./room-choices.js";
import { saveStarter } from "./starter.js";

const BACKDROPS = ["bright", "dark", "busy"];
/** The preview loads an address only after a pause in typing. */
const PREVIEW_AFTER_MS = 300;
/** The room is asked for its sales so often at most. */
const ROOM_EVERY_MS = 5_000;

const view = new View();
const strings = LANGUAGES[view.lang];
const words = strings.builder;
document.title = words.title;

const query = new URLSearchParams(location.search);

/** What the address of this page asks for: an overlay's own address can be opened here and changed. */
function asked(name) {
  return query.get(name) ?? DEFAULTS[name];
}

// -- the form ---------------------------------------------------------------------------------------------------------
const field = (name, attributes = {}) => {
  const input = h("input", { name, autocomplete: "off", spellcheck: "false", maxlength: "2000", ...attributes });
  input.value = query.get(name) ?? "";
  return input;
};
const inputs = {
  room: field("room", { list: "rooms", maxlength: "64", required: true }),
  token: field("token", { placeholder: words.tokenHint }),
  sale: field("sale", { placeholder: words.saleHint, maxlength: "64", list: "sales" }),
  sku: field("sku", { placeholder: words.skuHint, maxlength: "64", list: "skus" }),
  names: field("names", { placeholder: words.namesHint }),
  goal: field("goal", { placeholder: words.goalHint, maxlength: "64" }),
  goal_label: field("goal_label", { maxlength: "40" }),
};
const rooms = h("datalist", { id: "rooms" });
const sales = h("datalist", { id: "sales" });
const skus = h("datalist", { id: "skus" });
const nameThem = h("button.tool", { type: "button" }, words.nameThem);
const choice = (name, options, chosen) => {
  const select = h("select", { name }, ...Object.entries(options).map(([value, word]) => h("option", { value }, word)));
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  return select;
};
const selects = {
  lang: choice("lang", Object.fromEntries(Object.entries(LANGUAGES).map(([tag, language]) => [tag, language.name])), view.lang),
  theme: choice("plates", words.themes, "dark"),
  preset: choice("preset", { "": words.noPreset, ...words.presets }, asked("preset")),
  min_level: choice("min_level", Object.fromEntries(RAMP.map((level) => [level, strings.levels[level]])), asked("min_level")),
  dir: choice("dir", words.dirs, asked("dir")),
  frame: choice("frame", words.frames, "1920x1080"),
  data: choice("data", { sample: words.sample, live: words.live }, "sample"),
};
const scale = h("input", { type: "range", name: "scale", min: "0.6", max: "2", step: "0.1" });
scale.value = asked("scale");
const scaleSays = h("output", {}, "1×");
const motion = h("input", { type: "checkbox", name: "motion" });
motion.checked = asked("motion") === "off";
const debug = h("input", { type: "checkbox", name: "debug" });
debug.checked = asked("debug") === "1";
const first = new Map(paramsOf(query).widgets.map(({ name, place }) => [name, place]));

const widgets = Object.keys(HOMES).map((name) => {
  const box = h("input", { type: "checkbox", name: "widget", value: name });
  box.checked = first.has(name);
  const places = Object.fromEntries(PLACES.map((each) => [each, words.places[each]]));
  const place = choice(`place-${name}`, places, first.get(name) ?? HOMES[name]);
  place.setAttribute("aria-label", `${words.place}: ${words.widgetNames[name]}`);
  return { name, box, place, row: h("li", {}, h("label", {}, box, h("span", {}, words.widgetNames[name])), place) };
});

const labelled = (text, ...control) => h("label.field", {}, h("span.soft", {}, text), ...control);
const address = h("output.address", { tabindex: "0", "aria-label": words.url });
const copy = h("button.tool.primary", { type: "button" }, words.copy);
const starter = h("button.tool", { type: "button", title: words.starterHint }, words.starter);
const note = h("p.soft", { role: "status" });
const mistakes = h("ul", { "aria-label": words.mistakes });
const wrong = h("div.mistakes", { hidden: true }, mistakes);
const form = h(
  "form",
  {},
  h("p.soft", {}, words.intro),
  labelled(words.room, inputs.room, rooms),
  labelled(words.token, inputs.token),
  h("fieldset", {}, h("legend", {}, words.widgets), h("ul.widgets", {}, ...widgets.map(({ row }) => row))),
  labelled(words.sale, inputs.sale, sales),
  labelled(words.sku, inputs.sku, skus),
  labelled(words.names, inputs.names),
  h("div.field", {}, h("span"), nameThem),
  labelled(words.goal, inputs.goal),
  labelled(words.goalLabel, inputs.goal_label),
  labelled(words.preset, selects.preset),
  h(
    "div.pair",
    {},
    labelled(words.language, selects.lang),
    labelled(words.theme, selects.theme),
    labelled(words.minLevel, selects.min_level),
    labelled(words.dir, selects.dir),
    labelled(words.scale, h("span.slider", {}, scale, scaleSays)),
    h("label.check", {}, motion, h("span", {}, words.motion)),
    h("label.check", {}, debug, h("span", {}, words.debug)),
  ),
);

// -- the preview ------------------------------------------------------------------------------------------------------
const frame = h("iframe", { title: words.preview, tabindex: "-1" });
const covered = h("div.covered", { "aria-hidden": "true", hidden: true });
const stage = h("div.stage", {}, frame, covered);
const backdrops = BACKDROPS.map((name) => {
  const button = h("button", { type: "button" }, words.backdrops[name]);
  button.addEventListener("click", () => dress(name));
  return [name, button];
});
const help = helpDialog({ strings });
document.body.append(
  h("header.top", {}, h("h1", {}, words.title), h("div.spring"), controls({ view, strings }, help)),
  h(
    "main.builder",
    {},
    h("section.form", { "aria-label": words.title }, form),
    h(
      "section.result",
      { "aria-label": words.preview },
      h("div.url", {}, address, copy, starter),
      note,
      h("div", { role: "status" }, wrong),
      h(
        "div.options",
        {},
        h("div.choice", { role: "group", "aria-label": words.backdrop }, ...backdrops.map(([, button]) => button)),
        labelled(words.frame, selects.frame),
        labelled(words.data, selects.data),
      ),
      stage,
      h("p.soft", {}, words.obs),
    ),
  ),
  help,
);

function dress(name) {
  stage.dataset.backdrop = name;
  for (const [each, button] of backdrops) button.setAttribute("aria-pressed", String(each === name));
}

function chosen() {
  return {
    room: inputs.room.value,
    token: inputs.token.value,
    widgets: new Map(widgets.filter(({ box }) => box.checked).map(({ name, place }) => [name, place.value])),
    sale: inputs.sale.value,
    sku: inputs.sku.value,
    names: inputs.names.value,
    goal: inputs.goal.value,
    goal_label: inputs.goal_label.value,
    min_level: selects.min_level.value,
    preset: selects.preset.value,
    dir: selects.dir.value,
    lang: selects.lang.value,
    theme: selects.theme.value,
    scale: scale.value,
    motion: motion.checked ? "off" : "auto",
    debug: debug.checked ? "1" : "",
  };
}

let shown = "";
let timer = 0;
function compose() {
  const options = chosen();
  const page = new URL("../../overlay", import.meta.url);
  const made = addressOf(options, page);
  setText(address, made.href);
  tell(made.searchParams);
  learn(options);
  setText(scaleSays, `${scale.value}×`);
  setText(note, !options.room.trim() ? words.needRoom : options.token.trim() ? words.secret : "");
  copy.disabled = starter.disabled = !options.room.trim();
  for (const { box, place } of widgets) place.hidden = !box.checked;
  const sample = selects.data.value === "sample" ? "1" : "";
  const preview = addressOf({ ...options, sample, ...(sample ? { room: "", token: "", sale: "", sku: "" } : {}) }, page).href;
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (preview === shown) return;
    shown = preview;
    frame.contentWindow.location.replace(preview);
  }, shown ? PREVIEW_AFTER_MS : 0);
  fit();
}

// -- what the room has, and what is wrong -------------------------------------------------------------------------------
let known = { room: "", choices: null, atMs: -Infinity };
/** Asks the room for its sales and products, when another room is named and again after a while. */
async function learn({ room, token }) {
  const name = room.trim();
  const now = performance.now();
  if (name === known.room && now - known.atMs < ROOM_EVERY_MS) return;
  known = { room: name, choices: name === known.room ? known.choices : null, atMs: now };
  const { overlay } = name ? await askForRoom({ room: name, token: token.trim() }) : { overlay: null };
  if (name !== known.room || inputs.room.value.trim() !== name) return;
  known.choices = overlay === null ? null : choicesOf(overlay);
  const { sales: saleIds, products } = known.choices ?? { sales: [], products: [] };
  sales.replaceChildren(...saleIds.map((id) => h("option", { value: id })));
  skus.replaceChildren(...products.map(({ id, name: said }) => h("option", { value: id, label: said ? `${said} · ${id}` : null })));
  nameThem.disabled = !products.length;
  tell(new URL(address.textContent).searchParams);
}

/** Says each mistake of the address, of the page's own address, and what the room does not have. */
function tell(params) {
  const found = [...mistakesIn(params), ...mistakesIn(query).filter(({ what }) => what !== "value")];
  if (known.choices !== null) found.push(...missingIn(known.choices, paramsOf(params)));
  mistakes.replaceChildren(...found.map(({ what, ...values }) => h("li", {}, fill(words.mistake[what], values))));
  wrong.hidden = !found.length;
}

/** Adds what has no name yet, for the streamer to fill in. */
nameThem.addEventListener("click", () => {
  const { names } = paramsOf(new URLSearchParams({ names: inputs.names.value }));
  const nameless = (known.choices?.products ?? []).filter(({ id }) => !names.has(id)).map(({ id, name }) => nameWritten(id, name || id));
  inputs.names.value = [inputs.names.value.trim(), ...nameless].filter(Boolean).join(", ");
  compose();
});

/** Scales the frame, which has the canvas's true size, to fit: the preview is what OBS will show. */
function fit() {
  const [width, height] = selects.frame.value.split("x").map(Number);
  const room = stage.parentElement.clientWidth - 32;
  const scaled = Math.min(room / width, Math.max(320, innerHeight - 260) / height);
  stage.style.width = `${width * scaled}px`;
  stage.style.height = `${height * scaled}px`;
  frame.style.width = `${width}px`;
  frame.style.height = `${height}px`;
  frame.style.transform = `scale(${scaled})`;
  const edges = height > width ? PRESETS[selects.preset.value] : undefined;
  covered.hidden = edges === undefined;
  if (edges === undefined) return;
  // What the platform lays over the picture lies outside of this frame.
  covered.style.inset = ["top", "right", "bottom", "left"]
    .map((edge) => `${(100 * edges[edge]) / (edge === "top" || edge === "bottom" ? PRESET_FRAME.height : PRESET_FRAME.width)}%`)
    .join(" ");
}

copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(address.textContent);
    setText(note, words.copied);
  } catch {
    getSelection().selectAllChildren(address);
    setText(note, words.copyFailed);
  }
});
starter.addEventListener("click", () => saveStarter(address.textContent));
// A preset is for an upright frame: the preview turns to one.
selects.preset.addEventListener("input", () => {
  if (selects.preset.value) selects.frame.value = "1080x1920";
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", compose);
selects.frame.addEventListener("input", compose);
selects.data.addEventListener("input", compose);
addEventListener("resize", fit);
inputs.room.addEventListener("focus", async () => {
  const answer = await askForRooms({ token: inputs.token.value.trim(), limit: 50 });
  rooms.replaceChildren(...(answer.rooms ?? []).map((room) => h("option", { value: room.room_id })));
});
dress("busy");
if (inputs.room.value) selects.data.value = "live";
if (selects.preset.value) selects.frame.value = "1080x1920";
compose();
