// The server's clock as this page can know it, whatever the computer's own clock says.

const KEEP_MS = 60_000;
/** Wall clock ahead of the steady one by more than this: the computer slept, or somebody set its clock. */
const SLEPT_MS = 1_000;

/**
 * Each sample is the server's time when it wrote, read when it arrived; the way here only ever makes it look older. So of
 * the samples of the last one to two minutes the one that puts the server's clock furthest ahead is the best.
 */
export class ServerClock {
  #best = -Infinity;
  #previousBest = -Infinity;
  #turnedAt = 0;
  #slept = 0;
  #doubt = false;
  #steady = performance.now();
  #wall = Date.now();

  /** @param {number} serverMs the server's clock, just received */
  observe(serverMs) {
    const local = this.#local();
    if (this.#doubt) {
      this.#doubt = false;
      this.#best = this.#previousBest = -Infinity;
    }
    if (local - this.#turnedAt > KEEP_MS) {
      this.#previousBest = this.#best;
      this.#best = -Infinity;
      this.#turnedAt = local;
    }
    this.#best = Math.max(this.#best, serverMs - local);
  }

  /** Whether the server was ever heard. */
  get known() {
    return this.#best > -Infinity || this.#previousBest > -Infinity;
  }

  /** Epoch ms by the server's clock; by this computer's own while the server was never heard. */
  now() {
    const local = this.#local();
    return this.known ? local + Math.max(this.#best, this.#previousBest) : Date.now();
  }

  /** A clock that stands still while the computer sleeps would make old figures look new: the sleep is added. */
  #local() {
    const steady = performance.now();
    const wall = Date.now();
    const ahead = wall - this.#wall - (steady - this.#steady);
    if (ahead > SLEPT_MS) {
      this.#slept += ahead;
      this.#doubt = true;
    }
    this.#steady = steady;
    this.#wall = wall;
    return steady + this.#slept;
  }
}
