// Where the views of a room came from, and what each source is called.

import { clean } from "./text.js";

/** Where people came from: `[{ source, other, num, den }]`, the most first; empty: the document does not say. */
export function sourcesOf(overlay, most) {
  const listed = Array.isArray(overlay.sources) ? overlay.sources : [];
  const known = listed.filter((each) => Number.isSafeInteger(each?.views) && each.views > 0);
  const den = known.reduce((sum, each) => sum + each.views, 0);
  return known
    .sort((one, other) => other.views - one.views)
    .slice(0, most)
    .map((each) => ({ source: typeof each.source === "string" ? each.source : null, other: each.other === true, num: each.views, den }));
}

/** The name of a source as `sourcesOf` or a report has it: the reader's word where there is one, else the platform's. */
export function nameOfSource({ source, other }, strings, most = 40) {
  const words = strings.wall;
  if (source === null) return other ? words.otherSources : words.noSource;
  return Object.hasOwn(words.sourceNames, source) ? words.sourceNames[source] : clean(source, most);
}
