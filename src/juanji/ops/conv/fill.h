// How panels are filled: rows of cells are copied, taken apart or transposed, with zeros around them.
#pragma once

#include "panel.h"

namespace juanji {

// The slots [low, high) of `count` whose positions base + slot * step are in 0..size.
struct Span {
  int64_t low, high;
  Span(int64_t base, int64_t step, int64_t size, int64_t count) {
    low = base < 0 ? std::min((-base + step - 1) / step, count) : 0;
    high = size > base ? std::min((size - base + step - 1) / step, count) : 0;
    high = std::max(low, high);
  }
  int64_t size() const { return high - low; }
};

// Calls `visit(slot, count, row)` for all rows of slots of a tile, `count` at once that follow each
// other; `row` is the first one, or null where they are outside of the input. `origin` is the position
// of the first slot, here and below.
template <class S, class Visit>
inline void each_rows(const View& x, const S* plane, const Tile& tile, const Triple& origin,
                      Visit visit) {
  const int64_t rows = tile.slots[1], depth = origin[0], height = origin[1];
  const Span depths(depth, tile.lattice[0], x.size[0], tile.slots[0]);
  const Span heights(height, tile.lattice[1], x.size[1], rows);
  for (int64_t d = 0; d < tile.slots[0]; ++d) {
    const bool inside = depths.low <= d && d < depths.high && heights.size() > 0;
    const Span met = inside ? heights : Span(0, 1, 0, rows);
    if (met.low > 0) visit(d * rows, met.low, nullptr);
    if (met.size() > 0)
      visit(d * rows + met.low, met.size(),
            plane + (depth + d * tile.lattice[0]) * x.stride[0] +
                (height + met.low * tile.lattice[1]) * x.stride[1]);
    if (met.high < rows) visit(d * rows + met.high, rows - met.high, nullptr);
  }
}

template <class A>
inline void zero(A* to, int64_t count) {
  int64_t i = 0;
  for (; i + lanes<A> <= count; i += lanes<A>) store(to + i, Vector<A>{});
  store(to + i, Vector<A>{}, count - i);
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
  if (step == 2 && count > n) {
    constexpr auto all = std::make_index_sequence<n>{};
    for (; i + n < count; i += n)
      store(to + i, every_second<0>(load(from + 2 * i), load(from + 2 * i + n), all));
    // The last ones, as the second ones of pairs, so that nothing behind them is read.
    const S* pair = from + 2 * (count - n) - 1;
    return store(to + count - n, every_second<1>(load(pair), load(pair + n), all));
  }
  for (; i < count; ++i) to[i] = widen(from[i * step]);
}

// The pairs of a row apart: even[j] = row[2 * j], odd[j] = row[2 * j + 1], j < count; nothing else
// is read or written.
template <class S>
inline void copy_pairs(Compute<S>* even, Compute<S>* odd, const S* row, int64_t count) {
  constexpr int n = lanes<Compute<S>>;
  constexpr auto all = std::make_index_sequence<n>{};
  auto copy = [&](int64_t at) {
    const auto low = load(row + 2 * at), high = load(row + 2 * at + n);
    store(even + at, every_second<0>(low, high, all));
    store(odd + at, every_second<1>(low, high, all));
  };
  if (count >= n) {
    for (int64_t i = 0; i + n < count; i += n) copy(i);
    return copy(count - n);  // some of it again
  }
  const auto low = load(row, 2 * count);
  const auto high = load(row + n, std::max<int64_t>(2 * count - n, 0));
  store(even, every_second<0>(low, high, all), count);
  store(odd, every_second<1>(low, high, all), count);
}

// So few channels side by side are taken apart one by one: squares would be mostly empty.
inline bool are_few(int64_t channels) { return channels <= 8; }

// Of `cells` cells, `step` apart, so many have neighbours behind them, beyond their `channels`, for a
// whole vector: only the last ones are read, or written, in parts.
template <class A>
inline int64_t followed(int64_t cells, int64_t step, int64_t channels) {
  if (channels >= lanes<A>) return cells;
  return step > 0 ? cells - (lanes<A> - channels + step - 1) / step : 0;
}

// Channels side by side in memory become planes: squares are transposed.
template <class S>
inline void copy_rows(Compute<S>* to, int64_t to_step, const S* from, int64_t step, int64_t count,
                      int64_t channels) {
  using A = Compute<S>;
  if (are_few(channels)) {
    for (int64_t c = 0; c < channels; ++c) copy_row(to + c * to_step, from + c, step, count);
    return;
  }
  for (int64_t c = 0; c < channels; c += lanes<A>) {
    const int64_t most = followed<A>(count, step, channels - c);
    turn_out<A>(starts<A>(to + c * to_step, to_step, channels - c), channels - c, true, count,
                [&](int64_t cell, auto whole) {
                  const S* numbers = from + c + cell * step;
                  return whole || cell < most ? load(numbers) : load(numbers, channels - c);
                },
                [](A* plane, int64_t at, int64_t many, Vector<A> value, auto) {
                  store(plane + at, value, many);
                });
  }
}

// Rows of cells into lines of a panel of planes, and zeros around them; of the columns, those of
// `columns` outputs, `advance` apart.
template <class S>
class PlaneLines {
  using A = Compute<S>;

 public:
  const bool transposed;  // all channels at once

 private:
  const bool pairs;
  const int64_t width, residues, advance, base, column_step, row_step, channel_step, channels;
  std::vector<Span> spans;  // of each residue

  void fill_residue(A* lines, const S* rows, int64_t count, int64_t residue) const {
    const Span& span = spans[residue];
    if (span.size() == 0) return;
    const int64_t step = advance * column_step;
    A* to = lines + residue * width + span.low;
    const S* from = rows + (base + residue + span.low * advance) * column_step;
    for (int64_t row = 0; row < count; ++row, to += residues * width, from += row_step)
      if (transposed)
        copy_rows<S>(to, channel_step, from, step, span.size(), channels);
      else
        copy_row<S>(to, from, step, span.size());
  }

  // Pairs, and at most one number at each end that has no partner in the row.
  void fill_pairs(A* line, const S* row) const {
    const Span even = spans[0], odd = spans[1];
    for (int64_t j = odd.low; j < std::min(even.low, odd.high); ++j)
      line[width + j] = widen(row[base + 2 * j + 1]);
    for (int64_t j = std::max(odd.high, even.low); j < even.high; ++j)
      line[j] = widen(row[base + 2 * j]);
    if (even.low < odd.high)  // of whole pairs: the last number read is an odd one's
      copy_pairs<S>(line + even.low, line + width + even.low, row + base + 2 * even.low,
                    odd.high - even.low);
  }

 public:
  PlaneLines(const View& x, int64_t channels, int64_t advance, const Tile& tile,
             const Panel& panel, int64_t base, int64_t columns)
      : transposed(x.channel_stride == 1 && channels > 1),
        pairs(tile.residues == 2 && advance * x.stride[2] == 2 && !transposed),
        width(tile.slots[2]), residues(tile.residues), advance(advance), base(base),
        column_step(x.stride[2]), row_step(tile.lattice[1] * x.stride[1]),
        channel_step(panel.channel_step), channels(channels) {
    for (int64_t residue = 0; residue < residues; ++residue)
      spans.emplace_back(base + residue, advance, x.size[2], std::min(width, columns));
  }

  // The width is one of whole vectors, so that zeros may reach where numbers go.
  void clear(A* lines, int64_t count) const {
    for (int64_t row = 0; row < count; ++row)
      for (const Span& span : spans) {
        const int64_t behind = span.high / lanes<A> * lanes<A>;
        zero(lines, rounded_up(span.low, lanes<A>));
        zero(lines + behind, width - behind);
        lines += width;
      }
  }

  // `count` rows of a channel, or of all that are transposed together.
  void fill(A* lines, const S* rows, int64_t count) const {
    if (!pairs) {
      for (int64_t residue = 0; residue < residues; ++residue)
        fill_residue(lines, rows, count, residue);
      return;
    }
    for (int64_t row = 0; row < count; ++row, lines += residues * width, rows += row_step)
      fill_pairs(lines, rows);
  }
};

// The panel's channels of element n from `first` on, `channels` of them at most. `zeroed`: the panel
// was last filled for the same tile of as many channels, so that zeros are where they belong.
template <class S>
void fill_planes(Compute<S>* to, bool zeroed, const View& x, int64_t n, int64_t first,
                 int64_t channels, int64_t advance, const Tile& tile, const Panel& panel,
                 const Triple& origin, int64_t columns) {
  using A = Compute<S>;
  const PlaneLines<S> planes(x, channels, advance, tile, panel, origin[2], columns);
  const int64_t line = tile.residues * tile.slots[2];
  A* plane = to;
  for (int64_t channel = 0; channel < channels; ++channel, plane += panel.channel_step)
    each_rows<S>(x, x.at<S>(n, first + channel), tile, origin,
                 [&](int64_t slot, int64_t count, const S* rows) {
                   A* lines = plane + slot * line;
                   if (!zeroed && rows) planes.clear(lines, count);
                   if (!zeroed && !rows) zero(lines, count * line);
                   if (rows && !planes.transposed) planes.fill(lines, rows, count);
                 });
  if (planes.transposed)
    each_rows<S>(x, x.at<S>(n, first), tile, origin,
                 [&](int64_t slot, int64_t count, const S* rows) {
                   if (rows) planes.fill(to + slot * line, rows, count);
                 });
}

// The same for a panel of channels, where the channels of x do not lie side by side: cells and
// channels are transposed. Cells that follow each other in memory are one run, over many rows.
template <class S>
void turn_to_channels(Compute<S>* to, const View& x, int64_t n, int64_t first, const Tile& tile,
                      const Panel& panel, const Triple& origin, int64_t columns) {
  using A = Compute<S>;
  const int64_t width = tile.slots[2], cell = panel.channels;
  const int64_t valid = std::min(cell, x.channels - first);
  const int64_t base = origin[2], step = tile.lattice[2] * x.stride[2];
  const int64_t row_step = tile.lattice[1] * x.stride[1];
  const Span span(base, tile.lattice[2], x.size[2], std::min(width, columns));
  const bool one_run = step == 1 && span.size() == row_step;
  std::vector<int64_t> places;  // of a run's cells
  auto fill = [&](A* line, const S* from, int64_t count) {  // `count` rows from their span on
    places.clear();
    for (int64_t row = 0; row < count; ++row)
      for (int64_t w = 0; w < span.size(); ++w) places.push_back((row * width + w) * cell);
    for (int64_t c = 0; c < cell; c += lanes<A>)
      turn_in<A>(starts<A>(from + c * x.channel_stride, x.channel_stride, valid - c), valid - c,
                 step == 1, int64_t(places.size()),
                 [step](const S* plane, int64_t at, int64_t many, auto whole) {
                   return whole ? load(plane + at) : load_strided(plane + at * step, step, many);
                 },
                 [to = line + c, place = places.data(), room = cell - c](int64_t at, Vector<A> value,
                                                                         auto whole) {
                   whole ? store(to + place[at], value) : store(to + place[at], value, room);
                 });
  };
  each_rows<S>(x, x.at<S>(n, first), tile, origin,
               [&](int64_t slot, int64_t count, const S* rows) {
                 A* lines = to + slot * width * cell;
                 if (!rows || span.size() == 0) return zero(lines, count * width * cell);
                 for (int64_t row = 0; row < count; ++row) {
                   A* line = lines + row * width * cell;
                   zero(line, span.low * cell);
                   zero(line + span.high * cell, (width - span.high) * cell);
                 }
                 const S* from = rows + base * x.stride[2] + span.low * step;
                 A* line = lines + span.low * cell;
                 if (one_run) return fill(line, from, count);
                 for (int64_t row = 0; row < count; ++row)
                   fill(line + row * width * cell, from + row * row_step, 1);
               });
}

// The same, where they do.
template <class S>
void fill_channels(Compute<S>* to, const View& x, int64_t n, int64_t first, const Tile& tile,
                   const Panel& panel, const Triple& origin, int64_t columns) {
  if (x.channel_stride != 1)
    return turn_to_channels<S>(to, x, n, first, tile, panel, origin, columns);
  const int64_t width = tile.slots[2], cell = panel.channels;
  const int64_t valid = std::min(cell, x.channels - first);
  const int64_t base = origin[2], step = tile.lattice[2] * x.stride[2];
  const Span span(base, tile.lattice[2], x.size[2], std::min(width, columns));
  const bool whole = valid == cell && cell % lanes<Compute<S>> == 0;
  auto fill = [&](auto* line, const S* row) {
    if (!row) return zero(line, width * cell);
    zero(line, span.low * cell);
    zero(line + span.high * cell, (width - span.high) * cell);
    const S* from = row + base * x.stride[2] + span.low * step;
    auto* to = line + span.low * cell;
    for (int64_t w = span.low; w < span.high; ++w, from += step, to += cell) {
      __builtin_prefetch(from + 8 * step);
      __builtin_prefetch(from + cell);  // of the next channels, which come soon
      if (whole) {
        for (int64_t c = 0; c < cell; c += lanes<Compute<S>>) store(to + c, load(from + c));
        continue;
      }
      copy_row<S>(to, from, 1, valid);
      zero(to + valid, cell - valid);
    }
  };
  const int64_t row_step = tile.lattice[1] * x.stride[1];
  each_rows<S>(x, x.at<S>(n, first), tile, origin,
               [&](int64_t slot, int64_t count, const S* rows) {
                 for (int64_t row = 0; row < count; ++row)
                   fill(to + (slot + row) * width * cell, rows ? rows + row * row_step : nullptr);
               });
}

}  // namespace juanji
