// Steps of a scene in time: play, step, scrub. What is drawn is told by `changed(step)`.

export const SPEEDS = [1, 2, 4, 8, 20, 60]; // steps a second

export class Player {
  constructor(changed) {
    this.changed = changed;
    this.count = 0;
    this.at = -1;
    this.speed = SPEEDS[1];
    this.playing = false;
  }

  /** Begin a scene of `count` steps; stay at the step shown where it exists. */
  load(count, at = this.at) {
    this.count = count;
    this.go(at);
  }

  /** Show step `at`; -1: before the first. */
  go(at) {
    this.at = Math.min(Math.max(at, -1), this.count - 1);
    if (this.at === this.count - 1) this.playing = false;
    this.changed(this.at);
  }

  move(by) {
    this.playing = false;
    this.go(this.at + by);
  }

  toggle() {
    if (this.playing) {
      this.playing = false;
      this.changed(this.at);
      return;
    }
    if (!this.count) return;
    this.playing = true;
    if (this.at >= this.count - 1) this.at = -1;
    this.#run();
  }

  #run() {
    let shown = null; // when the last step was due
    const run = (this.running = {}); // a later run ends this one
    const frame = (now) => {
      if (!this.playing || this.running !== run) return;
      const each = 1000 / this.speed;
      shown ??= now - each;
      // a frame may come early by a fraction of the screen's own clock
      if (now - shown >= each - 4) {
        shown = now - shown > 3 * each ? now : shown + each;
        this.go(this.at + 1);
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    this.changed(this.at);
  }
}
