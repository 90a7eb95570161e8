// The server's clock as well as this page can know it, whatever the computer's own clock says.

const KEEP_MS = 60_000;
/** If the wall clock gains more than this on the steady clock, the computer slept or its clock was set. */
const SLEPT_MS = 1_000;

/**
 * A sample is the server's time at sending, read on arrival. The way here only makes that time look older. So the best
 * of the last one to two minutes' samples is the one that puts the server's clock furthest ahead.
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

  /** Whether any server time has arrived. */
  get known() {
    return this.#best > -Infinity || this.#previousBest > -Infinity;
  }

  /** Epoch ms by the server's clock; by this computer's clock until a server time has arrived. */
  now() {
    const local = this.#local();
    return this.known ? local + Math.max(this.#best, this.#previousBest) : Date.now();
  }

  /** The steady clock plus the time asleep. A clock that stops in sleep would make old figures look new. */
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
