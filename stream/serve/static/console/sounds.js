// Two sounds, made by the browser itself: one for alerts, a soft one for what a host may like to know. Off until the
// host switches them on: a browser plays nothing before a click.

/** Kind → notes: frequency in Hz, start and length in seconds, loudness. */
const SOUNDS = {
  alert: [
    [880, 0, 0.16, 0.2],
    [622, 0.2, 0.16, 0.2],
    [880, 0.4, 0.22, 0.2],
  ],
  soft: [
    [523, 0, 0.18, 0.07],
    [659, 0.16, 0.3, 0.07],
  ],
};
/** Nothing is played twice within this time: ten alerts at once are one sound. */
const APART_MS = 1_500;

export class Sounds {
  #audio = null;
  #playedAt = { alert: -Infinity, soft: -Infinity };
  isOn = false;

  /** Switches the sounds on or off. Call it from a click. */
  async toggle() {
    this.isOn = !this.isOn;
    if (!this.isOn) return;
    this.#audio ??= new AudioContext();
    await this.#audio.resume();
  }

  /** @param {"alert"|"soft"} kind */
  play(kind) {
    const now = performance.now();
    if (!this.isOn || this.#audio === null || now - this.#playedAt[kind] < APART_MS) return;
    this.#playedAt[kind] = now;
    for (const [frequency, start, length, loudness] of SOUNDS[kind]) {
      const at = this.#audio.currentTime + start;
      const tone = this.#audio.createOscillator();
      const gain = this.#audio.createGain();
      tone.type = kind === "alert" ? "triangle" : "sine";
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(loudness, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + length);
      tone.connect(gain).connect(this.#audio.destination);
      tone.start(at);
      tone.stop(at + length);
    }
  }
}
