// Figures and untrusted text for people. Here foreign text loses every power over a page but to be read.

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

// Controls, format characters (which turn the direction of writing or have no width), private and unassigned
// characters, line separators, enclosing marks, blank fillers that count as letters, and tags.
const STEERS = /[\p{C}\p{Zl}\p{Zp}\p{Me}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800]/gu;
// Variation selectors show nothing by themselves. Without a selector a character has its ordinary look.
const SELECTORS = /[\ufe00-\ufe0f\u180b-\u180f\u{e0100}-\u{e01ef}]/gu;
// Two marks on a letter belong to languages. More build a tower over other people's lines.
const TOWER = /(\p{Mn}{2})\p{Mn}+/gu;
// What has no width and still belongs to the writing. Within a word of a script that joins its letters, a joiner or a
// non-joiner shows how two of them meet, as in Persian and Hindi. Between pictures a joiner makes one of them, with the
// selector that says "as a picture"; a frame makes a key of a digit; tags make the flags of three countries.
const LETTER = "[" + "Arab Syrc Nkoo Mong Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr Mymr Tibt".replace(/\w+ ?/g, (script) => `\\p{scx=${script.trim()}}`) + "]";
const PICTURE = "\\p{Extended_Pictographic}";
const BELONGS = new RegExp(
  [
    `(?<=(?=\\p{L})${LETTER}\\p{M}{0,2})[\\u200c\\u200d](?=(?=\\p{L})${LETTER})`,
    `(?<=${PICTURE}[\\ufe0f\\u{1f3fb}-\\u{1f3ff}]?)\\u200d(?=${PICTURE})`,
    `(?<=${PICTURE})\\ufe0f`,
    "(?<=[0-9#*])\\ufe0f?\\u20e3",
    "(?<=\\u{1f3f4})\\u{e0067}\\u{e0062}(?:\\u{e0065}\\u{e006e}\\u{e0067}|\\u{e0073}\\u{e0063}\\u{e0074}|\\u{e0077}\\u{e006c}\\u{e0073})\\u{e007f}",
  ].join("|"),
  "gu",
);
const graphemes = typeof Intl.Segmenter === "function" ? new Intl.Segmenter("und", { granularity: "grapheme" }) : null;

/**
 * Text that cannot steer a page: characters without a look become `·`, unless they belong to the writing, and the length
 * is bounded. What belongs together is not cut in two.
 */
export function clean(text, maxChars = 80) {
  if (typeof text !== "string") return "";
  // Cut first: a text of a million characters then costs no more than a short one.
  const cut = cutOff(text.slice(0, maxChars * 4 + 4), maxChars);
  let [said, at] = ["", 0];
  for (const { 0: kept, index } of cut.matchAll(BELONGS)) {
    said += plain(cut.slice(at, index)) + kept;
    at = index + kept.length;
  }
  return (said + plain(cut.slice(at))).replace(TOWER, "$1");
}

function plain(text) {
  return text.replace(SELECTORS, "").replace(STEERS, "·");
}

/** At most `maxChars` characters, the last of them `…` where some are missing. */
function cutOff(text, maxChars) {
  const chars = Array.from(text);
  if (chars.length <= maxChars) return chars.join("");
  let kept = "";
  let count = 0;
  for (const { segment } of graphemes?.segment(text) ?? []) {
    count += Array.from(segment).length;
    if (count > maxChars - 1) break;
    kept += segment;
  }
  // One that is longer than everything is no writing.
  return `${kept || chars.slice(0, maxChars - 1).join("")}…`;
}

/** 12345 → `12,345`. */
export function grouped(number) {
  return Math.trunc(number).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** The number shortened in the reader's language and rounded down: `12.3 万`, `123K`. Below ten thousand it is whole. */
export function compact(number, strings) {
  if (number < 10_000) return grouped(number);
  for (const [size, unit] of strings.sizes) {
    if (number < size) continue;
    const whole = Math.floor(number / size);
    const digits = Math.max(0, 3 - String(whole).length);
    const rest = String(Math.floor(((number % size) * 10 ** digits) / size)).padStart(digits, "0");
    return `${grouped(whole)}${digits && Number(rest) ? `.${rest.replace(/0+$/, "")}` : ""}${unit}`;
  }
  return grouped(number);
}

/** The time left, rounded down like a clock: `4:12`, `1:04:12`, `3 d 4 h`; tenths (`9.8`) in the last ten seconds. */
export function countdown(ms, strings) {
  const left = Math.max(ms, 0);
  if (left < 10 * SECOND_MS) return (Math.floor(left / 100) / 10).toFixed(1);
  return clockOf(left, strings);
}

/** The ms until the text of `countdown` changes: the page sleeps that long. */
export function countdownChangesIn(ms) {
  if (ms <= 0) return Infinity;
  const step = ms <= 10 * SECOND_MS ? 100 : SECOND_MS;
  return (ms % step) + 1;
}

function clockOf(ms, strings) {
  const seconds = Math.floor(ms / SECOND_MS);
  const two = (value) => String(value).padStart(2, "0");
  if (ms >= 2 * DAY_MS) {
    return fill(strings.days, { d: Math.floor(ms / DAY_MS), h: Math.floor((ms % DAY_MS) / HOUR_MS) });
  }
  const minutes = Math.floor(seconds / 60);
  if (ms < HOUR_MS) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** A span, rounded down: `0.4 s`, `42 s`, `4:12`, `1:04:12`. */
export function duration(ms, strings) {
  const left = Math.max(ms, 0);
  if (left < 10 * SECOND_MS) return fill(strings.seconds, { n: (Math.floor(left / 100) / 10).toFixed(1) });
  if (left < MINUTE_MS) return fill(strings.seconds, { n: Math.floor(left / SECOND_MS) });
  return clockOf(left, strings);
}

/** A window: `5 min`, `10 s`. */
export function windowOf(ms, strings) {
  if (ms === null || ms === undefined) return strings.session;
  return ms % MINUTE_MS === 0 ? fill(strings.minutes, { n: ms / MINUTE_MS }) : fill(strings.seconds, { n: ms / 1000 });
}

/**
 * An interval, rounded outwards so that it promises no less: `1.4–2.6 s`, `14–59 s`, `2–5 min`. In one unit, unless the
 * earlier end is less than one of it: `50 s–4 min`.
 */
export function span(lowMs, highMs, strings) {
  const of = (unit, size, digits = 0) =>
    fill(unit, {
      n: `${(Math.floor((lowMs * 10 ** digits) / size) / 10 ** digits).toFixed(digits)}–${(
        Math.ceil((highMs * 10 ** digits) / size) /
        10 ** digits
      ).toFixed(digits)}`,
    });
  if (highMs < 10 * SECOND_MS) return of(strings.seconds, SECOND_MS, 1);
  if (highMs < 2 * MINUTE_MS) return of(strings.seconds, SECOND_MS);
  const mixed = (lower, lowerMs, unit, size) =>
    `${fill(lower, { n: Math.floor(lowMs / lowerMs) })}–${fill(unit, { n: Math.ceil(highMs / size) })}`;
  if (highMs < 2 * HOUR_MS) {
    const isMixed = lowMs >= SECOND_MS && lowMs < MINUTE_MS;
    return isMixed ? mixed(strings.seconds, SECOND_MS, strings.minutes, MINUTE_MS) : of(strings.minutes, MINUTE_MS);
  }
  const isMixed = lowMs >= MINUTE_MS && lowMs < HOUR_MS;
  return isMixed ? mixed(strings.minutes, MINUTE_MS, strings.hours, HOUR_MS) : of(strings.hours, HOUR_MS);
}

/**
 * The text of an interval for viewers: `{ word, text }`, such as under `30 s` or about `2 min`. Never tenths: the
 * interval is a forecast. Up to a minute the later end counts, beyond it the middle, in whole minutes.
 */
export function roughly(lowMs, highMs, strings) {
  const under = [10, 20, 30].find((seconds) => highMs <= seconds * SECOND_MS);
  if (under) return { word: "under", text: fill(strings.seconds, { n: under }) };
  if (highMs <= MINUTE_MS) return { word: "under", text: fill(strings.minutes, { n: 1 }) };
  const middle = (lowMs + highMs) / 2;
  if (middle < 90 * MINUTE_MS) {
    return { word: "about", text: fill(strings.minutes, { n: Math.max(1, Math.round(middle / MINUTE_MS)) }) };
  }
  return { word: "about", text: fill(strings.hours, { n: Math.round(middle / HOUR_MS) }) };
}

/** A share in per cent, rounded down: 100 % means all. A share below 1 % keeps two significant digits. */
export function share(num, den) {
  if (!(den > 0)) return "–";
  const percent = (100 * num) / den;
  if (percent >= 1 || num <= 0) return `${(Math.floor(percent * 10 + 1e-9) / 10).toFixed(1)} %`;
  const digits = Math.min(6, 1 - Math.floor(Math.log10(percent)));
  return `${(Math.floor(percent * 10 ** digits + 1e-9) / 10 ** digits).toFixed(digits)} %`;
}

// ISO 4217: currencies whose minor unit is not a hundredth.
const WHOLE = new Set("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" "));
const THOUSANDTHS = new Set("BHD IQD JOD KWD LYD OMR TND".split(" "));

/** The number of minor units in one unit of the currency. */
export function minorUnits(currency) {
  return WHOLE.has(currency) ? 1 : THOUSANDTHS.has(currency) ? 1000 : 100;
}

/** Minor units → `1,234.50`, without the currency. */
export function amount(minor, currency) {
  const units = minorUnits(currency);
  const whole = Math.floor(Math.abs(minor) / units);
  const digits = String(units).length - 1;
  const rest = digits ? `.${String(Math.abs(minor) % units).padStart(digits, "0")}` : "";
  return `${minor < 0 ? "−" : ""}${grouped(whole)}${rest}`;
}

/** A price in the reader's language; null: there is none, or nobody said in which currency. */
export function priced(minor, currency, lang) {
  if (!Number.isSafeInteger(minor) || typeof currency !== "string" || !/^[A-Z]{3}$/.test(currency)) return null;
  const units = minorUnits(currency);
  const digits = minor % units === 0 ? 0 : String(units).length - 1;
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(lang, { style: "currency", currency, ...fixed }).format(minor / units);
}

/** The time of day in this computer's zone: `20:15:03`. */
export function timeOfDay(epochMs, seconds = true) {
  const moment = new Date(epochMs);
  if (Number.isNaN(moment.getTime())) return "–";
  const two = (value) => String(value).padStart(2, "0");
  const text = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  return seconds ? `${text}:${two(moment.getSeconds())}` : text;
}

/** `{name}` in a text → its value. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A text with `{name}` → pieces for a page: strings, and for each name the node or text in `values`. */
export function pieces(text, values) {
  return text
    .split(/(\{\w+\})/)
    .filter(Boolean)
    .map((piece) => values[/^\{(\w+)\}$/.exec(piece)?.[1]] ?? piece);
}

/** How many orders of a session were cancelled and refunded, and of how many a part was, where there are any. */
export function undoneText({ cancelled, refunded, partly_undone: inPart = 0 }, strings) {
  const whole = fill(strings.report.undoneOf, { cancelled: grouped(cancelled), refunded: grouped(refunded) });
  return inPart > 0 ? whole + fill(strings.report.undoneInPart, { n: grouped(inPart) }) : whole;
}
