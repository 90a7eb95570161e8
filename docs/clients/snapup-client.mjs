// Sends events to Snapup's gateway. Copy this file: it needs nothing. Node 20 or newer, Deno, Bun, browsers. docs/clients.md
// describes it.

const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 30_000;
const RETRY_AFTER_MAX_S = 300;
const GOOD = [200, 202, 207];

/**
 * One for the life of the process or page. `send` gives an id: the event is kept until Kafka has it.
 *
 * Counts: `sent` = `acknowledged` + `refused` + `waiting`, besides what an earlier process left in the spool; `dropped` were
 * never taken. `problem` says why the last try failed; null: it did not.
 */
export class SnapupClient {
  sent = 0;
  acknowledged = 0;
  refused = 0;
  dropped = 0;
  problem = null;
  #url; #options; #spool; #keys; #chars = 0; #isRunning = false; #isClosing = false; #number = 0; #wake = () => {};

  /** `spool`: a Map (memory), `storageSpool(localStorage)` or `await folderSpool(path)`. `onRefused(event, error)`. */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = {
      key: "", spool: new Map(), spoolMaxChars: 16e6, batchMaxEvents: 500, batchMaxChars: 250_000, lingerMs: 100,
      timeoutMs: 15_000, onRefused: () => {}, ...options,
    };
    this.#spool = this.#options.spool;
    this.#keys = [...this.#spool.keys()].sort();
    for (const key of this.#keys) this.#chars += this.#spool.get(key)?.length ?? 0;
    this.#start();
  }

  get waiting() {
    return this.#keys.length;
  }

  /** Take an event and return its id; null: the spool is full, it was dropped and counted. `event_id` is made here, once. */
  send(type, roomId, fields = {}) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    const id = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const event = { type, event_id: id, room_id: roomId, event_time_ms: Date.now(), ...fields };
    const text = JSON.stringify(event);
    // In the order of sending, also over a restart; two pages never take one place.
    const place = `${String(Date.now()).padStart(15, "0")}-${String(this.#number++).padStart(9, "0")}-${id.slice(0, 8)}`;
    try {
      if (this.#isClosing || this.#chars + text.length > this.#options.spoolMaxChars) throw new RangeError("full");
      this.#spool.set(place, text);
    } catch {
      this.dropped += 1;
      return null;
    }
    this.sent += 1;
    this.#chars += text.length;
    this.#keys.push(place);
    this.#start();
    return event.event_id;
  }

  /** Whether nothing waits any more, within this time. */
  async flush(timeoutMs = 10_000) {
    for (const until = Date.now() + timeoutMs; this.waiting && Date.now() < until; ) await pause(20);
    return this.waiting === 0;
  }

  /** Whether all was delivered. What was not stays in the spool; a Map ends with the process. */
  async close(timeoutMs = 10_000) {
    const isDone = await this.flush(timeoutMs);
    this.#isClosing = true;
    this.#wake();
    return isDone;
  }

  async #start() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { batchMaxEvents, batchMaxChars, lingerMs } = this.#options;
    for (let failures = 0, most = batchMaxEvents; this.waiting && !this.#isClosing; ) {
      if (this.waiting < most) await pause(lingerMs);
      const keys = [], texts = [];
      for (let chars = 0; keys.length < Math.min(most, this.waiting); ) {
        const text = this.#spool.get(this.#keys[keys.length]) ?? "";
        chars += text.length;
        if (keys.length && chars > batchMaxChars) break;
        keys.push(this.#keys[keys.length]);
        texts.push(text);
      }
      // Another page that shares this storage may have delivered some: those are gone, and done.
      const there = texts.filter((text) => text !== "");
      const { status, answer, afterS } = there.length ? await this.#post(`[${there.join(",")}]`) : { status: 202, answer: {} };
      let errors = (answer.errors ?? []).filter(({ index }) => index in there);
      if ((status === 400 || status === 413) && !errors.length) { // one of them, or all together: alone it will show
        most = Math.max(Math.floor(keys.length / 2), 1);
        if (keys.length === 1) errors = [{ index: 0, reason: answer.title ?? String(status) }];
      }
      if (GOOD.includes(status) || errors.length) {
        this.#keys.splice(0, keys.length);
        keys.forEach((key) => this.#spool.delete(key));
        texts.forEach((text) => (this.#chars -= text.length));
        this.refused += errors.length;
        this.acknowledged += there.length - errors.length;
        failures = 0;
        most = Math.min(most * 2, batchMaxEvents);
        for (const error of errors) this.#tell(JSON.parse(there[error.index]), error);
      } else if (status !== 400 && status !== 413) {
        // Kafka or the gateway is away, or the key or the address is wrong: no fault of the events.
        failures += 1;
        const backoffMs = Math.min(BACKOFF_MS * 2 ** Math.min(failures, 20), BACKOFF_MAX_MS) * (0.5 + Math.random() / 2);
        const woken = new Promise((wake) => (this.#wake = wake));
        await Promise.race([pause(Math.max(afterS * 1000 * (1 + Math.random() / 5), backoffMs)), woken]);
      }
    }
    this.#isRunning = false;
  }

  #tell(event, error) {
    try {
      this.#options.onRefused(event, error);
    } catch (thrown) {
      this.problem = String(thrown);
    }
  }

  /** The status (0: none came), the answer, and the seconds of Retry-After. */
  async #post(body) {
    const { key, timeoutMs } = this.#options;
    const headers = { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(this.#url, { method: "POST", headers, body, signal });
      const answer = (await response.json().catch(() => ({}))) ?? {};
      const { status } = response;
      this.problem = GOOD.includes(status) ? null : `${status} ${answer.title ?? ""} ${answer.detail ?? ""}`.trim();
      const after = Number(response.headers.get("Retry-After") ?? 0);
      return { status, answer, afterS: after > 0 ? Math.min(after, RETRY_AFTER_MAX_S) : 0 };
    } catch (error) {
      this.problem = String(error.cause ?? error);
      return { status: 0, answer: {}, afterS: 0 };
    }
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** A spool in `localStorage`: it outlives the page. A full storage drops, and counts. */
export function storageSpool(storage, prefix = "snapup:") {
  return {
    keys: () => Object.keys(storage).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    get: (key) => storage.getItem(prefix + key) ?? undefined,
    set: (key, text) => storage.setItem(prefix + key, text),
    delete: (key) => storage.removeItem(prefix + key),
  };
}

/** A spool in a folder (Node, Deno, Bun), of this process alone: a file for each event, which outlives a kill. */
export async function folderSpool(folder) {
  const fs = await import("node:fs");
  fs.mkdirSync(folder, { recursive: true });
  const read = (key) => (fs.existsSync(`${folder}/${key}`) ? fs.readFileSync(`${folder}/${key}`, "utf-8") : undefined);
  return {
    keys: () => fs.readdirSync(folder).filter((name) => !name.endsWith(".part")),
    get: read,
    set: (key, text) => {
      fs.writeFileSync(`${folder}/${key}.part`, text);
      fs.renameSync(`${folder}/${key}.part`, `${folder}/${key}`);
    },
    delete: (key) => fs.rmSync(`${folder}/${key}`, { force: true }),
  };
}
