// What stands beside the picture: juanji/draw/facts.py in JavaScript.

import { extent, multiplyAdds, product, receptiveField } from "./relation.js";
import { fact } from "./scene.js";
import { shape } from "./numbers.js";

/** Fill in the formula of the output size, once where all axes have the same numbers. */
export function outputSize(bound) {
  const texts = bound.axes.map((axis, a) => {
    const span = extent(axis.kernel, axis.dilation);
    const reach = axis.dilation > 1 ? `(${axis.dilation}*(${axis.kernel} - 1) + 1)` : `${span}`;
    if (bound.transposed) {
      const extra = bound.outputPadding?.[a] ? ` + ${bound.outputPadding[a]}` : "";
      const minus = `${axis.padLow} - ${axis.padHigh}`;
      return `(${axis.coarse} - 1)*${axis.stride} + ${reach} - ${minus}${extra} = ${axis.fine}`;
    }
    if (bound.padding === "same") return `ceil(${axis.fine} / ${axis.stride}) = ${axis.coarse}`;
    const padded = axis.fine + axis.padLow + axis.padHigh;
    const fits = (axis.coarse - 1) * axis.stride + span <= padded;
    const whole = bound.ceilMode && !fits ? "ceil" : "floor";
    const pads = `${axis.padLow} + ${axis.padHigh}`;
    return `${whole}((${axis.fine} + ${pads} - ${reach}) / ${axis.stride}) + 1 = ${axis.coarse}`;
  });
  return fact("output size", [...new Set(texts)].join(";  "));
}

/** The facts of a convolution: size, weights, arithmetic, view, groups. */
export function ofConv(bound, { bias = false } = {}) {
  const kernel = bound.axes.map((axis) => axis.kernel);
  const into = bound.inChannels / bound.groups;
  const count = countWeights(bound, bias);
  const arithmetic = multiplyAdds(bound.axes, bound.inChannels, bound.outChannels, bound.groups);
  const places = bound.axes.map((axis) => axis.coarse);
  const written = `${bound.outChannels} x ${into} x ${shape(kernel)}`;
  const facts = [
    outputSize(bound),
    fact("weights", `${written}${bias ? ` + ${bound.outChannels}` : ""} = ${count}`),
    fact(
      "multiply-adds",
      `${bound.outChannels} x ${into} x ${shape(places)} x ${shape(kernel)} = ${arithmetic.dense}`,
    ),
    fact("multiply-adds inside", `${arithmetic.touched}`),
    fact("view", view(bound)),
  ];
  if (bound.groups > 1) facts.push(fact("groups", `${bound.groups}`));
  return facts;
}

/** The number of weights of a convolution. */
export function countWeights(bound, bias = false) {
  const taps = product(bound.axes.map((axis) => axis.kernel));
  return bound.outChannels * (bound.inChannels / bound.groups) * taps + (bias ? bound.outChannels : 0);
}

export function view(bound) {
  return shape(receptiveField([bound]));
}

/** How large the matrix of a stage is, drawn or not. */
export function ofMatrix(source, target) {
  return fact("matrix", shape([target.values.length, source.values.length]));
}

/** Name an operator by its settings. */
export function describe(bound, name = "") {
  const own = name || (bound.pool ? "pool" : bound.transposed ? "conv-transpose" : "conv");
  const parts = [`${own} ${shape(bound.axes.map((axis) => axis.kernel))}`];
  for (const setting of ["stride", "dilation"]) {
    const values = bound.axes.map((axis) => axis[setting]);
    if (values.some((value) => value !== 1)) parts.push(`${setting} ${once(values)}`);
  }
  const pads = bound.axes.map(({ padLow, padHigh }) => [padLow, padHigh]);
  if (pads.flat().some(Boolean))
    parts.push(`padding ${once(pads.map(([low, high]) => (low === high ? `${low}` : `${low}+${high}`)))}`);
  if (!bound.pool && bound.groups > 1) parts.push(`groups ${bound.groups}`);
  if (!bound.pool && bound.flip) parts.push("flip");
  return parts.join(", ");
}

function once(values) {
  return new Set(values).size === 1 ? `${values[0]}` : shape(values);
}
