// Arguments that go together: what one slider moves, others follow.

const CHANNELS = ["in_channels", "out_channels"];

/** Return `args` of `row` with groups that divide the channels; `moved` keeps its value. */
export function settle(row, args, moved = "") {
  const own = { ...args };
  if ("output_padding" in own) {
    if (moved === "output_padding") own.stride = Math.max(...[own.stride].flat(), Math.max(...[own.output_padding].flat()) + 1);
    const most = [own.stride, own.dilation].flat().reduce((a, b) => Math.max(a, b), 1) - 1;
    if (!Array.isArray(own.output_padding)) own.output_padding = Math.min(own.output_padding, most);
  }
  if ("primary_groups" in own) {
    const [first, second] = [own.primary_groups, own.secondary_groups];
    for (const name of CHANNELS) own[name] = multiple(own[name], moved.endsWith("groups") || own[name] < first * second ? first * second : 1);
    while (own.out_channels % (own.primary_groups * own.secondary_groups) || own.in_channels % own.primary_groups) {
      if (own.primary_groups > 1) own.primary_groups -= 1;
      else own.secondary_groups -= 1;
    }
  }
  if (!("groups" in own)) return own;
  const channels = [...CHANNELS, "channels"].filter((name) => name in own);
  if (moved === "groups") {
    for (const name of channels) own[name] = multiple(own[name], own.groups);
    return own;
  }
  const divides = (groups) => channels.every((name) => own[name] % groups === 0);
  while (own.groups > 1 && !divides(own.groups)) own.groups -= 1;
  return own;
}

/** The next multiple of `of`. */
function multiple(count, of) {
  return Math.max(1, Math.ceil(count / of)) * of;
}
