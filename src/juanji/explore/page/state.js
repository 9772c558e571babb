// What the page shows, as the text behind the # of its link, and back.
//
// op=conv&input=5x5&padding=1+2&values=1,2,3&step=4; of a second operator "b.op=octave" and so on.
// Nothing in a link is trusted: what does not fit the table of operators is left out.

const LONGEST = 4096; // numbers of one argument
const LARGEST = 1024; // of any size

/** Write a value of an argument. */
export function write(value) {
  if (Array.isArray(value)) return value.map((item) => (Array.isArray(item) ? item.join("+") : `${item}`)).join("x");
  return `${value}`;
}

/** Read a value like `model`; undefined where it does not fit. */
export function read(text, model, name) {
  if (name === "padding" && ["valid", "same", "full"].includes(text)) return text;
  if (typeof model === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (/^\d+(\.\d+)?$/.test(text) && !Array.isArray(model)) return bounded(Number(text));
  if (/^[\d+x]+$/.test(text)) {
    const items = text.split("x").map((item) => (item.includes("+") ? item.split("+").map(Number) : Number(item)));
    const good = items.length <= 4 && items.flat().every((item) => bounded(item) !== undefined);
    return good && items.every((item) => !Array.isArray(item) || item.length === 2) ? items : undefined;
  }
  if (typeof model === "string" && /^[a-z-]{1,20}$/.test(text)) return text;
  return undefined;
}

function bounded(number) {
  return Number.isFinite(number) && number >= 0 && number <= LARGEST ? number : undefined;
}

/** Read numbers that somebody typed: separated by commas, spaces or lines; null: something else. */
export function parseNumbers(text) {
  const words = text.replace(/[[\](){}]/g, " ").split(/[\s,;]+/).filter(Boolean);
  if (words.length > LONGEST) return null;
  const numbers = words.map(Number);
  return numbers.every(Number.isFinite) ? numbers : null;
}

/** The text of a state {op, args, numbers, step, second}. */
export function encode(state, rows) {
  const query = new URLSearchParams();
  side(query, "", state, rows);
  if (state.second) side(query, "b.", state.second, rows);
  if (state.step >= 0) query.set("step", state.step);
  return query.toString().replaceAll("%2C", ",").replaceAll("%3B", ";").replaceAll("%2B", "+");
}

function side(query, prefix, { op, args, numbers }, rows) {
  const row = rows.get(op);
  query.set(`${prefix}op`, op);
  for (const [name, value] of Object.entries(args))
    if (write(value) !== write(row.arguments[name])) query.set(prefix + name, write(value));
  for (const [name, values] of Object.entries(numbers))
    if (values) query.set(prefix + name, Array.isArray(values[0]) ? values.map(list).join(";") : list(values));
}

function list(values) {
  return values.map((n) => Math.round(n * 1e6) / 1e6).join(",");
}

/** The state a text stands for. */
export function decode(text, rows) {
  const query = new URLSearchParams(text.replace(/^#/, "").replaceAll("+", "%2B"));
  const first = readSide(query, "", rows) ?? { op: [...rows.keys()][0], args: {}, numbers: {} };
  const step = Number.parseInt(query.get("step") ?? "-1", 10);
  return { ...first, second: readSide(query, "b.", rows), step: Number.isFinite(step) ? step : -1 };
}

function readSide(query, prefix, rows) {
  const row = rows.get(query.get(`${prefix}op`));
  if (!row) return null;
  const [args, numbers] = [{}, {}];
  for (const [name, model] of Object.entries(row.arguments)) {
    const text = query.get(prefix + name);
    const value = text === null ? undefined : read(text, model, name);
    if (value !== undefined) args[name] = value;
  }
  for (const name of row.numbers) {
    const text = query.get(prefix + name);
    if (text === null) continue;
    const values = name === "weights" ? text.split(";").map(parseNumbers) : parseNumbers(text);
    if (values && !values.includes(null)) numbers[name] = values;
  }
  return { op: row.name, args, numbers };
}
