// Code for octave convolution and its transpose; see code.js.

import { averageOf, pair, repeatOf, slide, torchConv } from "./code_compositions.js";
import { boundConv, perAxis } from "./operators.js";
import { halve, octavePaths } from "./octave_paths.js";
import { keywords, literal, tensor } from "./python.js";

function octave(args, grids) {
  const bound = boundConv(args);
  const { cut, paths } = octavePaths(bound, args.alpha_in, args.alpha_out, args.downsample === "pool");
  const { lines, halves } = forwards(bound, cut, paths);
  const added = halves.map((half, n) => half && half + biasOf(args, cut, n));
  const size = cut.given[0] ? "" : `, size=${literal(args.input)}`;
  return {
    given: pair(grids) + tensors(args, bound, [args.out_channels, args.in_channels / args.groups]),
    torch: `${lines}y = (${added.map((half) => half || "None").join(", ")})\n`,
    juanji: `y = F.octave_conv(high, low, w${args.bias ? ", b" : ""}${options(args)}${size})\n`,
  };
}

/** The transpose is the adjoint, and torch has that of any function. */
function octaveTranspose(args, grids) {
  const bound = boundConv(args, { transposed: true, outputPadding: perAxis(args.output_padding, args.input) });
  const { cut, paths } = octavePaths(bound, args.alpha_in, args.alpha_out, args.downsample === "pool");
  const { lines, halves } = forwards(bound, cut, paths);
  const names = ["high", "low"];
  const sizes = [bound.outputSize, halve(bound.outputSize)];
  const taken = names.filter((_, half) => cut.fine[half]);
  const zeros = taken.map((name) => {
    const half = names.indexOf(name);
    return `torch.zeros(1, ${cut.fine[half]}, ${sizes[half].join(", ")}, dtype=w.dtype)`;
  });
  const results = names.map((_, half) => (cut.fine[half] ? `y[${taken.indexOf(names[half])}]${biasOf(args, cut, half)}` : "None"));
  const body = lines.replaceAll(/^/gm, "    ").trimEnd();
  const given = names.filter((_, half) => cut.coarse[half]);
  const size = cut.given[0] ? "" : `, size=${literal(args.input)}`;
  return {
    given: pair(grids) + tensors(args, bound, [args.in_channels, args.out_channels / args.groups]),
    torch: `def octave(${taken.join(", ")}):
${body}
    return ${halves.filter(Boolean).join(", ")}${halves.filter(Boolean).length === 1 ? "," : ""}

_, adjoint = torch.func.vjp(octave, ${zeros.join(", ")})
y = adjoint((${given.join(", ")},))
y = (${results.join(", ")})
`,
    juanji: `y = F.octave_conv_transpose(high, low, w${args.bias ? ", b" : ""}${options(args, [["output_padding", args.output_padding, 0]])}${size})\n`,
  };
}

function tensors(args, bound, shape) {
  const w = tensor("w", args.weight, [...shape, ...bound.axes.map((axis) => axis.kernel)]);
  return w + (args.bias ? tensor("b", args.bias, [args.out_channels]) : "");
}

function options(args, more = []) {
  const own = keywords(...slide(args), ...more, ["groups", args.groups, 1], ["downsample", args.downsample, "pool"]);
  return `, alpha_in=${args.alpha_in}, alpha_out=${args.alpha_out}${own}`;
}

function biasOf(args, cut, half) {
  if (!args.bias) return "";
  const high = cut.made[0];
  return ` + b[${half ? `${high}:` : `:${high}`}].reshape(1, -1, ${args.input.map(() => 1).join(", ")})`;
}

/** The paths from fine to coarse: lines, and what the two halves sum; null where there is none. */
function forwards(bound, cut, paths) {
  const lines = [];
  const convolve = (name, path, from) => {
    // padding and cropping that leave what the windows cover
    const axes = path.axes.map((axis) => {
      const last = (axis.coarse - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1;
      return { ...axis, padHigh: last - axis.fine - axis.padLow };
    });
    const crop = axes.map((axis) => `:${axis.fine}`).join(", ");
    const into = name.replace("->", "_to_").toLowerCase();
    lines.push(torchConv({ axes }, `${from}[..., ${crop}]`, block(bound, cut, name), { into, groups: cut.ordinary ? bound.groups : path.groups }));
    return into;
  };
  if (cut.ordinary) return { halves: [convolve("H->H", bound, "high"), null], lines: lines.join("") };
  const there = (source, target) => cut.fine[source] && cut.coarse[target] && (source === target || !cut.depthwise);
  const two = bound.axes.map(() => 2);
  const [high, low] = [[], []];
  if (there(0, 0)) high.push(convolve("H->H", paths.highToHigh.bound, averageOf("high", paths.pooled)));
  if (there(1, 0)) {
    const { repeat, repeated, shrink, after, made, bound: own } = paths.lowToHigh;
    high.push(repeatOf(convolve("L->H", own, averageOf(repeatOf("low", repeat, repeated), shrink)), after, made));
  }
  if (there(0, 1)) low.push(convolve("H->L", paths.toLow.bound, averageOf(averageOf("high", paths.pooled), two)));
  if (there(1, 1)) low.push(convolve("L->L", paths.toLow.bound, averageOf("low", paths.pooled)));
  return { halves: [high, low].map((terms) => terms.join(" + ") || null), lines: lines.join("") };
}

/** The part of w that a path takes. */
function block(bound, cut, name) {
  if (cut.ordinary) return "w";
  const high = cut.coarse[0];
  const rows = name.endsWith("H") ? `:${high}` : `${high}:`;
  if (cut.depthwise) return `w[${rows}]`;
  const own = cut.fine[0] / bound.groups;
  return `w[${rows}, ${name.startsWith("H") ? `:${own}` : `${own}:`}]`;
}

export const OCTAVES = { octave, "octave-transpose": octaveTranspose };
