// Python as text: tensors, literals and keyword arguments.

export const HEAD = {
  torch: "import torch\nimport torch.nn.functional as F\n\n",
  juanji: "import torch\nfrom juanji import functional as F\n\n",
};

/** `name = torch.tensor([...])...` of numbers in C order. */
export function tensor(name, values, shape) {
  const written = values.map((value) => {
    const number = Number(value);
    return Number.isFinite(number) ? `${Number.isInteger(number) ? number : Number(number.toPrecision(15))}` : `float("${number}")`;
  });
  return `${name} = torch.tensor([${wrap(written)}], dtype=torch.float64).reshape(${shape.join(", ")})\n`;
}

function wrap(words) {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 88) lines.push("");
    lines.push(`${lines.pop()}${word}, `);
  }
  const text = lines.map((line) => line.trimEnd()).join("\n    ");
  return lines.length > 1 ? `\n    ${text}\n` : text.replace(/,$/, "");
}

/** A Python literal. */
export function literal(value) {
  if (Array.isArray(value)) return `(${value.map(literal).join(", ")}${value.length === 1 ? "," : ""})`;
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : `${value}`;
}

/** `, name=value` of [name, value, standard], those left out that are as they are anyway. */
export function keywords(...pairs) {
  return pairs
    .filter(([, value, standard]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(standard))
    .map(([name, value]) => `, ${name}=${literal(value)}`)
    .join("");
}

/** One number where all axes have the same. */
export function once(values) {
  return values.every((value) => JSON.stringify(value) === JSON.stringify(values[0])) ? values[0] : values;
}

/** What torch's F.pad takes for [low, high] of every axis; the last axis comes first. */
export function pads(pairs) {
  return literal([...pairs].reverse().flat());
}
