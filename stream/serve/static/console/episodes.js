// What happened in a room, one episode for each happening: a sale that is oversold unit by unit is one line that grows,
// and a level that flaps is one line that says so. Knows no page.

/** What follows within this time belongs to the same episode. */
const QUIET_MS = 60_000;
const EPISODES_MAX = 400;
/** The server's history tells moments as exactly as this. */
const STEP_MS = 10_000;

export const GROUPS = ["stock", "money", "fraud", "pipeline"];

/** Kind → its group, and how grave it is. */
const KINDS = {
  opened: ["stock", "info"],
  scheduled: ["stock", "info"],
  ended: ["stock", "info"],
  round: ["stock", "info"],
  corrected: ["stock", "warn"],
  extended: ["stock", "info"],
  restock: ["stock", "info"],
  available: ["stock", "info"],
  level: ["stock", "info"],
  oversold: ["stock", "alert"],
  over_limit: ["fraud", "warn"],
  suspects: ["fraud", "warn"],
  cancelled: ["money", "info"],
  refunded: ["money", "warn"],
  partly_undone: ["money", "info"],
  misplaced: ["pipeline", "alert"],
  away: ["pipeline", "alert"],
  gap: ["pipeline", "warn"],
};
/** Counts of a sale: an episode lasts while the count is above 0. */
const COUNTS = { oversold: "oversold", over_limit: "over_limit", suspects: "suspect_units" };
/** Kinds whose values add up within an episode. */
const SUMS = new Set(["restock", "cancelled", "refunded", "partly_undone"]);
/** Kinds that are one episode while they come again soon. */
const REPEATS = new Set(["extended", "available"]);
const GRAVE_LEVELS = new Set(["last_call", "all_taken", "sold_out"]);
/** The server's word for a mark → ours; others are told by the level. */
const MARKS = {
  level: "level",
  sale_opened: "opened",
  sale_ended: "ended",
  restocked: "restock",
  oversold: "oversold",
  over_limit: "over_limit",
  brushing: "suspects",
  gap: "gap",
};

export const saleKey = ({ sale_id, sku_id }) => `${sale_id}/${sku_id}`;

/**
 * @typedef {object} Episode
 * @property {string} id
 * @property {string} kind
 * @property {string} group      one of `GROUPS`
 * @property {"alert"|"warn"|"info"} severity
 * @property {string} key        of the sale; "" is the room
 * @property {string|null} sku
 * @property {number} atMs       its beginning
 * @property {number} lastMs     its last change
 * @property {number|null} untilMs  its end; null: it goes on, or has no length
 * @property {number|string|null} value
 * @property {number} times      how often it came
 * @property {boolean} isFirst   it was there when the page was opened
 */
export class Episodes {
  /** Oldest first. */
  list = [];
  #tracks = new Map();
  #before = null;
  #seenFromMs = Infinity;
  #onBegin;

  /** @param {(episode: Episode) => void} onBegin  called once for each episode, when it begins */
  constructor(onBegin = () => {}) {
    this.#onBegin = onBegin;
  }

  /** Takes a document that is newer than the last. */
  take(overlay) {
    const old = this.#before;
    this.#before = overlay;
    this.#seenFromMs = Math.min(this.#seenFromMs, overlay.as_of_ms);
    const before = new Map((old?.sales ?? []).map((sale) => [saleKey(sale), sale]));
    const atMs = overlay.as_of_ms;
    for (const sale of overlay.sales) {
      const was = before.get(saleKey(sale));
      const key = saleKey(sale);
      const sku = sale.sku_id;
      for (const event of was === undefined ? firstEvents(sale, old !== null) : eventsBetween(was, sale)) {
        this.add({ atMs, key, sku, isFirst: old === null, ...event });
      }
      for (const [kind, field] of Object.entries(COUNTS)) this.#count({ kind, key, sku, atMs, value: sale[field], isFirst: old === null });
    }
    const isMisplaced = overlay.withheld.some(({ reason }) => reason === "records_misplaced");
    this.#count({ kind: "misplaced", key: "", sku: null, atMs, value: Number(isMisplaced), isFirst: old === null });
    if (old !== null) this.#watchOrders(old.totals.orders, overlay.totals.orders, atMs);
  }

  /** The figures do not come any more, for a reason of `away.js`; null: they come. */
  away(reason, atMs) {
    this.#count({ kind: "away", key: "", sku: null, atMs, value: reason ?? 0, isFirst: false });
  }

  /** Takes the marks of the server's history, as far as they are older than what this page saw itself. */
  remember(marks) {
    const past = new Episodes();
    for (const mark of [...marks].sort((a, b) => a.at_ms - b.at_ms)) {
      const kind = Object.hasOwn(MARKS, mark.kind) ? MARKS[mark.kind] : null;
      if (kind === null) continue;
      const key = mark.sale_id === undefined || mark.sale_id === null ? "" : saleKey(mark);
      const untilMs = mark.until_ms ?? null;
      const mine = this.#tracks.get(`${kind} ${key}`);
      if (kind in COUNTS && mine !== undefined && mine.untilMs === null && untilMs === null) {
        mine.atMs = Math.min(mine.atMs, mark.at_ms); // the same one, seen from its beginning
      } else if (mark.at_ms < this.#seenFromMs && !(kind === "level" && this.#knows(key, mark))) {
        const value = kind === "level" ? String(mark.value) : Number(mark.value) || 0;
        past.add({ kind, key, sku: mark.sku_id ?? null, atMs: mark.at_ms, value, untilMs, isFirst: true });
      }
    }
    // Asked again, the server tells the same marks again.
    const known = new Set(this.list.map(({ id }) => id));
    const added = past.list.filter(({ id }) => !known.has(id));
    this.list = [...added, ...this.list].sort((a, b) => a.atMs - b.atMs).slice(-EPISODES_MAX);
  }

  /** Whether the level of a mark is the one that a sale had when the page was opened. */
  #knows(key, mark) {
    const isIt = (each) => each.kind === "level" && each.key === key && each.value === mark.value && each.isFirst;
    return this.list.some((each) => isIt(each) && Math.abs(each.atMs - mark.at_ms) <= STEP_MS);
  }

  /** Begins an episode, or goes on with the one that the event belongs to. */
  add(event) {
    const track = `${event.kind} ${event.key}`;
    const open = this.#tracks.get(track);
    const isSoon = open !== undefined && event.atMs - open.lastMs <= QUIET_MS;
    if (isSoon && SUMS.has(event.kind)) this.#goOn(open, event, open.value + event.value);
    else if (isSoon && REPEATS.has(event.kind)) this.#goOn(open, event, event.value ?? null);
    else if (isSoon && event.kind === "level" && open.path.includes(event.value)) this.#goOn(open, event, event.value);
    else this.#begin(track, event, isSoon ? open : undefined);
  }

  #count(event) {
    const track = `${event.kind} ${event.key}`;
    const open = this.#tracks.get(track);
    const isOn = event.value !== 0;
    if (open === undefined || open.untilMs !== null) {
      if (isOn) this.#begin(track, event);
    } else if (!isOn) open.untilMs = open.lastMs = event.atMs;
    else if (open.value !== event.value) this.#goOn(open, event, event.value);
  }

  #goOn(open, { atMs, because }, value) {
    open.value = value;
    open.lastMs = atMs;
    open.times += 1;
    if (because !== undefined) open.because = because;
  }

  #begin(track, event, before) {
    const { kind, key, atMs, value = null, untilMs = null } = event;
    const [group, severity] = KINDS[kind];
    const isGrave = kind === "level" && GRAVE_LEVELS.has(value);
    const episode = {
      ...event,
      id: `${kind} ${key} ${atMs} ${kind in COUNTS || kind === "away" ? "" : value}`,
      group,
      severity: isGrave ? "warn" : severity,
      lastMs: atMs,
      untilMs,
      value,
      times: 1,
      path: kind === "level" ? [...(before?.path ?? [event.was]), value] : null,
    };
    this.#tracks.set(track, episode);
    this.list.push(episode);
    if (this.list.length > EPISODES_MAX) this.list.splice(0, this.list.length - EPISODES_MAX);
    this.#onBegin(episode);
  }

  #watchOrders(old, now, atMs) {
    for (const kind of ["cancelled", "refunded", "partly_undone"]) {
      const more = (now[kind] ?? 0) - (old[kind] ?? 0);
      // Fewer than before: a new session began.
      if (more > 0) this.add({ kind, key: "", sku: null, atMs, value: more, isFirst: false });
    }
  }
}

function* firstEvents(sale, appeared) {
  if (appeared) yield { kind: sale.status === "scheduled" ? "scheduled" : "opened" };
  const { level, because, since_ms: atMs } = sale.urgency;
  yield { kind: "level", value: level, because, atMs, isFirst: true };
}

function* eventsBetween(old, sale) {
  const isAnew = roundOf(sale) > roundOf(old);
  if (isAnew) yield { kind: "round", value: roundOf(sale) };
  for (const correction of newCorrections(old, sale)) {
    yield { kind: "corrected", value: `${correction.what} ${correction.said_at_ms}`, correction };
  }
  if (old.status !== sale.status && sale.status === "scheduled") yield { kind: "scheduled" };
  if (old.status !== sale.status && sale.status === "open") {
    yield sale.starts_at_ms === null ? { kind: "opened" } : { kind: "opened", atMs: sale.starts_at_ms };
  }
  if (sale.restocked > old.restocked) yield { kind: "restock", value: sale.restocked - old.restocked };
  const isLater = sale.ends_at_ms !== null && old.ends_at_ms !== null && sale.ends_at_ms > old.ends_at_ms;
  if (isLater && sale.extended && !isAnew) yield { kind: "extended", value: sale.ends_at_ms };
  // The units of a new round were never out of stock.
  const isBack = old.available === 0 && sale.available > 0 && sale.restocked === old.restocked;
  if (isBack && !isAnew) yield { kind: "available" };
  if (old.status !== sale.status && sale.status === "ended") yield { kind: "ended" };
  if (old.urgency.level !== sale.urgency.level) {
    const { level, because, since_ms: atMs } = sale.urgency;
    yield { kind: "level", value: level, was: old.urgency.level, because, atMs };
  }
}

/** The number of the present round. */
const roundOf = (sale) => (sale.former?.rounds ?? 0) + 1;

/** The corrections of a document that the one before it did not show. */
function newCorrections(old, sale) {
  const nameOf = (each) => `${each.what} ${each.said_at_ms}`;
  const known = new Set((old.corrections ?? []).map(nameOf));
  return (sale.corrections ?? []).filter((each) => !known.has(nameOf(each)));
}
