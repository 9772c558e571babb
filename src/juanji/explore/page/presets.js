// Settings of the convolution that have names of their own, offered as operators beside it.

const PRESETS = [
  ["pointwise", "1x1 convolution", { kernel: 1, input: [4, 4], in_channels: 4, out_channels: 2 }],
  ["dilated", "dilated convolution", { dilation: 2, input: [7, 7] }],
  ["grouped", "grouped convolution", { groups: 2, in_channels: 4, out_channels: 4, input: [4, 4] }],
  ["depthwise", "depthwise convolution", { groups: 3, in_channels: 3, out_channels: 3, input: [4, 4] }],
];

/** The rows of the table, with one for each named setting that the table lacks. */
export function withPresets(rows) {
  const conv = rows.find((row) => row.name === "conv");
  const names = new Set(rows.map((row) => row.name));
  const made = PRESETS.filter(([name]) => !names.has(name)).map(([name, title, args]) => ({
    ...conv, name, title, as: "conv", arguments: { ...conv.arguments, ...args },
  }));
  return rows.flatMap((row) => (row.name === "conv-transpose" ? [...made, row] : [row]));
}
