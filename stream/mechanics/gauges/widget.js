// What viewers see of gauges: how many watch as platforms say, and a platform's totals. Nothing is added up.

import { foreign, h, setText, svg } from "../../dom.js";
import { roll } from "../../overlay/motion.js";
import { Widget } from "../../overlay/widget.js";
import { compact, pieces } from "../../text.js";
import { calmAgo, calmAgoChangesIn, figure, platform } from "./said.js";

export const styles = new URL("widget.css", import.meta.url).href;

const EYE = "M12 5c5 0 9 4.2 10.5 7-1.5 2.8-5.5 7-10.5 7S3 14.8 1.5 12C3 9.2 7 5 12 5Zm0 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0 2.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6Z";
const HEART = "M12 20.5C6 16 2.5 12.6 2.5 8.6A4.9 4.9 0 0 1 7.4 3.7c1.9 0 3.5 1 4.6 2.6 1.1-1.6 2.7-2.6 4.6-2.6a4.9 4.9 0 0 1 4.9 4.9c0 4-3.5 7.4-9.5 11.9Z";
const PLATFORMS_SHOWN = 3;

/** Lines, each a figure in words with its icon; below, who says so and how long ago. */
class GaugeWidget extends Widget {
  #lines;

  /** What is known now, as `[{ source, word, icon, readings: [reading] }]`. */
  known() {
    return [];
  }

  view() {
    const { room, params, strings } = this.context;
    const section = room.overlay?.gauges;
    if (!section) return null;
    const words = strings.mechanics.gauges;
    const now = room.now();
    const isKnown = (reading) => Boolean(reading) && reading.value > 0 && reading.at_ms + section.known_for_ms > now;
    const groups = this.known(section, isKnown).map(({ source, said }) => {
      const oldestMs = now - Math.min(...said.map(({ reading }) => reading.at_ms));
      return {
        source,
        who: platform(source, words, params),
        ago: calmAgo(oldestMs, words, strings),
        said: said.map(({ gauge, reading }) => ({ gauge, n: reading.value, text: figure(reading, compact(reading.value, strings)) })),
      };
    });
    if (groups.length === 0) return null;
    return { key: JSON.stringify(groups.map(({ source, said }) => [source, said.map(({ gauge }) => gauge)])), groups };
  }

  build(view) {
    const words = this.context.strings.mechanics.gauges;
    const plate = h("div.plate");
    this.#lines = view.groups.map(({ said }) => {
      const figures = said.map(({ gauge }) => {
        const [word, path] = { viewers_now: [words.watching, EYE], viewers_total: [words.viewed, EYE], likes_total: [words.liked, HEART] }[gauge];
        const node = h("span.figure");
        const icon = svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: path }));
        plate.append(h("div.says", {}, icon, ...pieces(word, { n: node }).map(worded)));
        return node;
      });
      const [who, ago] = [h("span"), h("span")];
      plate.append(h("p.by", {}, ...pieces(words.says, { who, ago }).map(worded)));
      return { figures, who, ago };
    });
    this.append(plate);
  }

  paint(view, before) {
    view.groups.forEach(({ who, ago, said }, place) => {
      const line = this.#lines[place];
      said.forEach(({ n, text }, each) => {
        const was = before?.groups[place].said[each].n;
        roll(line.figures[each], text, was === undefined || was === n ? null : was < n ? "up" : "down");
      });
      if (before?.groups[place].who !== who) line.who.replaceChildren(foreign(who));
      setText(line.ago, ago);
    });
  }

  changesIn() {
    const { room } = this.context;
    const section = room.overlay.gauges;
    const now = room.now();
    const changes = section.sources.flatMap((source) =>
      ["viewers_now", "viewers_total", "likes_total"].flatMap((gauge) => {
        const latest = source[gauge]?.latest;
        if (!latest || latest.at_ms + section.known_for_ms <= now) return [];
        const ageMs = now - latest.at_ms;
        return [calmAgoChangesIn(ageMs), section.known_for_ms - ageMs];
      }),
    );
    return Math.max(1, Math.min(Infinity, ...changes));
  }
}

/** A line for each platform that says how many watch. */
export class ViewersWidget extends GaugeWidget {
  known(section, isKnown) {
    return section.sources
      .filter(({ viewers_now }) => isKnown(viewers_now?.latest))
      .slice(0, PLATFORMS_SHOWN)
      .map(({ source, viewers_now }) => ({ source, said: [{ gauge: "viewers_now", reading: viewers_now.latest }] }));
  }
}

/** The totals of the first platform that says any. */
export class TotalsWidget extends GaugeWidget {
  known(section, isKnown) {
    for (const each of section.sources) {
      const said = ["viewers_total", "likes_total"]
        .filter((gauge) => isKnown(each[gauge]?.latest))
        .map((gauge) => ({ gauge, reading: each[gauge].latest }));
      if (said.length > 0) return [{ source: each.source, said }];
    }
    return [];
  }
}

function worded(piece) {
  return typeof piece === "string" ? h("span", {}, piece) : piece;
}

export const widgets = { viewers: ViewersWidget, totals: TotalsWidget };
