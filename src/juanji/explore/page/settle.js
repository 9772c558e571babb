// Arguments that go together: what one slider moves, others follow.

const CHANNELS = ["in_channels", "out_channels"];

/** Return `args` of `row` with groups that divide the channels; `moved` keeps its value. */
export function settle(row, args, moved = "") {
  const own = { ...args };
  if ("output_padding" in own) {
    const most = [own.stride, own.dilation].flat().reduce((a, b) => Math.max(a, b), 1) - 1;
    if (!Array.isArray(own.output_padding)) own.output_padding = Math.min(own.output_padding, most);
  }
  if (!("groups" in own)) return own;
  const channels = CHANNELS.filter((name) => name in own);
  if (moved === "groups") {
    for (const name of channels) own[name] = Math.max(1, Math.ceil(own[name] / own.groups)) * own.groups;
    return own;
  }
  const divides = (groups) => channels.every((name) => own[name] % groups === 0);
  while (own.groups > 1 && !divides(own.groups)) own.groups -= 1;
  return own;
}
