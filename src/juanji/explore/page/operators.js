// Every scene by the name and the arguments of juanji/draw/operators.py, which the page is given.

import { bind, product } from "./relation.js";
import { bottleneck, dense, gated, inception, residual, stackView, stacked } from "./blocks.js";
import {
  channelShuffle, depthwiseSeparable, flattened, interleaved, shuffled, spatiallySeparable,
} from "./compositions.js";
import { convolution } from "./convolution.js";
import { deformable, patternOffsets } from "./deform.js";
import { frequencySplit, octaveMerge, octaveSplit } from "./frequency.js";
import { octave } from "./octave.js";
import { sample } from "./numbers.js";
import { lowChannels } from "./octave_paths.js";
import { octaveTranspose } from "./octave_transpose.js";
import { avgPool, maxPool, stochasticPool } from "./pool.js";
import { squeezeExcite } from "./squeeze_excite.js";
import { avgUnpool, maxPoolAndUnpool } from "./unpool.js";

/** One value per axis. */
export function perAxis(value, input) {
  return Array.isArray(value) ? value : input.map(() => value);
}

export function boundConv({ input, kernel, stride, padding, dilation, groups, in_channels, out_channels }, more = {}) {
  return bind({
    inputSize: input, kernel: perAxis(kernel, input), stride: perAxis(stride, input),
    dilation: perAxis(dilation, input), padding: typeof padding === "string" ? padding : perAxis(padding, input),
    groups, inChannels: in_channels, outChannels: out_channels, ...more,
  });
}

export function boundPool({ input, kernel, stride = null, padding = 0, dilation = 1, ceil_mode = false }) {
  const cells = perAxis(kernel, input);
  return bind({
    inputSize: input, kernel: cells, stride: stride === null ? cells : perAxis(stride, input),
    dilation: perAxis(dilation, input), padding: typeof padding === "string" ? padding : perAxis(padding, input),
    ceilMode: ceil_mode, pool: true,
  });
}

/** Kernels, strides and dilations of a stack: one of each for every layer. */
export function perLayer({ kernels, strides, dilations }) {
  const count = Math.max(...[kernels, strides, dilations].map((value) => (Array.isArray(value) ? value.length : 1)));
  return [kernels, strides, dilations].map((value) => (Array.isArray(value) ? value : Array(count).fill(value)));
}

const numbersOf = ({ values, weight, weights, bias }) => ({ input: values, weight, weights, bias });

export const BUILDERS = {
  conv: (a) => convolution(boundConv(a, { flip: a.flip }), numbersOf(a)),
  "conv-transpose": (a) =>
    convolution(boundConv(a, { transposed: true, outputPadding: perAxis(a.output_padding, a.input) }), {
      ...numbersOf(a), how: a.how,
    }),
  deformable: (a) =>
    deformable(boundConv(a), { ...numbersOf(a), offset: a.offset, mask: a.mask, pattern: a.pattern }),
  "depthwise-separable": (a) =>
    depthwiseSeparable(boundConv({ ...a, groups: 1 }), { ...numbersOf(a), multiplier: a.multiplier }),
  "spatially-separable": (a) => spatiallySeparable(boundConv(a), numbersOf(a)),
  flattened: (a) => flattened(boundConv(a), numbersOf(a)),
  shuffled: (a) => shuffled(boundConv(a), { ...numbersOf(a), twice: a.twice }),
  interleaved: (a) =>
    interleaved(boundConv({ ...a, groups: 1 }), { ...numbersOf(a), primary: a.primary_groups, secondary: a.secondary_groups }),
  "channel-shuffle": (a) => channelShuffle(a.input, a.channels, a.groups, a.values),
  "octave-transpose": (a) =>
    octaveTranspose(boundConv(a, { transposed: true, outputPadding: perAxis(a.output_padding, a.input) }), {
      high: a.high, low: a.low, weight: a.weight, bias: a.bias,
      alphaIn: a.alpha_in, alphaOut: a.alpha_out, downsample: a.downsample,
    }),
  "octave-split": (a) => octaveSplit(a.input, a.channels, lowChannels(a.alpha, a.channels), a.values, `${a.alpha}`),
  "octave-merge": (a) => {
    const low = lowChannels(a.alpha, a.channels);
    return octaveMerge(a.input, a.channels - low, low, a.high, a.low);
  },
  "frequency-split": (a) => frequencySplit(a.input, a.channels, a.values),
  "squeeze-excite": (a) => squeezeExcite(a.input, a.channels, Math.max(1, Math.floor(a.channels / a.reduction)), a.values),
  inception: (a) => inception(a.input, a.channels, a.reduction, a.values),
  bottleneck: (a) => bottleneck(a.input, a.in_channels, a.middle, a.out_channels, a.kernel, a.values),
  residual: (a) => residual(a.input, a.channels, a.kernel, a.values, a.skip),
  gated: (a) => gated(a.input, a.channels, a.kernel, a.values),
  dense: (a) => dense(a.input, a.channels, a.growth, a.layers, a.kernel, a.values),
  stacked: (a) => stacked(a.input, a.kernel, a.layers, a.values),
  view: (a) => stackView(a.input[0], ...perLayer(a)),
  octave: (a) =>
    octave(boundConv(a), {
      high: a.high, low: a.low, weight: a.weight, bias: a.bias,
      alphaIn: a.alpha_in, alphaOut: a.alpha_out, downsample: a.downsample,
    }),
  "max-pool": (a) => maxPool(boundPool(a), a.channels, a.values),
  "avg-pool": (a) => avgPool(boundPool(a), a.channels, a.values, { countPadding: a.count_include_pad }),
  "stochastic-pool": (a) =>
    stochasticPool(boundPool(a), a.channels, a.values, { random: a.random, training: a.training }),
  "max-unpool": (a) => maxPoolAndUnpool(boundPool(a), a.channels, a.values),
  "avg-unpool": (a) => avgUnpool(boundPool(a), a.channels, a.values),
  "global-avg-pool": ({ input, channels, values }) =>
    avgPool(boundPool({ input, kernel: input }), channels, values, { operator: "global-avg-pool" }),
};

/** Numbers that a scene is made from and shows in no grid as they are given. */
export const MADE_UP = {
  deformable: (a) => ({ offset: patternOffsets(boundConv(a), a.pattern) }),
  octave: (a) => ({ weight: octaveWeight(a) }),
  "octave-transpose": (a) => ({ weight: octaveWeight(a) }),
};

/** The ordinary weight that the four paths share. */
function octaveWeight({ input, kernel, in_channels, out_channels, groups }) {
  const taps = product(perAxis(kernel, input));
  return sample((in_channels / groups) * out_channels * taps, -1, 2, 2);
}

/** Arguments with all of their numbers. */
export function filled(row, given) {
  const args = { ...row.arguments, ...given };
  return { ...MADE_UP[row.name]?.(args), ...args };
}

/** Build the scene `name` from its arguments, those not given as in its row of the table. */
export function build(row, given) {
  return BUILDERS[row.as ?? row.name]({ ...row.arguments, ...given });
}
