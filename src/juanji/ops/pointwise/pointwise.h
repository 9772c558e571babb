// Grouped 1x1 convolution between two shuffles, in both layouts.
#pragma once

#include "../shuffle/cells.h"
#include "product.h"
#include "../shuffle/transpose.h"

namespace juanji {
namespace {

// The product of one call: `inputs` and `outputs` channels in each group, the channels' places
// counted in channels of the tensors.
struct Product {
  int64_t groups, inputs, outputs;
  Ints from, to;
};

// As bytes of a thread's own block stay in the first cache.
constexpr int64_t block_bytes = 16384;

// The weight and the bias of one call as they are given.
template <class S>
struct Weights {
  const S* weight;
  int64_t group_step, output_step, input_step;
  const S* bias;  // or null
  int64_t bias_step;

  Compute<S> at(int64_t g, int64_t o, int64_t i) const {
    return widen(weight[g * group_step + o * output_step + i * input_step]);
  }
  Compute<S> added(int64_t channel) const {
    return bias ? widen(bias[channel * bias_step]) : Compute<S>(0);
  }
};

// The weights as `row_tile` reads them: (groups, panel, depth, lanes of the panel), where a panel
// is `row_vectors` vectors of output channels; and the bias as (groups, lanes of all panels).
template <class S>
struct Panels {
  using A = Compute<S>;
  static constexpr int64_t width = row_vectors * lanes<A>;
  int64_t count;  // in a group
  std::vector<A> weight, bias;

  Panels(const Product& product, const Weights<S>& given)
      : count((product.outputs + width - 1) / width),
        weight(size_t(product.groups * count * product.inputs * width)),
        bias(size_t(product.groups * count * width)) {
    for (int64_t g = 0; g < product.groups; ++g)
      for (int64_t o = 0; o < product.outputs; ++o) {
        int64_t panel = g * count + o / width;
        bias[panel * width + o % width] = given.added(g * product.outputs + o);
        A* to = weight.data() + panel * product.inputs * width + o % width;
        for (int64_t i = 0; i < product.inputs; ++i) to[i * width] = given.at(g, o, i);
      }
  }
};

template <class S>
inline constexpr bool widened = sizeof(S) < sizeof(Compute<S>);

// Fetches rows of positions. Inlined, because a call that only prefetches is dropped by GCC.
template <class S>
[[gnu::always_inline]] inline void prefetch_rows(const S* data, const Cells& cells, int64_t first,
                                                 int64_t count, int64_t channels) {
  for (int64_t p = first; p < std::min(first + count, cells.count); ++p)
    for (int64_t c = 0; c < channels; c += 64 / int64_t(sizeof(S)))
      __builtin_prefetch(data + cells[p] + c);
}

// Positions as rows of channels that are evenly apart, in the numbers that are computed in: where
// they stand, or copied, some at a time.
template <class S>
class InputRows {
  using A = Compute<S>;
  const S* data;
  const int64_t channels, channel_step;
  const Cells& cells;
  const bool in_place;

 public:
  const int64_t step;

  InputRows(const Tensor& input, const Cells& cells)
      : data(static_cast<const S*>(input.data_ptr())), channels(input.size(1)),
        channel_step(input.stride(1)), cells(cells),
        in_place(!widened<S> && channel_step == 1 && cells.size.size() <= 1),
        step(in_place && cells.count > 1 ? cells.stride[0] : channels) {}

  size_t room(int64_t positions) const { return size_t(in_place ? 0 : positions * channels); }

  const A* at(int64_t first, int64_t count, A* room) const {
    if constexpr (!widened<S>)
      if (in_place) return data + first * step;
    for (int64_t p = 0; p < count; ++p) {
      const S* from = data + cells[first + p];
      for (int64_t c = 0; c < channels; ++c) room[p * channels + c] = widen(from[c * channel_step]);
    }
    return room;
  }

  // Tiles jump from row to row, which the processor does not foresee: asks for rows of the next block,
  // a few at a time, since a core waits if it has asked for more than some twenty lines.
  void look_ahead(int64_t first, int64_t count) const {
    if (channel_step == 1) prefetch_rows(data, cells, first, count, channels);
  }
};

// Where rows of outputs go, with their channels shuffled: straight to their places, where that leaves
// rows as they are, or after they have waited.
template <class S>
class OutputRows {
  S* const result;
  const Cells cells;
  const Ints& places;  // of the channels
  const int64_t channels, channel_step, groups;
  const bool innermost;
  const Row<Bits<S>> shuffle;

 public:
  const bool direct;

  OutputRows(const Product& product, Tensor& output, int64_t after)
      : result(static_cast<S*>(output.data_ptr())), cells(cells_of(output, true)),
        places(product.to), channels(product.groups * product.outputs),
        channel_step(output.stride(1)), groups(after),
        innermost(channel_step == 1 && cells.size.size() < 2),
        shuffle(row_shuffle<Bits<S>>(after, channels / after)),
        direct(innermost && (after == 1 || after == channels)) {}

  S* at(int64_t position) const { return result + position * channels; }

  void write(const S* row, int64_t position) const {
    if (innermost)
      return shuffle(reinterpret_cast<const Bits<S>*>(row),
                     reinterpret_cast<Bits<S>*>(at(position)), groups, channels / groups);
    S* cell = result + cells[position];
    for (int64_t c = 0; c < channels; ++c) cell[places[c] * channel_step] = row[c];
  }
};

// One panel of outputs of some positions.
template <class S, int vectors>
void multiply_panel(const Product& product, const Panels<S>& panels, int64_t panel,
                    const Compute<S>* from, int64_t step, S* to, int64_t count) {
  constexpr int64_t width = Panels<S>::width;
  const int64_t g = panel / panels.count, o = panel % panels.count * width;
  const int64_t channels = product.groups * product.outputs;
  auto tile = [&]<int at_once>(int64_t p) {
    row_tile<S, at_once, vectors>(
        from + p * step, step, product.from.data() + g * product.inputs, product.inputs,
        panels.weight.data() + panel * product.inputs * width, panels.bias.data() + panel * width,
        to + p * channels + g * product.outputs + o, channels, product.outputs - o);
  };
  if (count < row_positions)
    for (int64_t p = 0; p < count; ++p) tile.template operator()<1>(p);
  else  // the last tile overlaps the one before
    for (int64_t p = 0; p < count; p += row_positions)
      tile.template operator()<row_positions>(std::min(p, count - row_positions));
}

// Any strides of the input, a few positions at a time, whose results fit into the first cache.
template <class S>
void multiply_rows(const Product& product, const Weights<S>& weights, const Tensor& input,
                   Tensor& output, int64_t after) {
  using A = Compute<S>;
  const Panels<S> panels(product, weights);
  const Cells cells = cells_of(input, true);
  const InputRows<S> rows(input, cells);
  const OutputRows<S> outputs(product, output, after);
  const int64_t channels = product.groups * product.outputs, all = product.groups * panels.count;
  const int64_t few = block_bytes / 2 / (channels * int64_t(sizeof(S))) / row_positions;
  const int64_t positions = std::clamp<int64_t>(few, 1, 16) * row_positions;
  parallel((cells.count + positions - 1) / positions, [&](int64_t begin, int64_t end) {
    std::vector<S> waiting(outputs.direct ? 0 : size_t(positions * channels));
    std::vector<A> room(rows.room(positions));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * positions, count = std::min(positions, cells.count - first);
      const A* from = rows.at(first, count, room.data());
      S* to = outputs.direct ? outputs.at(first) : waiting.data();
      for (int64_t panel = 0; panel < all; ++panel) {
        const int64_t asked = positions * panel / all, next = positions * (panel + 1) / all;
        rows.look_ahead(first + positions + asked, next - asked);
        const int64_t left = product.outputs - panel % panels.count * Panels<S>::width;
        if (left > lanes<A>)
          multiply_panel<S, row_vectors>(product, panels, panel, from, rows.step, to, count);
        else
          multiply_panel<S, 1>(product, panels, panel, from, rows.step, to, count);
      }
      if (outputs.direct) continue;
      for (int64_t p = 0; p < count; ++p) outputs.write(&waiting[p * channels], first + p);
    }
  });
}

// Planes of one vector at least that lie in one piece, in input and output: an output channel is
// convolved into its place.
template <class S>
void multiply_planes(const Product& product, const Weights<S>& weights, const Tensor& input,
                     Tensor& output) {
  using A = Compute<S>;
  constexpr int64_t width = plane_vectors * lanes<A>;
  int64_t channels = product.groups * product.outputs, inputs = product.inputs;
  int64_t size = cells_of(output, false).count;
  int64_t at_once = product.outputs < plane_channels ? 1 : plane_channels;
  int64_t tiles = (product.outputs + at_once - 1) / at_once;
  Ints planes(product.from);
  for (int64_t& channel : planes) channel *= input.stride(1);

  // (groups, tile, depth, channels of the tile); the last tile overlaps the one before
  auto first_of = [&](int64_t tile) { return std::min(tile * at_once, product.outputs - at_once); };
  std::vector<A> packed(size_t(product.groups * tiles * inputs * at_once)), bias(channels);
  for (int64_t tile = 0; tile < product.groups * tiles; ++tile)
    for (int64_t o = 0; o < at_once; ++o) {
      int64_t g = tile / tiles, row = first_of(tile % tiles) + o;
      bias[g * product.outputs + row] = weights.added(g * product.outputs + row);
      A* to = packed.data() + tile * inputs * at_once + o;
      for (int64_t i = 0; i < inputs; ++i) to[i * at_once] = weights.at(g, row, i);
    }

  const int64_t cell = std::max<int64_t>(inputs, 1) * int64_t(sizeof(S));
  int64_t block = std::max<int64_t>(block_bytes / (cell * width), 1) * width;
  int64_t blocks = std::max<int64_t>(size / block, 1);  // the last one takes the rest
  int64_t batch_step = input.stride(0);
  const S* data = static_cast<const S*>(input.data_ptr());
  S* result = static_cast<S*>(output.data_ptr());
  parallel(input.size(0) * product.groups * blocks, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      int64_t n = task / blocks / product.groups, g = task / blocks % product.groups;
      int64_t first = task % blocks * block;
      int64_t last = task % blocks == blocks - 1 ? size : first + block;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        int64_t row = g * product.outputs + first_of(tile);
        S* to[plane_channels];
        for (int64_t o = 0; o < at_once; ++o)
          to[o] = result + (n * channels + product.to[row + o]) * size;
        auto multiply = [&]<int outputs, int vectors>(int64_t position) {
          plane_tile<S, outputs, vectors>(
              data + n * batch_step, planes.data() + g * inputs, inputs,
              packed.data() + (g * tiles + tile) * inputs * at_once, bias.data() + row, to,
              position);
        };
        auto walk = [&]<int outputs>() {
          int64_t position = first;
          for (; position + width <= last; position += width)
            multiply.template operator()<outputs, plane_vectors>(position);
          for (; position < last; position += lanes<A>)  // the last one overlaps
            multiply.template operator()<outputs, 1>(std::min(position, last - lanes<A>));
        };
        if (at_once == 1)
          walk.template operator()<1>();
        else
          walk.template operator()<plane_channels>();
      }
    }
  });
}

}  // namespace
}  // namespace juanji
