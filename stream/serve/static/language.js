// The language of a page. Another language is one more file in `strings/` and one more line here.

import { MECHANICS } from "./mechanics/mechanics.js";
import { CONSOLE_EN } from "./strings/console-en.js";
import { CONSOLE_ZH_CN } from "./strings/console-zh-CN.js";
import { EN } from "./strings/en.js";
import { ZH_CN } from "./strings/zh-CN.js";

export const LANGUAGES = { "zh-CN": spoken("zh-CN", ZH_CN, CONSOLE_ZH_CN), en: spoken("en", EN, CONSOLE_EN) };

/** The words of the pages with those of the mechanics: `mechanics.<name>`, and their widgets in the builder. */
function spoken(tag, words, host) {
  const mechanics = Object.fromEntries(MECHANICS.map(({ name, words: theirs }) => [name, theirs[tag]]));
  const names = Object.values(mechanics).map(({ widgetNames }) => widgetNames);
  const builder = { ...words.builder, widgetNames: Object.assign({}, words.builder.widgetNames, ...names) };
  return { ...words, console: { ...words.console, ...host }, builder, mechanics };
}

/** The language asked for, else the reader's first language that exists here, else zh-CN. */
export function languageOf(wanted, readers = navigator.languages) {
  for (const tag of [wanted, ...(readers ?? [])]) {
    const found = Object.keys(LANGUAGES).find(
      (known) => known === tag || (tag && known.split("-")[0] === tag.toLowerCase().split("-")[0]),
    );
    if (found) return found;
  }
  return "zh-CN";
}
