// Scenes of convolution and its transpose: juanji/draw/convolution.py in JavaScript.

import { product } from "./relation.js";
import { atMost, scene } from "./scene.js";
import { describe, ofConv, ofMatrix } from "./facts.js";
import {
  biasGrid, gathered, inputGrid, outputGrid, perGroup, scattered, sparse, weightGrid,
} from "./stages.js";

/** The scene of a convolution or a transposed one; `how`: "gather", or "scatter" (transposed only). */
export function convolution(bound, { input, weight, bias, how = "gather", title } = {}) {
  bounded(bound);
  const source = inputGrid(bound, input, { stuffed: bound.transposed && how === "gather" });
  const kernels = weightGrid(bound, weight, { column: 1 });
  const added = bias ? biasGrid(bias, { column: 1, row: 1 }) : null;
  const walk = how === "gather" ? gathered : scattered;
  const steps = walk(bound, source, kernels, "output", { bias: added });
  const target = outputGrid(bound, steps, { column: 2, cut: how === "scatter" });
  return scene({
    operator: bound.transposed ? "conv-transpose" : "conv",
    title: title ?? describe(bound),
    facts: [...ofConv(bound, { bias: Boolean(bias) }), ofMatrix(source, target)],
    grids: [source, kernels, added, target].filter(Boolean),
    steps,
    matrix: sparse(bound.transposed ? "C^T" : "C", steps, source, target),
  });
}

/** Refuse a convolution with too much to draw, before any of it is made. */
export function bounded(bound) {
  const kernel = product(bound.axes.map((axis) => axis.kernel));
  const [into] = perGroup(bound);
  const out = bound.outChannels * product(bound.outputSize);
  const weights = bound.outChannels * into * kernel;
  atMost("cells", bound.inChannels * product(bound.inputSize) + out + weights);
  atMost("steps", out);
  atMost("taps", out * into * kernel);
}
