// Where the cells of a scene stand: grids and boxes in columns (or, upright, in rows), places in
// grids. Units are those of the picture's viewBox. A third axis is drawn as sheets lying in space.

const CELL = 40;
const IMAGE = 240; // the longer side of the largest image
const PIXEL = 14; // of an image, at most
export const TITLE = 26; // above every grid
const CHANNEL = 14; // between channels
const SHEET = 12; // between the sheets of a third axis
const LEAN = 0.45; // how far a sheet leans to the right, for each cell of its depth
const FLAT = 0.7; // how much of its depth a sheet shows
const SIDE_BY_SIDE = 3; // channels in a row of grids with three axes
export const UPRIGHT = [2, 4]; // channels in a row of an upright picture, as there is room
const GAP = { plain: 70, labelled: 110, rows: 26 };

/** Lay a scene out, to the right or upright (with so many channels in a row, or false):
 * {width, height, grids: Map(name -> Plan), boxes: Map(name -> rectangle)}. */
export function layout(scene, { upright = false } = {}) {
  const longest = Math.max(1, ...scene.grids.filter((grid) => grid.look === "image").flatMap((grid) => grid.size));
  const pixel = Math.min(PIXEL, IMAGE / longest);
  const plans = new Map(scene.grids.map((grid) => [grid.name, plan(grid, grid.look === "image" ? pixel : CELL, upright)]));
  const boxes = new Map(scene.boxes.map((box) => [box.name, boxSize(box)]));
  const parts = [
    ...scene.grids.map((grid) => ({ ...at(grid), size: plans.get(grid.name) })),
    ...scene.boxes.map((box) => ({ ...at(box), size: boxes.get(box.name) })),
  ];
  const gap = scene.arrows.some((arrow) => arrow.label) ? GAP.labelled : GAP.plain;
  const columns = tracks(parts, "column", upright ? "height" : "width", upright ? GAP.rows + 16 : gap);
  const rows = tracks(parts, "row", upright ? "width" : "height", GAP.rows);
  for (const { column, row, size } of parts) {
    const [across, down] = upright ? [rows.at.get(row), columns.at.get(column)] : [columns.at.get(column), rows.at.get(row)];
    size.x = across.start + (across.length - size.width) / 2;
    size.y = down.start + (down.length - size.height) / 2;
  }
  const [width, height] = upright ? [rows.end, columns.end] : [columns.end, rows.end];
  return { width, height, grids: plans, boxes, upright };
}

/** Where each column (or row) starts and how long it is: as long as the longest part in it. */
function tracks(parts, key, side, gap) {
  const lengths = new Map();
  for (const part of parts) lengths.set(part[key], Math.max(lengths.get(part[key]) ?? 0, part.size[side]));
  const found = { at: new Map(), end: 0 };
  for (const index of [...lengths.keys()].sort((a, b) => a - b)) {
    const start = found.at.size ? found.end + gap : 0;
    found.at.set(index, { start, length: lengths.get(index) });
    found.end = start + lengths.get(index);
  }
  return found;
}

function at({ column, row }) {
  return { column, row };
}

function boxSize(box) {
  const longest = Math.max(box.title.length, ...box.lines.map((line) => line.length));
  return { x: 0, y: 0, width: Math.max(96, longest * 8 + 28), height: 38 + 18 * box.lines.length };
}

/** How one grid is laid out: its cells' places, without its place in the picture (x, y). */
function plan(grid, cell, upright) {
  const sides = grid.size.map((cells, a) => (grid.low[a] ?? 0) + (cells - 1) * (grid.gaps[a] ?? 1) + 1 + (grid.high[a] ?? 0));
  const [sheets, rows, columns] = [...Array(3 - sides.length).fill(1), ...sides];
  const deep = sides.length === 3;
  const sheet = { height: rows * cell * (deep ? FLAT : 1), lean: deep ? rows * cell * LEAN : 0 };
  const one = {
    width: columns * cell + sheet.lean,
    height: sheets * sheet.height + (sheets - 1) * SHEET,
  };
  const colour = grid.look === "image" && grid.channels === 3;
  const shown = colour ? 1 : grid.channels;
  // channels stand below each other, but sheets are stacked already, and an upright picture has its room at the sides
  const row = grid.across > 1 ? grid.across : Math.max(Number(upright), deep ? SIDE_BY_SIDE : 1);
  const across = Math.min(row, shown);
  const down = Math.ceil(shown / across);
  return {
    x: 0, y: 0, cell, deep, sides, sheets, rows, columns, colour, across,
    top: TITLE, one,
    width: Math.max(across * one.width + (across - 1) * CHANNEL, titleWidth(grid)),
    height: TITLE + down * one.height + (down - 1) * CHANNEL,
    lean: deep ? LEAN : 0,
    flat: deep ? FLAT : 1,
    sheet,
    low: grid.low, gaps: grid.gaps,
  };
}

/** About how wide a grid's title with its size is. */
function titleWidth(grid) {
  const sizes = (grid.channels > 1 ? 1 : 0) + grid.size.length;
  return grid.title.length * 7.6 + sizes * 17;
}

/** The upper left corner of a place (counted with padding) of a channel. */
export function corner(plan, channel, place) {
  const [sheet, row, column] = [...Array(3 - place.length).fill(0), ...place];
  const index = plan.colour ? 0 : channel;
  const left = plan.x + (index % plan.across) * (plan.one.width + CHANNEL);
  const top = plan.y + plan.top + Math.floor(index / plan.across) * (plan.one.height + CHANNEL);
  return [
    left + column * plan.cell + (plan.deep ? (plan.rows - row) * plan.cell * LEAN : 0),
    top + sheet * (plan.sheet.height + SHEET) + row * plan.cell * plan.flat,
  ];
}

/** The place of a cell's position, padding and holes counted. */
export function placeOf(plan, position) {
  return position.map((at, a) => (plan.low[a] ?? 0) + at * (plan.gaps[a] ?? 1));
}

/** The four corners of a place, clockwise. */
export function outline(plan, channel, place, inset = 0) {
  const [x, y] = corner(plan, channel, place);
  const [w, h, lean] = [plan.cell, plan.cell * plan.flat, plan.cell * plan.lean];
  const i = inset;
  return [
    [x + i - (lean * i) / plan.cell, y + i * plan.flat],
    [x + w - i - (lean * i) / plan.cell, y + i * plan.flat],
    [x + w - i - lean + (lean * i) / plan.cell, y + h - i * plan.flat],
    [x + i - lean + (lean * i) / plan.cell, y + h - i * plan.flat],
  ];
}

/** The transform that lays a cell's own square (0..cell) onto its place. */
export function lay(plan, channel, place) {
  const [x, y] = corner(plan, channel, place);
  return plan.deep
    ? `matrix(1 0 ${-plan.lean} ${plan.flat} ${round(x)} ${round(y)})`
    : `translate(${round(x)} ${round(y)})`;
}

export function round(n) {
  return Math.round(n * 100) / 100;
}
