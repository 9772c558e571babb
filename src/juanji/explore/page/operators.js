// Every scene by the name and the arguments of juanji/draw/operators.py, which the page is given.

import { bind } from "./relation.js";
import { convolution } from "./convolution.js";
import { deformable } from "./deform.js";
import { avgPool, maxPool, stochasticPool } from "./pool.js";
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

const numbersOf = ({ values, weight, bias }) => ({ input: values, weight, bias });

export const BUILDERS = {
  conv: (a) => convolution(boundConv(a, { flip: a.flip }), numbersOf(a)),
  "conv-transpose": (a) =>
    convolution(boundConv(a, { transposed: true, outputPadding: perAxis(a.output_padding, a.input) }), {
      ...numbersOf(a), how: a.how,
    }),
  deformable: (a) =>
    deformable(boundConv(a), { ...numbersOf(a), offset: a.offset, mask: a.mask, pattern: a.pattern }),
  "max-pool": (a) => maxPool(boundPool(a), a.channels, a.values),
  "avg-pool": (a) => avgPool(boundPool(a), a.channels, a.values, { countPadding: a.count_include_pad }),
  "stochastic-pool": (a) =>
    stochasticPool(boundPool(a), a.channels, a.values, { random: a.random, training: a.training }),
  "max-unpool": (a) => maxPoolAndUnpool(boundPool(a), a.channels, a.values),
  "avg-unpool": (a) => avgUnpool(boundPool(a), a.channels, a.values),
  "global-avg-pool": ({ input, channels, values }) =>
    avgPool(boundPool({ input, kernel: input }), channels, values, { operator: "global-avg-pool" }),
};

/** Build the scene `name` from its arguments, those not given as in its row of the table. */
export function build(row, given) {
  return BUILDERS[row.name]({ ...row.arguments, ...given });
}
