// What a scene's cells hold after every step, and which cells depend on which.

export function cellKey(grid, channel, position) {
  return `${grid}/${channel}/${position.join(",")}`;
}

/** Numbers of a scene, "NaN" and the infinities read. */
export function numeric(value) {
  return typeof value === "number" ? value : Number(value);
}

export class History {
  constructor(scene) {
    this.scene = scene;
    this.writes = new Map(); // cell -> [[step, value], ...]
    this.writers = new Map(); // cell -> steps that write it, as [step, tap or null]
    this.readers = new Map(); // cell -> steps that read it, as [step, tap]
    scene.steps.forEach((step, at) => {
      step.writes.forEach((write, n) => {
        const key = cellKey(write.grid, write.channel, write.position);
        push(this.writes, key, [at, numeric(write.value)]);
        push(this.writers, key, [at, step.scatter ? n : null]);
      });
      step.taps.forEach((tap, n) => {
        for (const position of tap.corners.length ? tap.corners.map((c) => c.position) : [tap.position])
          push(this.readers, cellKey(tap.grid, tap.channel, position), [at, n]);
        if (tap.weight) push(this.readers, cellKey(tap.weight.grid, tap.weight.channel, tap.weight.position), [at, n]);
      });
    });
  }

  /** Whether a cell is blank at first. */
  written(key) {
    return this.writes.has(key);
  }

  /** What a written cell holds after step `at`; null: still blank. */
  value(key, at) {
    const list = this.writes.get(key);
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle][0] <= at) low = middle + 1;
      else high = middle;
    }
    return low ? list[low - 1][1] : null;
  }

  /** The cells that a cell is computed from, through all stages. */
  sources(key) {
    return this.#closure(key, (cell) =>
      (this.writers.get(cell) ?? []).flatMap(([at, n]) => {
        const { taps } = this.scene.steps[at];
        return (n === null ? taps : [taps[n]]).flatMap(tapCells);
      }),
    );
  }

  /** The cells that a cell reaches, through all stages. */
  targets(key) {
    return this.#closure(key, (cell) =>
      (this.readers.get(cell) ?? []).flatMap(([at, n]) => {
        const step = this.scene.steps[at];
        return step.scatter ? [step.writes[n]] : step.writes;
      }),
    );
  }

  #closure(key, next) {
    const found = new Map();
    const open = [key];
    while (open.length) {
      for (const cell of next(open.pop())) {
        const reached = cellKey(cell.grid, cell.channel, cell.position);
        if (reached === key || found.has(reached)) continue;
        found.set(reached, cell);
        open.push(reached);
      }
    }
    return [...found.values()];
  }
}

function tapCells(tap) {
  const cells = tap.corners.length
    ? tap.corners.map(({ position }) => ({ grid: tap.grid, channel: tap.channel, position }))
    : [{ grid: tap.grid, channel: tap.channel, position: tap.position }];
  return tap.weight ? [...cells, tap.weight] : cells;
}

function push(map, key, item) {
  if (!map.has(key)) map.set(key, []);
  map.get(key).push(item);
}
