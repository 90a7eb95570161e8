// The overlay page: reads the address, makes the widgets, and updates them whenever something may have changed.

import { languageOf, LANGUAGES } from "../language.js";
import { SnapupRoom } from "../snapup-room.js";
import { h } from "../dom.js";
import { askedOf } from "./asked.js";
import { adoptCustomCss } from "./custom-css.js";
import { MECHANICS } from "../mechanics/mechanics.js";
import { keepThisPage } from "./keep.js";
import { turnMotionOff } from "./motion.js";
import { paramsOf, PLACES } from "./params.js";
import { applyPreset } from "./presets.js";
import { Agreed } from "./agreed.js";
import { SampleRoom } from "./sample.js";
import { Subject } from "./subject.js";
import { BadgeWidget } from "./widgets/badge.js";
import { CountdownWidget } from "./widgets/countdown.js";
import { BoughtWidget, CartsWidget, EtaWidget, WatchingWidget } from "./widgets/figures.js";
import { GoalWidget } from "./widgets/goal.js";
import { PulseWidget } from "./widgets/pulse.js";
import { PriceWidget } from "./widgets/price.js";
import { StockWidget } from "./widgets/stock.js";
import { TickerWidget } from "./widgets/ticker.js";
import { TopWidget } from "./widgets/top.js";

const WIDGETS = {
  badge: BadgeWidget,
  countdown: CountdownWidget,
  watching: WatchingWidget,
  pulse: PulseWidget,
  ticker: TickerWidget,
  price: PriceWidget,
  stock: StockWidget,
  bought: BoughtWidget,
  carts: CartsWidget,
  eta: EtaWidget,
  goal: GoalWidget,
  top: TopWidget,
};
for (const [name, widget] of Object.entries(WIDGETS)) customElements.define(`snapup-${name}`, widget);

/** Define the widgets of those mechanics that the address asks for; the others are not loaded. */
async function defineMechanics(wanted) {
  const names = new Set(wanted.map(({ name }) => name));
  const asked = MECHANICS.filter(({ homes }) => Object.keys(homes).some((name) => names.has(name)));
  await Promise.all(
    asked.map(async ({ name: mechanic }) => {
      try {
        const { widgets, styles } = await import(`../mechanics/${mechanic}/widget.js`);
        if (styles) document.head.append(h("link", { rel: "stylesheet", href: styles }));
        for (const [name, widget] of Object.entries(widgets)) customElements.define(`snapup-${name}`, widget);
      } catch (error) {
        console.error(mechanic, error); // its widgets stay away, the others show
      }
    }),
  );
}

adoptCustomCss();
const params = paramsOf(new URLSearchParams(location.search));
const lang = languageOf(params.lang);
const strings = LANGUAGES[lang];
const root = document.documentElement;
root.lang = lang;
root.dir = params.dir || strings.dir;
// The layout may be mirrored, but a sentence keeps the direction of its language.
root.style.setProperty("--snapup-words", strings.dir);
root.dataset.theme = params.theme;
root.style.setProperty("--snapup-scale", String(params.scale));
if (params.motion === "off") turnMotionOff();
applyPreset(params.preset, root);
document.title = strings.overlay.title;

const stage = document.querySelector("main");
await defineMechanics(params.widgets);
if (params.room || params.sample) show();
else stage.append(h("p.mistake", {}, strings.overlay.noRoom));

function show() {
  const room = params.sample ? new SampleRoom() : new SnapupRoom({ ...askedOf(params), room: params.room, token: params.token });
  const subject = new Subject(params.sample ? undefined : new Agreed(params.room));
  const context = { room, subject, params, strings, lang };
  const known = params.widgets.filter(({ name }) => customElements.get(`snapup-${name}`));
  const widgets = known.map(({ name, place }) => {
    const widget = document.createElement(`snapup-${name}`);
    widget.hidden = true;
    widget.context = context;
    return { name, widget, place };
  });
  if (widgets.length === 1) {
    stage.dataset.alone = widgets[0].name;
    stage.append(widgets[0].widget);
  } else {
    for (const place of PLACES) {
      const here = widgets.filter((each) => each.place === place).map(({ widget }) => widget);
      if (here.length) stage.append(h(`div.place.${place}`, {}, ...here));
    }
  }
  if (params.sample) stage.append(h("p.sample", {}, strings.overlay.sample));

  if (params.debug) import("./debug.js").then(({ DebugPanel }) => document.body.append(...new DebugPanel(context).elements));

  let timer = 0;
  let asked = false;
  // No animation frame is requested: if nothing changes, nothing is drawn.
  const look = () => {
    asked = false;
    clearTimeout(timer);
    let nextMs = subject.look(context);
    for (const { widget } of widgets) nextMs = Math.min(nextMs, widget.update());
    if (nextMs < Infinity && !document.hidden) timer = setTimeout(look, Math.min(nextMs, 2 ** 31 - 1));
  };
  room.addEventListener("change", () => {
    if (asked) return;
    asked = true;
    queueMicrotask(look);
  });
  room.start();
  if (!params.sample) keepThisPage();
}
