// Panels: the cells that a tile reads, copied into a small buffer of zeros, in the numbers that the
// kernel computes in. All that is irregular (borders, strides, dilation, storage types, strides of
// the tensor) ends here; the loops of kernel.h know offsets only.
//
// There are two arrangements:
//   planes    (C, depth, height, residue, width)   vectors hold neighbours along the width
//   channels  (depth, height, width, C)            vectors hold channels
#pragma once

#include "geometry.h"

namespace juanji {

struct Panel {
  Triple step;  // distance of neighbouring slots
  int64_t channels, channel_step, residue_step, cells;

  Panel(const Tile& tile, int64_t channels, bool planes) : channels(channels) {
    const auto& [depth, height, width] = tile.slots;
    residue_step = planes ? width : 0;
    const int64_t cell = planes ? 1 : channels, row = tile.residues * width * cell;
    step = {height * row, row, cell};
    channel_step = planes ? depth * height * row : 1;
    cells = planes ? channels * channel_step : depth * height * row;
  }

  // Of the cells that each tap reads, in bytes, for the first output of the tile.
  std::vector<int64_t> tap_offsets(const Part& part, const Tile& tile, int64_t bytes) const {
    std::vector<int64_t> offsets;
    auto slot = [&](int axis, const Tap& tap) {
      int64_t along = tap.offset - part[axis].lowest();
      if (axis == 2 && residue_step)
        return along % part[2].advance * residue_step + along / part[2].advance;
      return along / tile.lattice[axis] * step[axis];
    };
    for (const Tap& depth : part[0].taps)
      for (const Tap& height : part[1].taps)
        for (const Tap& width : part[2].taps)
          offsets.push_back(bytes * (slot(0, depth) + slot(1, height) + slot(2, width)));
    return offsets;
  }
};

// A panel of planes, and what it was last filled for.
template <class A>
struct PlanesPanel {
  Buffer<A> cells;
  std::array<int64_t, 5> tile{-1};  // the work, where it starts, how many channels

  // Makes room; says whether zeros are in place.
  bool prepare(int64_t size, int64_t work, const Triple& start, int64_t channels) {
    const std::array<int64_t, 5> wanted{work, start[0], start[1], start[2], channels};
    const bool same = tile == wanted;
    cells.resize(size), tile = wanted;
    return same;
  }
};

// Calls `visit(slot, row)` for the rows of slots of a tile; `row` is null outside of the input.
template <class S, class Visit>
inline void each_row(const View& x, const S* plane, const Part& part, const Tile& tile,
                     const Triple& start, Visit visit) {
  const int64_t depth = part[0].origin(start[0]), height = part[1].origin(start[1]);
  for (int64_t d = 0; d < tile.slots[0]; ++d)
    for (int64_t h = 0; h < tile.slots[1]; ++h) {
      const int64_t at_d = depth + d * tile.lattice[0], at_h = height + h * tile.lattice[1];
      const bool inside = 0 <= at_d && at_d < x.size[0] && 0 <= at_h && at_h < x.size[1];
      visit(d * tile.slots[1] + h,
            inside ? plane + at_d * x.stride[0] + at_h * x.stride[1] : nullptr);
    }
}

// The slots [low, high) of `count` whose positions base + slot * step are in 0..size.
struct Span {
  int64_t low, high;
  Span(int64_t base, int64_t step, int64_t size, int64_t count) {
    low = base < 0 ? std::min((-base + step - 1) / step, count) : 0;
    high = size > base ? std::min((size - base + step - 1) / step, count) : 0;
    high = std::max(low, high);
  }
};

template <class A>
inline void zero(A* to, int64_t count) {
  int64_t i = 0;
  for (; i + lanes<A> <= count; i += lanes<A>) store(to + i, Vector<A>{});
  store(to + i, Vector<A>{}, count - i);
}

// The even numbers of one vector, then the odd ones of another.
template <class A, int... lane>
inline Vector<A> halves(Vector<A> a, Vector<A> b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (2 * lane + (2 * lane >= lanes<A>))...);
}

template <class S>
inline void copy_row(Compute<S>* to, const S* from, int64_t step, int64_t count) {
  using A = Compute<S>;
  constexpr int n = lanes<A>;
  int64_t i = 0;
  if (step == 1) {
    for (; i + n <= count; i += n) store(to + i, load(from + i));
    if (i == count) return;
    if (count >= n) return store(to + count - n, load(from + count - n));  // some of it again
    return store(to, load(from, count), count);
  }
  if (step == 2 && count >= n) {
    // from[2 * (i + n - 1)] is the last number that may be read: hence the odd ones.
    auto copy = [&](int64_t at) {
      store(to + at, halves<A>(load(from + 2 * at), load(from + 2 * at + n - 1),
                               std::make_integer_sequence<int, n>{}));
    };
    for (; i + n <= count; i += n) copy(i);
    return copy(count - n);
  }
  for (; i < count; ++i) to[i] = widen(from[i * step]);
}

// Channels side by side in memory become planes: squares are transposed.
template <class S>
inline void copy_rows(Compute<S>* to, int64_t to_step, const S* from, int64_t step, int64_t count,
                      int64_t channels) {
  using A = Compute<S>;
  for (int64_t c = 0; c < channels; c += lanes<A>) {
    const int64_t valid = std::min<int64_t>(lanes<A>, channels - c);
    for (int64_t i = 0; i < count; i += lanes<A>) {
      Vector<A> square[lanes<A>];
      for (int lane = 0; lane < lanes<A>; ++lane)
        square[lane] = i + lane < count ? load(from + c + (i + lane) * step, valid) : Vector<A>{};
      transpose<A>(square);
      for (int64_t channel = 0; channel < valid; ++channel)
        store(to + (c + channel) * to_step + i, square[channel], count - i);
    }
  }
}

// The panel's channels of element n from `first` on, `channels` of them at most; of the columns,
// those of `columns` outputs. `zeroed`: the panel was last filled for the same tile of as many
// channels, so that zeros are where they belong.
template <class S>
void fill_planes(Compute<S>* to, bool zeroed, const View& x, int64_t n, int64_t first,
                 int64_t channels, const Part& part, const Tile& tile, const Panel& panel,
                 const Triple& start, int64_t columns) {
  using A = Compute<S>;
  const int64_t width = tile.slots[2], step = part[2].advance * x.stride[2];
  const bool transposed = x.channel_stride == 1 && channels > 1;
  for (int64_t residue = 0; residue < tile.residues; ++residue) {
    const int64_t base = part[2].origin(start[2]) + residue;
    const Span span(base, part[2].advance, x.size[2], std::min(width, columns));
    const int64_t offset = (base + span.low * part[2].advance) * x.stride[2];
    const int64_t count = span.high - span.low;
    auto fill = [&](int64_t slot, const S* row, int64_t group_of) {
      A* line = to + (slot * tile.residues + residue) * width;
      if (transposed && row && count > 0)
        copy_rows<S>(line + span.low, panel.channel_step, row + offset, step, count, group_of);
      for (int64_t channel = 0; channel < group_of; ++channel, line += panel.channel_step) {
        if (!row || count == 0) {
          if (!zeroed) zero(line, width);
          continue;
        }
        // The width is one of whole vectors, so that zeros may reach where numbers go afterwards.
        const int64_t behind = span.high / lanes<A> * lanes<A>;
        if (transposed) {
          zero(line, span.low);
          zero(line + span.high, width - span.high);
          continue;
        }
        if (!zeroed) {
          zero(line, rounded_up(span.low, lanes<A>));
          zero(line + behind, width - behind);
        }
        copy_row<S>(line + span.low, row + offset + channel * x.channel_stride, step, count);
      }
    };
    if (transposed) {
      each_row<S>(x, x.at<S>(n, first), part, tile, start,
                  [&](int64_t slot, const S* row) { fill(slot, row, channels); });
      continue;
    }
    for (int64_t channel = 0; channel < channels; ++channel, to += panel.channel_step)
      each_row<S>(x, x.at<S>(n, first + channel), part, tile, start,
                  [&](int64_t slot, const S* row) { fill(slot, row, 1); });
    to -= channels * panel.channel_step;
  }
}

// The same for a panel of channels; the channels of x lie side by side.
template <class S>
void fill_channels(Compute<S>* to, const View& x, int64_t n, int64_t first, const Part& part,
                   const Tile& tile, const Panel& panel, const Triple& start, int64_t columns) {
  const int64_t width = tile.slots[2], cell = panel.channels;
  const int64_t valid = std::min(cell, x.channels - first);
  const int64_t base = part[2].origin(start[2]), step = tile.lattice[2] * x.stride[2];
  const Span span(base, tile.lattice[2], x.size[2], std::min(width, columns));
  each_row<S>(x, x.at<S>(n, first), part, tile, start, [&](int64_t slot, const S* row) {
    auto* line = to + slot * width * cell;
    const Span filled = row ? span : Span(0, 1, 0, width);
    zero(line, filled.low * cell);
    zero(line + filled.high * cell, (width - filled.high) * cell);
    for (int64_t w = filled.low; w < filled.high; ++w) {
      const S* from = row + base * x.stride[2] + w * step;
      __builtin_prefetch(from + 8 * step);
      __builtin_prefetch(from + cell);  // of the next channels, which come soon
      copy_row<S>(line + w * cell, from, 1, valid);
      zero(line + w * cell + valid, cell - valid);
    }
  });
}

}  // namespace juanji
