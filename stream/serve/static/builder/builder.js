// Composes the address of an overlay and previews the overlay on pictures as different as a show's.

import { h, setText } from "../dom.js";
import { LANGUAGES } from "../language.js";
import { controls, helpDialog } from "../console/frame.js";
import { askForRooms } from "../console/rooms-list.js";
import { View } from "../console/view.js";
import { DEFAULTS, HOMES, PLACES } from "../overlay/params.js";
import { addressOf } from "./address.js";
import { saveStarter } from "./starter.js";

const BACKDROPS = ["bright", "dark", "busy"];
/** The preview loads an address only after a pause in typing. */
const PREVIEW_AFTER_MS = 300;
const FIRST = DEFAULTS.widgets.split(",");

const view = new View();
const strings = LANGUAGES[view.lang];
const words = strings.builder;
document.title = words.title;

// -- the form ---------------------------------------------------------------------------------------------------------
const query = new URLSearchParams(location.search);
const field = (name, attributes = {}) => {
  const input = h("input", { name, autocomplete: "off", spellcheck: "false", maxlength: "2000", ...attributes });
  input.value = query.get(name) ?? "";
  return input;
};
const inputs = {
  room: field("room", { list: "rooms", maxlength: "64", required: true }),
  token: field("token", { placeholder: words.tokenHint }),
  sale: field("sale", { placeholder: words.saleHint, maxlength: "64" }),
  names: field("names", { placeholder: words.namesHint }),
  goal: field("goal", { placeholder: words.goalHint, maxlength: "64" }),
};
const rooms = h("datalist", { id: "rooms" });
const choice = (name, options, chosen) => {
  const select = h("select", { name }, ...Object.entries(options).map(([value, word]) => h("option", { value }, word)));
  select.value = chosen;
  return select;
};
const selects = {
  lang: choice("lang", Object.fromEntries(Object.entries(LANGUAGES).map(([tag, language]) => [tag, language.name])), view.lang),
  theme: choice("plates", words.themes, "dark"),
  frame: choice("frame", words.frames, "1920x1080"),
  data: choice("data", { sample: words.sample, live: words.live }, "sample"),
};
const scale = h("input", { type: "range", name: "scale", min: "0.6", max: "2", step: "0.1" });
scale.value = "1";
const scaleSays = h("output", {}, "1×");
const motion = h("input", { type: "checkbox", name: "motion" });

const widgets = Object.keys(HOMES).map((name) => {
  const box = h("input", { type: "checkbox", name: "widget", value: name });
  box.checked = FIRST.includes(name);
  const place = choice(`place-${name}`, Object.fromEntries(PLACES.map((each) => [each, words.places[each]])), HOMES[name]);
  place.setAttribute("aria-label", `${words.place}: ${words.widgetNames[name]}`);
  return { name, box, place, row: h("li", {}, h("label", {}, box, h("span", {}, words.widgetNames[name])), place) };
});

const labelled = (text, ...control) => h("label.field", {}, h("span.soft", {}, text), ...control);
const address = h("output.address", { tabindex: "0", "aria-label": words.url });
const copy = h("button.tool.primary", { type: "button" }, words.copy);
const starter = h("button.tool", { type: "button", title: words.starterHint }, words.starter);
const note = h("p.soft", { role: "status" });
const form = h(
  "form",
  {},
  h("p.soft", {}, words.intro),
  labelled(words.room, inputs.room, rooms),
  labelled(words.token, inputs.token),
  h("fieldset", {}, h("legend", {}, words.widgets), h("ul.widgets", {}, ...widgets.map(({ row }) => row))),
  labelled(words.sale, inputs.sale),
  labelled(words.names, inputs.names),
  labelled(words.goal, inputs.goal),
  h(
    "div.pair",
    {},
    labelled(words.language, selects.lang),
    labelled(words.theme, selects.theme),
    labelled(words.scale, h("span.slider", {}, scale, scaleSays)),
    h("label.check", {}, motion, h("span", {}, words.motion)),
  ),
);

// -- the preview ------------------------------------------------------------------------------------------------------
const frame = h("iframe", { title: words.preview, tabindex: "-1" });
const stage = h("div.stage", {}, frame);
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
    names: inputs.names.value,
    goal: inputs.goal.value,
    lang: selects.lang.value,
    theme: selects.theme.value,
    scale: scale.value,
    motion: motion.checked ? "off" : "auto",
  };
}

let shown = "";
let timer = 0;
function compose() {
  const options = chosen();
  const page = new URL("../../overlay", import.meta.url);
  setText(address, addressOf(options, page).href);
  setText(scaleSays, `${scale.value}×`);
  setText(note, !options.room.trim() ? words.needRoom : options.token.trim() ? words.secret : "");
  copy.disabled = starter.disabled = !options.room.trim();
  for (const { box, place } of widgets) place.hidden = !box.checked;
  const sample = selects.data.value === "sample" ? "1" : "";
  const preview = addressOf({ ...options, sample, ...(sample ? { room: "", token: "", sale: "" } : {}) }, page).href;
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (preview === shown) return;
    shown = preview;
    frame.contentWindow.location.replace(preview);
  }, shown ? PREVIEW_AFTER_MS : 0);
  fit();
}

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
compose();
