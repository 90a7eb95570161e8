// The desk of events: what happened, newest first, with its gravity, its product and a button that acknowledges it; with
// a filter, two sounds, notifications of the browser, and a switch that mutes both.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { foreign, h, setText } from "../dom.js";
import { clean, duration, fill, grouped, timeOfDay } from "../text.js";
import { GROUPS } from "./episodes.js";
import { explain } from "./explain.js";
import { keyed } from "./keyed.js";
import { becauseLines, correctionText } from "./reasons.js";
import { Sounds } from "./sounds.js";
import { zoneOf } from "./zone.js";

const MAX_LINES = 80;
/** An acknowledged count that has grown so much asks again. */
const ASKS_AGAIN = 2;
/** Kinds of no alarm that a host likes to hear. */
const SOFT = new Set(["restock", "extended", "available", "opened"]);
const SIGNS = { alert: "!", warn: "▲", info: "·" };

export class Desk {
  #context;
  #list;
  #open;
  #sounds = new Sounds();
  #acked;
  #filters;
  #buttons;
  #isMuted = false;
  #notifies = false;
  #episodes = [];

  /** @param {{strings, view, names, announcer, roomId}} context */
  constructor(context) {
    this.#context = context;
    const words = context.strings.console.desk;
    this.#acked = new Acknowledged(context.roomId);
    this.#list = h("ol.changes", { "aria-label": words.title });
    this.#open = h("b.open", { hidden: true });
    this.#filters = ["", ...GROUPS].map((group) => {
      const button = h("button", { type: "button" }, group ? words.groups[group] : words.all);
      button.addEventListener("click", () => context.view.set({ events: group }));
      return [group, button];
    });
    const tool = (name, press) => {
      const button = h("button.tool", { type: "button", "data-tool": name, "aria-pressed": "false" });
      button.addEventListener("click", press);
      explain(button, () => [button.textContent, words.toolHelp[name]]);
      return button;
    };
    this.#buttons = {
      sound: tool("sound", () => this.#sounds.toggle().then(() => this.#dress())),
      notify: tool("notify", () => this.#askToNotify()),
      mute: tool("mute", () => {
        this.#isMuted = !this.#isMuted;
        this.#dress();
      }),
    };
    this.root = h(
      "section.desk",
      { "aria-label": words.title },
      h(
        "header.bar-head",
        {},
        h("h2", {}, words.title),
        h("span.soft", {}, zoneOf(Date.now())),
        this.#open,
        h("div.desk-tools", {}, ...Object.values(this.#buttons)),
      ),
      h("div.choice", { role: "group", "aria-label": words.filter }, ...this.#filters.map(([, button]) => button)),
      this.#list,
    );
    this.#dress();
  }

  /** An episode has begun: it is heard, notified and announced, each once. */
  begun(episode) {
    const { strings, announcer, leads } = this.#context;
    if (episode.isFirst && episode.severity !== "alert") return;
    const isLeading = episode.kind === "level" && leads(episode.key);
    const text = this.textOf(episode);
    const name = this.#nameOf(episode);
    const told = name ? `${text} · ${name}` : text;
    // Every level change of sixty sales would be noise: that of the leading sale is told.
    if (episode.severity === "alert" || isLeading) announcer.say(told, episode.severity === "alert");
    if (this.#isMuted) return;
    if (episode.severity === "alert") this.#sounds.play("alert");
    else if (SOFT.has(episode.kind) || (episode.severity === "warn" && (episode.kind !== "level" || isLeading))) this.#sounds.play("soft");
    if (this.#notifies && episode.severity === "alert") {
      new Notification(told, { body: `${clean(this.#context.roomId, 64)} · ${strings.console.title}`, tag: episode.id });
    }
  }

  /** Draws the episodes. @param {import("./episodes.js").Episode[]} episodes  oldest first */
  render(episodes) {
    const { strings, view } = this.#context;
    const words = strings.console;
    this.#episodes = episodes;
    for (const [group, button] of this.#filters) button.setAttribute("aria-pressed", String(view.events === group));
    const shown = episodes
      .filter(({ group }) => view.events === "" || view.events === group)
      .slice(-MAX_LINES)
      .sort((a, b) => b.atMs - a.atMs);
    keyed(
      this.#list,
      shown.length ? shown : [null],
      (episode) => (episode === null ? "none" : episode.id),
      (episode) => (episode === null ? h("li.soft", {}, words.urgencyNone) : this.#line(episode)),
      (element, episode) => episode !== null && this.#update(element, episode),
    );
    const open = episodes.filter((episode) => episode.severity === "alert" && !this.#acked.has(episode)).length;
    this.#open.hidden = open === 0;
    setText(this.#open, fill(words.desk.open, { n: grouped(open) }));
  }

  /** The words of an episode: `oversold 0→12`. */
  textOf(episode) {
    return episodeText(episode, this.#context.strings);
  }

  #line(episode) {
    const words = this.#context.strings.console.desk;
    const { kind, severity } = episode;
    const isLevel = kind === "level";
    const label = h("span");
    const mark = h(isLevel ? "span.level" : "span.event", {}, label);
    const acknowledge = h("button.tool.ack", { type: "button" }, words.acknowledge);
    const grave = words.severities[severity];
    const sign = h("span.sign", { title: grave }, h("span", { "aria-hidden": "true" }, SIGNS[severity]), h("span.heard", {}, grave));
    const element = h(
      "li",
      { "data-severity": severity, "data-kind": kind, "data-group": episode.group },
      h("time.soft", {}, timeOfDay(episode.atMs)),
      sign,
      mark,
      h("span.why"),
      h("span.soft.of", {}, foreign(this.#nameOf(episode))),
      acknowledge,
    );
    acknowledge.addEventListener("click", () => {
      this.#acked.add(element.episode);
      this.render(this.#episodes);
      element.tabIndex = -1;
      element.focus();
    });
    element.fields = { mark, label, acknowledge };
    return element;
  }

  #update(element, episode) {
    const { strings } = this.#context;
    const { mark, label, acknowledge } = element.fields;
    element.episode = episode;
    setText(label, this.textOf(episode));
    if (episode.kind === "level" && mark.dataset.level !== episode.value) {
      mark.dataset.level = episode.value;
      mark.replaceChildren(levelIcon(episode.value, RAMP.indexOf(episode.value)), label);
    }
    setText(element.children[3], this.#whyOf(episode));
    setText(element.children[4].firstElementChild, this.#nameOf(episode));
    const isAcked = this.#acked.has(episode);
    acknowledge.hidden = episode.severity !== "alert" || isAcked;
    element.toggleAttribute("data-acked", isAcked && episode.severity === "alert");
    acknowledge.setAttribute("aria-label", `${strings.console.desk.acknowledge}: ${this.textOf(episode)}`);
  }

  #whyOf(episode) {
    const { strings } = this.#context;
    const words = strings.console.desk;
    if (episode.kind === "corrected") return correctionText(episode.correction, strings);
    const lasted = episode.untilMs !== null ? fill(words.lasted, { time: duration(episode.untilMs - episode.atMs, strings) }) : "";
    if (episode.kind === "away") return [strings.console.awayFor[episode.value] ?? "", lasted].filter(Boolean).join(" · ");
    if (episode.kind !== "level") return lasted;
    const why = becauseLines(episode.because, episode.value, strings).join("; ");
    return episode.times > 1 ? `${fill(words.flaps, { n: grouped(episode.times) })}; ${why}` : why;
  }

  #nameOf({ key, sku }) {
    if (!key) return "";
    return sku ? this.#context.names.of(sku) : clean(key, 60);
  }

  async #askToNotify() {
    if (this.#notifies) this.#notifies = false;
    else if ("Notification" in window) this.#notifies = (await Notification.requestPermission()) === "granted";
    this.#dress();
  }

  #dress() {
    const words = this.#context.strings.console.desk;
    const isDenied = "Notification" in window && Notification.permission === "denied";
    const states = { sound: this.#sounds.isOn, notify: this.#notifies, mute: this.#isMuted };
    for (const [name, button] of Object.entries(this.#buttons)) {
      button.setAttribute("aria-pressed", String(states[name]));
      setText(button, words.tools[name][states[name] ? "on" : "off"]);
    }
    if (isDenied) setText(this.#buttons.notify, words.tools.notify.denied);
  }
}

/** The words of an episode, for the desk, for charts and for a screen reader. */
export function episodeText(episode, strings) {
  const words = strings.console.events;
  const { kind, value } = episode;
  if (kind === "level") return Object.hasOwn(strings.levels, value) ? strings.levels[value] : clean(String(value), 20);
  if (kind === "extended") return fill(words.extended, { time: timeOfDay(value) });
  if (kind === "corrected") {
    const { what } = episode.correction;
    return Object.hasOwn(words.corrected, what) ? words.corrected[what] : clean(what, 20);
  }
  const own = strings.console.desk.kinds;
  return fill(Object.hasOwn(own, kind) ? own[kind] : words[kind], { n: grouped(Number(value) || 0) });
}

/** What a host has acknowledged, kept for this tab. A count that has doubled since then is not. */
class Acknowledged {
  #name;
  #values;

  constructor(roomId) {
    this.#name = `snapup-acknowledged ${roomId}`;
    this.#values = new Map();
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.#name) ?? "[]");
      if (Array.isArray(kept)) this.#values = new Map(kept);
    } catch {
      // Nothing is kept, or no longer readable.
    }
  }

  add(episode) {
    this.#values.set(this.#keyOf(episode), episode.value);
    try {
      sessionStorage.setItem(this.#name, JSON.stringify([...this.#values].slice(-200)));
    } catch {
      // It holds until the page is left.
    }
  }

  has(episode) {
    const value = this.#values.get(this.#keyOf(episode));
    if (value === undefined) return false;
    return typeof value !== "number" || typeof episode.value !== "number" || episode.value < value * ASKS_AGAIN;
  }

  #keyOf({ kind, key, atMs, untilMs, value }) {
    // A count that goes on is the same one after a reload, which sees it begin later.
    return typeof value === "number" && untilMs === null ? `${kind} ${key}` : `${kind} ${key} ${atMs}`;
  }
}
