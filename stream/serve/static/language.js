// The language of a page. Another language is one more file in `strings/` and one more line here.

import { EN } from "./strings/en.js";
import { ZH_CN } from "./strings/zh-CN.js";

export const LANGUAGES = { "zh-CN": ZH_CN, en: EN };

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
