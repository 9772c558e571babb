// The Python that computes what is shown: with PyTorch's own functions, and with juanji's.

import { boundConv, perAxis } from "./operators.js";

/** {torch, juanji} for the scene of `row` with `args`. */
export function code(row, args, scene) {
  const write = WRITERS[row.name];
  if (!write) return null;
  const at = (name) => scene.grids.find((grid) => grid.name === name);
  return write(args, at, args.input?.length ?? 2);
}

const HEAD = { torch: "import torch\nimport torch.nn.functional as F\n", juanji: "import torch\nfrom juanji import functional as F\n" };

/** A tensor of a grid's values. */
function tensor(name, values, shape) {
  const numbers = values.map((value) => (Number.isInteger(value) ? `${value}` : `${Math.round(value * 1e12) / 1e12}`));
  return `${name} = torch.tensor([${wrap(numbers)}], dtype=torch.float64).reshape(${shape.join(", ")})\n`;
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
function literal(value) {
  if (Array.isArray(value)) return `(${value.map(literal).join(", ")}${value.length === 1 ? "," : ""})`;
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : `${value}`;
}

/** Keyword arguments, those left out that have their default. */
function keywords(pairs) {
  return pairs
    .filter(([, value, standard]) => JSON.stringify(value) !== JSON.stringify(standard))
    .map(([name, value]) => `, ${name}=${literal(value)}`)
    .join("");
}

function once(values) {
  return values.every((value) => value === values[0]) ? values[0] : values;
}

/** Padding as torch takes it: [line that pads the input, numbers for the call]. */
function torchPadding(axes, value = "") {
  if (axes.every(({ padLow, padHigh }) => padLow === padHigh)) return ["", once(axes.map((axis) => axis.padLow))];
  const pads = [...axes].reverse().flatMap(({ padLow, padHigh }) => [padLow, padHigh]);
  return [`x = F.pad(x, ${literal(pads)}${value})\n`, 0];
}

function conv(args, at, dimensions) {
  const bound = boundConv(args, { flip: args.flip });
  const bias = at("bias");
  const into = args.in_channels / args.groups;
  const given =
    tensor("x", at("input").values, [1, args.in_channels, ...bound.inputSize]) +
    tensor("w", at("weight").values, [args.out_channels, into, ...at("weight").size]) +
    (bias ? tensor("b", bias.values, [args.out_channels]) : "");
  const [pad, padding] = torchPadding(bound.axes);
  const shared = [["stride", args.stride, 1], ["dilation", args.dilation, 1], ["groups", args.groups, 1]];
  const flip = args.flip ? `w = w.flip(${literal(Array.from({ length: dimensions }, (_, a) => a + 2))})\n` : "";
  const call = `x, w${bias ? ", b" : ""}`;
  return {
    torch: `${HEAD.torch}\n${given}${pad}${flip}y = F.conv${dimensions}d(${call}${keywords([["padding", padding, 0], ...shared])})\nprint(y)\n`,
    juanji: `${HEAD.juanji}\n${given}y = F.conv(${call}${keywords([["padding", args.padding, 0], ...shared, ["flip", args.flip, false]])})\nprint(y)\n`,
  };
}

function convTranspose(args, at, dimensions) {
  const extra = perAxis(args.output_padding, args.input);
  const bound = boundConv(args, { transposed: true, outputPadding: extra });
  const bias = at("bias");
  const given =
    tensor("x", at("input").values, [1, args.in_channels, ...bound.inputSize]) +
    tensor("w", at("weight").values, [args.in_channels, args.out_channels / args.groups, ...at("weight").size]) +
    (bias ? tensor("b", bias.values, [args.out_channels]) : "");
  const shared = [
    ["stride", args.stride, 1], ["output_padding", args.output_padding, 0], ["groups", args.groups, 1], ["dilation", args.dilation, 1],
  ];
  const even = bound.axes.every(({ padLow, padHigh }) => padLow === padHigh);
  const cut = bound.axes.map(({ padLow, fine }) => `${padLow}:${padLow + fine}`).join(", ");
  const padding = even ? once(bound.axes.map((axis) => axis.padLow)) : 0;
  const call = `x, w${bias ? ", b" : ""}`;
  return {
    torch: `${HEAD.torch}\n${given}y = F.conv_transpose${dimensions}d(${call}${keywords([["padding", padding, 0], ...shared])})${even ? "" : `[..., ${cut}]`}\nprint(y)\n`,
    juanji: `${HEAD.juanji}\n${given}y = F.conv_transpose(${call}${keywords([["padding", args.padding, 0], ...shared])})\nprint(y)\n`,
  };
}

export const WRITERS = { conv, "conv-transpose": convTranspose };
