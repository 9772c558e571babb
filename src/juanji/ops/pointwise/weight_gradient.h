// The gradient of the weight of a grouped 1x1 convolution between two shuffles.
#pragma once

#include "../shuffle/cells.h"
#include "pointwise.h"
#include "product.h"

namespace juanji {
namespace {

// Sums over positions for each group, (outputs, inputs) with both filled up to whole tiles. Parts
// of the positions are summed on their own, and the parts in their order: what is added to what
// does not depend on the threads.
struct Parts {
  int64_t outputs, inputs, size, count, chunks;

  Parts(const Product& product, int64_t blocks, int64_t outputs_at_once, int64_t inputs_at_once,
        int64_t bytes)
      : outputs(rounded_up(product.outputs, outputs_at_once)),
        inputs(rounded_up(product.inputs, inputs_at_once)),
        size(product.groups * outputs * inputs) {
    constexpr int64_t most = 16, memory = int64_t(1) << 21;
    count = std::clamp<int64_t>(std::min(blocks / 4, memory / (size * bytes)), 1, most);
    chunks = count >= 8 ? 1 : product.groups;  // few parts: groups are tasks of their own
  }

  // `work(part's sums, first block, last block, first group, last group)`
  template <class A, class Work>
  void sum(int64_t groups, int64_t blocks, std::vector<A>& sums, const Work& work) const {
    sums.assign(size_t(size * count), A(0));
    parallel(count * chunks, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        int64_t part = task / chunks, chunk = task % chunks;
        work(sums.data() + part * size, blocks * part / count, blocks * (part + 1) / count,
             groups * chunk / chunks, groups * (chunk + 1) / chunks);
      }
    });
    for (int64_t part = 1; part < count; ++part)
      for (int64_t k = 0; k < size; ++k) sums[k] += sums[part * size + k];
  }
};

// Positions that are packed at once: of either tensor, they fill a quarter of a MiB at most.
constexpr int64_t most_positions = 64;

inline int64_t positions_at_once(const Product& product) {
  return std::clamp<int64_t>((32 << 10) / std::max(product.inputs, product.outputs), 8,
                             most_positions);
}

// From a packed row of so many channels to the next one: whole vectors, and some more, since a cache
// may have the same place for all rows that are a power of two apart.
template <class A>
int64_t row_step(int64_t channels) {
  return rounded_up(channels, lanes<A>) + 64 / int64_t(sizeof(A));
}

// A sum of outer products, vectors along the input channels. `Pack` tells how blocks of positions
// come: in rows (position, channel) of the gradient and in panels (position, vectors) of the input.
template <class S, int vectors, template <class> class Pack>
Parts sum_products(const Product& product, const Tensor& input, const Tensor& grad,
                   std::vector<Compute<S>>& sums) {
  using A = Compute<S>;
  constexpr int64_t width = vectors * lanes<A>;
  constexpr int most = weight_outputs(vectors), least = most / 3;
  const Pack<S> pack(product, input, grad);
  const int64_t at_once = pack.at_once, blocks = (pack.positions + at_once - 1) / at_once;
  Parts parts(product, blocks, least, width, sizeof(A));
  Ints channel(size_t(product.groups * parts.outputs));  // filled up with one that is there
  for (int64_t row = 0; row < int64_t(channel.size()); ++row)
    channel[row] = pack.channel(row / parts.outputs,
                                std::min(row % parts.outputs, product.outputs - 1));
  parts.sum(product.groups, blocks, sums, [&](A* total, int64_t begin, int64_t end, int64_t first,
                                              int64_t last) {
    Buffer<A> inputs(size_t(at_once * parts.inputs)), room(pack.room());
    const A* rows[most_positions];
    for (int64_t block = begin; block < end; ++block) {
      const int64_t start = block * at_once, count = std::min(at_once, pack.positions - start);
      pack.look_ahead(start + at_once);
      for (int64_t g = first; g < last; ++g) {
        pack.gradients(g, start, count, rows, room.data());
        pack.template inputs<width>(g, start, count, inputs.data());
        for (int64_t i = 0; i < parts.inputs; i += width) {
          const A* panel = inputs.data() + i * at_once;
          for (int64_t o = 0; o < parts.outputs;) {
            const int64_t row = g * parts.outputs + o;
            const bool whole = o + most <= parts.outputs;
            const auto add = whole ? weight_tile<A, most, vectors> : weight_tile<A, least, vectors>;
            add(rows, &channel[row], panel, count, total + row * parts.inputs + i, parts.inputs);
            o += whole ? most : least;
          }
        }
      }
    }
  });
  return parts;
}

// Channels innermost in both.
template <class S>
class PackRows {
  using A = Compute<S>;
  const Product& product;
  const Cells cells, grad_cells;
  const int64_t channels, grad_channels;
  const S *data, *grads;
  const bool in_order;  // the input channels of all groups lie one behind the other
  const bool copied;    // gradients are packed too: they are read often, or in another type

 public:
  const int64_t positions, at_once;

  PackRows(const Product& product, const Tensor& input, const Tensor& grad)
      : product(product), cells(cells_of(input, true)), grad_cells(cells_of(grad, true)),
        channels(input.size(1)), grad_channels(grad.size(1)),
        data(static_cast<const S*>(input.data_ptr())),
        grads(static_cast<const S*>(grad.data_ptr())),
        in_order(std::is_sorted(product.from.begin(), product.from.end())),
        copied(widened<S> || product.inputs > 64),
        positions(cells.count), at_once(positions_at_once(product)) {}

  // Where the rows hold an output channel of a group.
  int64_t channel(int64_t g, int64_t o) const {
    return copied ? o : product.to[g * product.outputs + o];
  }
  size_t room() const { return size_t(copied ? at_once * row_step<A>(product.outputs) : 0); }
  void look_ahead(int64_t start) const {
    prefetch_rows(data, cells, start, at_once, channels);
    prefetch_rows(grads, grad_cells, start, at_once, grad_channels);
  }
  void gradients(int64_t g, int64_t start, int64_t count, const A** rows, A* room) const {
    for (int64_t p = 0; p < count; ++p) {
      const S* from = grads + grad_cells[start + p];
      if constexpr (!widened<S>)
        if (!copied) {
          rows[p] = from;
          continue;
        }
      A* row = room + p * row_step<A>(product.outputs);
      for (int64_t o = 0; o < product.outputs; ++o)
        row[o] = widen(from[product.to[g * product.outputs + o]]);
      rows[p] = row;
    }
  }
  template <int64_t width>
  void inputs(int64_t g, int64_t start, int64_t count, A* to) const {
    const int64_t* from = product.from.data() + g * product.inputs;
    for (int64_t p = 0; p < count; ++p, to += width) {
      const S* position = data + cells[start + p];
      for (int64_t i = 0; i < product.inputs; i += width) {
        const int64_t many = std::min(width, product.inputs - i);
        A* panel = to + i * at_once;
        if (in_order)
          for (int64_t k = 0; k < many; ++k) panel[k] = widen(position[from[0] + i + k]);
        else
          for (int64_t k = 0; k < many; ++k) panel[k] = widen(position[from[i + k]]);
      }
    }
  }
};

// Any strides: squares of channels and positions are transposed. Positions run on from one batch
// element into the next.
template <class S>
class PackPlanes {
  using A = Compute<S>;
  const Product& product;
  const Tensor &input, &grad;
  const Cells cells, grad_cells;

  // Channels of a group: channel c of position p goes to to[place(c) + p * step], a vector of them
  // at a time.
  template <class Place>
  static void turn_channels(const Tensor& tensor, const Cells& at, const int64_t* channel,
                            int64_t channels, int64_t start, int64_t count, A* to, int64_t step,
                            const Place& place) {
    const int64_t size = at.count, plane_step = tensor.stride(1);
    for (const int64_t end = start + count; start < end;) {
      const int64_t cell = start % size, run = std::min(end - start, size - cell);
      const S* element = static_cast<const S*>(tensor.data_ptr()) + start / size * tensor.stride(0);
      for (int64_t c = 0; c < channels; c += lanes<A>) {
        Starts<A, const S> planes{};
        for (int64_t i = 0; i < std::min<int64_t>(channels - c, lanes<A>); ++i)
          planes[i] = element + channel[c + i] * plane_step;
        auto read = [&](const S* plane, int64_t from, int64_t many, auto whole) {
          if (whole) return load(plane + cell + from);
          if (at.dense()) return load(plane + cell + from, many);
          Vector<A> value{};
          for (int64_t k = 0; k < many; ++k) value[k] = widen(plane[at[cell + from + k]]);
          return value;
        };
        turn_in<A>(planes, channels - c, at.dense(), run, read,
                   [vectors = to + place(c), step](int64_t from, Vector<A> value, auto) {
                     store(vectors + from * step, value);
                   });
      }
      start += run, to += run * step;
    }
  }

 public:
  const int64_t positions, at_once;

  PackPlanes(const Product& product, const Tensor& input, const Tensor& grad)
      : product(product), input(input), grad(grad), cells(cells_of(input, false)),
        grad_cells(cells_of(grad, false)),
        positions(cells.count * input.size(0)), at_once(positions_at_once(product)) {}

  int64_t channel(int64_t, int64_t o) const { return o; }
  size_t room() const { return size_t(at_once * row_step<A>(product.outputs)); }
  void look_ahead(int64_t) const {}
  void gradients(int64_t g, int64_t start, int64_t count, const A** rows, A* room) const {
    const int64_t row = row_step<A>(product.outputs);
    for (int64_t p = 0; p < count; ++p) rows[p] = room + p * row;
    turn_channels(grad, grad_cells, &product.to[g * product.outputs], product.outputs, start, count,
                  room, row, [](int64_t c) { return c; });
  }
  template <int64_t width>
  void inputs(int64_t g, int64_t start, int64_t count, A* to) const {
    turn_channels(input, cells, &product.from[g * product.inputs], product.inputs, start, count, to,
                  width, [this](int64_t c) { return c / width * width * at_once + c % width; });
  }
};

// Vectors of input channels at once, if a group has more than one of them.
template <class S, template <class> class Pack>
Parts weight_sums(const Product& product, const Tensor& input, const Tensor& grad,
                  std::vector<Compute<S>>& sums) {
  if (product.inputs > lanes<Compute<S>>) return sum_products<S, 2, Pack>(product, input, grad, sums);
  return sum_products<S, 1, Pack>(product, input, grad, sums);
}

}  // namespace
}  // namespace juanji
