// The parameters in the overlay page's address. A test compares them with the table in docs/overlays.md.

import { MECHANICS } from "../mechanics/mechanics.js";
import { RAMP } from "../levels.js";
import { clean } from "../text.js";
import { namesOf } from "./names.js";
import { PRESETS } from "./presets.js";

/** The place of each widget, unless the address says `widget@place`. */
export const HOMES = {
  badge: "top-start",
  countdown: "top-start",
  watching: "top-end",
  pulse: "top-end",
  goal: "top",
  top: "bottom-end",
  ticker: "bottom-start",
  bought: "bottom-start",
  carts: "bottom-start",
  eta: "bottom-start",
  price: "bottom-start",
  stock: "bottom-start",
  ...Object.assign({}, ...MECHANICS.map(({ homes }) => homes)),
};
export const PLACES = ["top-start", "top", "top-end", "bottom-start", "bottom", "bottom-end"];

/** Name → default, in the form of the address. */
export const DEFAULTS = {
  room: "",
  token: "",
  widgets: "badge,countdown,watching,pulse,ticker,price,stock",
  sale: "",
  sku: "",
  names: "",
  goal: "",
  goal_label: "",
  min_level: "calm",
  lang: "",
  theme: "dark",
  scale: "1",
  motion: "auto",
  dir: "",
  preset: "",
  sample: "",
  debug: "",
};

const GOALS = ["orders_paid", "orders_placed", "likes", "comments", "viewers", "gmv_paid", "gmv_net"];
/** Languages that the pages speak; another one falls back to the browser's. */
const SPOKEN = /^(zh|en)\b/i;

/** @param {URLSearchParams} query */
export function paramsOf(query) {
  const text = (name) => query.get(name) ?? DEFAULTS[name];
  const oneOf = (name, values) => (values.includes(text(name)) ? text(name) : DEFAULTS[name]);
  const scale = Number(text("scale"));
  return {
    room: text("room"),
    token: text("token"),
    widgets: widgetsOf(text("widgets")),
    sale: text("sale"),
    sku: text("sku"),
    names: namesOf(text("names")),
    goal: goalOf(text("goal")),
    goal_label: clean(text("goal_label"), 40),
    min_level: oneOf("min_level", RAMP),
    lang: text("lang"),
    theme: oneOf("theme", ["dark", "light"]),
    scale: scale > 0 ? Math.min(Math.max(scale, 0.5), 3) : 1,
    motion: oneOf("motion", ["auto", "off"]),
    dir: oneOf("dir", ["ltr", "rtl"]),
    preset: oneOf("preset", Object.keys(PRESETS)),
    sample: text("sample") === "1",
    debug: text("debug") === "1",
  };
}

/**
 * What is wrong in an address, so that a page need not guess: `{ what, value }` of each mistake, at most ten.
 * `what`: "parameter" (there is no such one), "widget", "place", "value" (of the parameter `name`).
 */
export function mistakesIn(query) {
  const found = [...query.keys()].filter((name) => !Object.hasOwn(DEFAULTS, name)).map((name) => ({ what: "parameter", value: name }));
  for (const part of (query.get("widgets") ?? "").split(",").filter(Boolean)) {
    const [name, place] = part.trim().split("@");
    if (!Object.hasOwn(HOMES, name)) found.push({ what: "widget", value: name });
    else if (place !== undefined && !PLACES.includes(place)) found.push({ what: "place", value: place });
  }
  const params = paramsOf(query);
  const taken = (name) => String(params[name]) === query.get(name);
  for (const name of ["min_level", "theme", "motion", "dir", "preset"]) {
    if (query.get(name) && !taken(name)) found.push({ what: "value", name, value: query.get(name) });
  }
  if (query.get("scale") && !(Number(query.get("scale")) > 0)) found.push({ what: "value", name: "scale", value: query.get("scale") });
  if (query.get("goal") && params.goal === null) found.push({ what: "value", name: "goal", value: query.get("goal") });
  if (query.get("lang") && !SPOKEN.test(query.get("lang"))) found.push({ what: "value", name: "lang", value: query.get("lang") });
  return found.slice(0, 10);
}

/** `stock,countdown@top` → [{name, place}]: each widget once, without unknown names. */
function widgetsOf(text) {
  const chosen = new Map();
  for (const part of text.split(",").slice(0, 40)) {
    const [name, place] = part.trim().split("@");
    if (Object.hasOwn(HOMES, name) && !chosen.has(name)) chosen.set(name, PLACES.includes(place) ? place : HOMES[name]);
  }
  return [...chosen].map(([name, place]) => ({ name, place }));
}

/** `500`, `likes:100000`, `gmv_paid:CNY:100000` → what is counted and the target; null: no goal. */
function goalOf(text) {
  const parts = text.split(":").map((part) => part.trim());
  const target = Number(parts.pop());
  const [of = "orders_paid", currency = ""] = parts;
  const isMoney = of.startsWith("gmv_");
  if (!(target > 0) || !GOALS.includes(of) || isMoney !== /^[A-Z]{3}$/.test(currency)) return null;
  return { of, currency, target };
}
