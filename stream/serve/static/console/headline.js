// The first line of a console: what was sold, who is there, what was paid and how often the room was entered. Large.

import { h, setText } from "../dom.js";
import { compact, fill, grouped, share, timeOfDay } from "../text.js";
import { explain } from "./explain.js";
import { setFigure } from "./heard.js";
import { hostMoney, money } from "../money.js";

const MAX_SUMS = 2;

export class Headline {
  #context;
  #figures = {};
  #overlay = null;

  constructor(context) {
    this.#context = context;
    const { console: words } = context.strings;
    this.root = h(
      "section.headline",
      { "aria-label": words.headline.title },
      this.#figure("gmv", words.headline.gmv, () => this.#aboutMoney()),
      this.#figure("watching", words.figures.watching_now, () => [words.figureHelp.watching_now]),
      this.#figure("paid", words.headline.paid, () => [words.figureHelp.paid]),
      this.#figure("viewers", words.stages.viewers, () => [words.headline.viewersHelp]),
    );
  }

  #figure(name, label, about) {
    const value = h("b");
    const beside = h("span.soft");
    const group = h(`div.${name}`, { "data-headline": name }, h("span.label", {}, label), value, beside);
    explain(group, () => [`${label}: ${value.dataset.full ?? "–"}`, beside.textContent, ...about(), this.#asOf()]);
    this.#figures[name] = { value, beside };
    return group;
  }

  /**
   * @param {object|null} overlay
   * @param {{peak: {value: number, atMs: number}|null, before: {minor: number, currency: string}|null}} course  from the
   *   history: the most that were watching, and the sum of the last show at the same minute
   */
  render(overlay, { peak, before }) {
    this.#overlay = overlay;
    const { strings, view } = this.#context;
    const { headline: words, rateHelp } = strings.console;
    const purses = (overlay?.totals.money ?? []).slice(0, MAX_SUMS);
    const sums = (write) => purses.map(({ gmv_paid_minor: minor, currency }) => write(minor, currency)).join(" + ");
    const short = (minor, currency) => hostMoney(minor, currency, view.lang, strings);
    const full = (minor, currency) => money(minor, currency, view.lang, { cents: true });
    this.#set("gmv", purses.length ? sums(short) : "–", purses.length ? sums(full) : "–", this.#comparison(purses[0], before));
    const totals = overlay?.totals ?? null;
    const told = peak === null ? "" : fill(words.peak, { n: grouped(peak.value), time: timeOfDay(peak.atMs, false) });
    this.#set("watching", ...this.#count(totals?.watching_now), told);
    const recent = overlay?.rates.find(({ name, window_ms }) => name === "pay_rate" && window_ms === 300_000);
    this.#set("paid", ...this.#count(totals?.orders.paid), recent ? fill(words.lastMinutes, { n: grouped(recent.num) }) : "");
    const all = overlay?.rates.find(({ name, window_ms }) => name === "watch_to_buy_uv" && (window_ms ?? null) === null);
    const bought = all && all.den > 0 ? fill(words.bought, { share: share(all.num, all.den) }) : "";
    this.#set("viewers", ...this.#count(totals?.viewers.value), bought, rateHelp.watch_to_buy_uv);
  }

  #count(value) {
    if (value === undefined) return ["–", "–"];
    return [value < 100_000 ? grouped(value) : compact(value, this.#context.strings), grouped(value)];
  }

  #set(name, short, full, beside) {
    const figure = this.#figures[name];
    setFigure(figure.value, short, full);
    figure.value.dataset.full = full;
    setText(figure.beside, beside);
  }

  /** How it compares with the last show at the same minute, if that is known. */
  #comparison(purse, before) {
    if (purse === undefined || before === null || before.currency !== purse.currency || before.minor <= 0) return "";
    const percent = Math.round((100 * (purse.gmv_paid_minor - before.minor)) / before.minor);
    return fill(this.#context.strings.console.headline.before, { change: `${percent < 0 ? "−" : "+"}${grouped(Math.abs(percent))} %` });
  }

  #aboutMoney() {
    const { gmvHelp, gmvs } = this.#context.strings.console;
    const purses = this.#overlay?.totals.money ?? [];
    const sum = (minor, currency) => money(minor, currency, this.#context.view.lang, { cents: true });
    const told = ({ gmv_net_minor: net, gmv_placed_minor: placed, currency }) =>
      `${gmvs.net}: ${sum(net, currency)} · ${gmvs.placed}: ${sum(placed, currency)}`;
    return [gmvHelp.paid, ...purses.map(told)];
  }

  #asOf() {
    const { strings } = this.#context;
    if (this.#overlay === null) return null;
    return `${strings.console.totals} · ${fill(strings.console.asOf, { time: timeOfDay(this.#overlay.as_of_ms) })}`;
  }
}
