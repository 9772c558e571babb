// Windows side by side: every coarse cell has a box of fine cells for its own. Fine cells are read
// and written where they are, without a buffer.
//
// Vectors lie along the channels, or along the last axis where boxes are two cells wide there: then
// two vectors of a fine row hold the first and the second cells of one vector of boxes.
#pragma once

#include "job.h"
#include "rows.h"
#include "walk.h"

namespace juanji {
namespace {

struct Boxes {
  Triple coarse, fine, box;

  int64_t rows() const { return box[0] * box[1]; }
  int64_t taps() const { return rows() * box[2]; }
  // From the first cell of a box to the first cell of its row i.
  int64_t row_offset(const View& view, int64_t i) const {
    return i / box[1] * view.stride[0] + i % box[1] * view.stride[1];
  }
  // The same for the box of coarse cell (d, h, w), from the plane's first cell.
  int64_t offset(const View& view, int64_t d, int64_t h, int64_t w = 0) const {
    return d * box[0] * view.stride[0] + h * box[1] * view.stride[1] + w * box[2] * view.stride[2];
  }
};

// Whether windows are boxes that lie side by side from the first fine cell on.
inline std::optional<Boxes> boxes_of(const Windows& windows) {
  Boxes boxes{windows.size(false), windows.size(true), {}};
  for (int a = 0; a < 3; ++a) {
    const Axis& axis = windows.axis[a];
    if ((axis.kernel != axis.stride && axis.coarse > 1) || axis.low != 0 ||
        (axis.kernel > 1 && axis.dilation != 1) || axis.coarse * axis.kernel > axis.fine)
      return {};
    boxes.box[a] = axis.kernel;
  }
  return boxes;
}

// Boxes that are whole rows of their planes lie end to end: they are boxes in one row, and planes
// of one box are one row of them together. `coarse` and `fine`, which is dense, are seen so.
inline void join_rows(Boxes& boxes, View& coarse, View& fine) {
  auto whole = [&] { return boxes.coarse[2] == 1 && boxes.box[2] == boxes.fine[2]; };
  for (int joins = 0; joins < 2 && whole(); ++joins) {
    for (Triple* size : {&boxes.coarse, &boxes.fine, &boxes.box})
      *size = {1, (*size)[0], (*size)[1] * (*size)[2]};
    coarse.stride = {0, coarse.stride[0], coarse.stride[1]};
    fine.stride = {0, fine.stride[0], fine.stride[2]};
  }
  if (!whole() || boxes.fine[0] * boxes.fine[1] > 1) return;
  boxes.coarse[2] = coarse.channels, boxes.fine[2] *= fine.channels;
  coarse.stride[2] = coarse.channel_stride;
  coarse.channels = fine.channels = 1;
}

// Coarse cells of a row, `channels` side by side, that are one task.
inline int64_t box_chunk(int64_t channels) {
  return std::max(int64_t(8192) / std::max(channels, int64_t(1)), int64_t(1));
}

// Whether vectors may lie along the last axis.
inline bool in_pairs(const Boxes& boxes, std::initializer_list<const View*> views) {
  for (const View* view : views)
    if (view->stride[2] != 1) return false;
  return boxes.box[2] == 2;
}

// The same where rows fill a vector: shorter ones of indices and taps are faster cell by cell.
template <class S>
inline bool in_long_pairs(const Boxes& boxes, std::initializer_list<const View*> views) {
  return boxes.coarse[2] >= lanes<Compute<S>> && in_pairs(boxes, views);
}

inline bool along_channels(std::initializer_list<const View*> views) {
  for (const View* view : views)
    if (view->channel_stride != 1) return false;
  return true;
}

// ------------------------------------------------------------------------------- fine cells written

// `make()` gives every thread its own `op`: `op.go_to(n, c, d, h)` is told of a coarse row, and
// false gives up; `at = op.begin(w, c, count)` reads a vector of it, of which `op.cell(at, i, j)`
// gives what goes to the cells at (i, j) in their boxes, i counting the rows of a box; `op.end(at)`
// follows. If it `spreads`, the same value goes to all, which need not lie in pairs. The target is
// dense, and zero where no box is.
template <class S, class Make>
void write_boxes(const Boxes& boxes, const View& target, bool innermost, bool pairs,
                 const Make& make) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  constexpr bool spreads = decltype(make())::spreads;
  if (target.elements() == 0) return;
  const Triple coarse = boxes.coarse, fine = boxes.fine, box = boxes.box;
  const int64_t rows = boxes.rows(), channels = innermost ? target.channels : 1;
  const int64_t covered = coarse[2] * box[2] * channels, whole = fine[2] * channels;
  std::vector<int64_t> offset(rows);
  for (int64_t i = 0; i < rows; ++i) offset[i] = boxes.row_offset(target, i);

  auto zero_rows = [target, whole](S* plane, int64_t d, int64_t h0, int64_t h1) {
    for (int64_t h = h0; h < h1; ++h) {
      S* row = plane + d * target.stride[0] + h * target.stride[1];
      std::fill(row, row + whole, S{});
    }
  };
  const int64_t chunk = box_chunk(innermost || pairs ? channels : box[2]);
  const int64_t cost = (boxes.taps() + 1) * std::min(chunk, coarse[2]) * channels;
  each_part(target.batch, target.channels / channels, coarse, chunk, cost, [&] {
    // all copied: threads share no line of memory that one of them may write beside
    return [=, op = make()](int64_t n, int64_t c, int64_t d, int64_t h, int64_t w0,
                            int64_t many) mutable {
      S* plane = target.at<S>(n, c);
      S* to = plane + boxes.offset(target, d, h, w0);
      if (!op.go_to(n, c, d, h)) return;
      if (innermost) {
        if constexpr (spreads)  // in the order of memory
          for (int64_t i = 0; i < rows; ++i) {
            S* cell = to + offset[i];
            for (int64_t w = w0; w < w0 + many; ++w)
              for (int64_t j = 0; j < box[2]; ++j, cell += channels)
                each_vector<width>(channels, [&](int64_t k, int64_t count) {
                  store(cell + k, op.cell(op.begin(w, k, count), i, j), count);
                });
          }
        else
          for (int64_t w = w0; w < w0 + many; ++w, to += box[2] * channels)
            each_vector<width>(channels, [&](int64_t k, int64_t count) {
              auto at = op.begin(w, k, count);
              for (int64_t i = 0; i < rows; ++i)
                for (int64_t j = 0; j < box[2]; ++j)
                  store(to + offset[i] + j * channels + k, op.cell(at, i, j), count);
              op.end(at);
            });
      } else if (spreads && !pairs) {
        if constexpr (spreads) {  // one row of the boxes, then copies of it
          S *cell = to, *end = to + many * box[2];
          for (int64_t w = 0; w < many; ++w) {
            const auto value = op.value(w0 + w);
            S* next = cell + box[2];  // beyond it, the next boxes follow
            for (; cell < next && cell + width <= end; cell += width) store(cell, splat(value));
            std::fill(std::min(cell, next), next, narrow<S>(value));
            cell = next;
          }
          for (int64_t i = 1; i < rows; ++i) std::copy(to, end, to + offset[i]);
        }
      } else {
        each_vector<width>(many, [&](int64_t w, int64_t count) {
          auto at = op.begin(w0 + w, 0, count);
          for (int64_t i = 0; i < rows; ++i) {
            S* pair = to + offset[i] + 2 * w;
            auto first = op.cell(at, i, 0), second = op.cell(at, i, 1);
            if (count == width) store_pairs(pair, first, second);
            else
              for (int64_t lane = 0; lane < count; ++lane, pair += 2)
                pair[0] = narrow<S>(first[lane]), pair[1] = narrow<S>(second[lane]);
          }
          op.end(at);
        });
      }
      if (w0 + many < coarse[2]) return;
      if (covered < whole)
        for (int64_t i = 0; i < rows; ++i) {
          S* row = plane + boxes.offset(target, d, h) + offset[i];
          std::fill(row + covered, row + whole, S{});
        }
      if (h == coarse[1] - 1 && coarse[1] * box[1] < fine[1])
        for (int64_t z = d * box[0]; z < (d + 1) * box[0]; ++z)
          zero_rows(plane, z, coarse[1] * box[1], fine[1]);
      if (h == coarse[1] - 1 && d == coarse[0] - 1)
        for (int64_t z = coarse[0] * box[0]; z < fine[0]; ++z) zero_rows(plane, z, 0, fine[1]);
    };
  });
}

// A value for all cells of its box.
template <class S>
struct Spread {
  using A = Compute<S>;
  static constexpr bool spreads = true;
  View source;
  Division<A> by;
  const S* row = nullptr;

  bool go_to(int64_t n, int64_t c, int64_t d, int64_t h) {
    row = row_of<S>(source, n, c, d, h);
    return true;
  }
  Vector<A> begin(int64_t w, int64_t c, int64_t count) const {
    return by(load(row + w * source.stride[2] + c, count));
  }
  Vector<A> cell(Vector<A> value, int64_t, int64_t) const { return value; }
  A value(int64_t w) const { return by(widen(row[w * source.stride[2]])); }
  void end(Vector<A>) const {}
};

// A value for the cell of its recorded tap.
template <class S>
struct AtTap {
  using A = Compute<S>;
  static constexpr bool spreads = false;
  View source, taps;
  int64_t wide;  // of a box
  const S* row = nullptr;
  const uint8_t* tap_row = nullptr;
  struct At {
    Vector<A> value;
    Mask<A> tap;
  };

  bool go_to(int64_t n, int64_t c, int64_t d, int64_t h) {
    row = row_of<S>(source, n, c, d, h);
    tap_row = row_of<uint8_t>(taps, n, c, d, h);
    return true;
  }
  At begin(int64_t w, int64_t c, int64_t count) const {
    return {load(row + w * source.stride[2] + c, count),
            load_bytes<A>(tap_row + w * taps.stride[2] + c, count)};
  }
  Vector<A> cell(const At& at, int64_t i, int64_t j) const {
    return keep<A>(at.tap == splat_integer<A>(i * wide + j), at.value);
  }
  void end(const At&) const {}
};

// -------------------------------------------------------------------------------- fine cells read

// Pairs of cells in some fine rows, from which coarse cells are made. `ahead`: how far the cells are
// that are read some time later, which are asked for now; or 0.
template <class S>
struct PairRows {
  const S* source;
  const std::vector<int64_t>& offsets;  // of the rows
  int64_t ahead;

  // Asks for what lies `ahead` of a vector's cells.
  void ask(const S* from) const {
    if (ahead == 0) return;
    const auto later = reinterpret_cast<uintptr_t>(from) + uintptr_t(ahead) * sizeof(S);
    __builtin_prefetch(reinterpret_cast<const void*>(later));
    __builtin_prefetch(reinterpret_cast<const void*>(later + vector_bytes));
  }
};

// Some vectors of coarse cells, those from each of `at` on, `count` of a vector.
template <class S, class Op, size_t vectors>
inline void reduce_pairs_at(const Op& op, const PairRows<S>& rows,
                            const Taps<typename Op::A>& taps,
                            const std::array<int64_t, vectors>& at, int64_t count) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  constexpr auto all = std::make_index_sequence<width>{};
  typename Op::State state[vectors];
  auto take = [&]<int pass>() {
    const Tap<A>* tap = taps.data();
    for (const int64_t offset : rows.offsets) {
      for (size_t v = 0; v < vectors; ++v) {
        const S* from = rows.source + offset + 2 * at[v];
        Vector<A> low, high;
        if constexpr (pass == 0) rows.ask(from);
        if (count == width) low = load(from), high = load(from + width);
        else if (2 * count <= width) low = load(from, 2 * count), high = Vector<A>{};
        else low = load(from), high = load(from + width, 2 * count - width);
        op.template take<pass>(state[v], every_second<0>(low, high, all), tap[0], at[v], count);
        op.template take<pass>(state[v], every_second<1>(low, high, all), tap[1], at[v], count);
      }
      tap += 2;
    }
  };
  for (size_t v = 0; v < vectors; ++v) op.begin(state[v], at[v], count);
  take.template operator()<0>();
  if constexpr (Op::passes == 2) {
    for (size_t v = 0; v < vectors; ++v) op.middle(state[v], at[v]);
    take.template operator()<1>();
  }
  for (size_t v = 0; v < vectors; ++v) op.finish(state[v], at[v], count);
}

// The coarse cells of a row, from `first` on, by an operation of reduce.h. The taps are counted in C
// order. Two passes are long chains of arithmetic: two vectors at once wait for them once.
template <class S, class Op>
void reduce_pairs(const Op& op, const PairRows<S>& rows, const Taps<typename Op::A>& taps,
                  int64_t first, int64_t pairs) {
  constexpr int64_t width = lanes<Compute<S>>;
  if (pairs < width) {
    if (pairs > 0) reduce_pairs_at(op, rows, taps, std::array{first}, pairs);
    return;
  }
  const int64_t last = first + pairs - width;  // vector, some of which may be made again
  for (int64_t w = first; w < first + pairs; w += Op::passes * width) {
    if constexpr (Op::passes == 2)
      if (w < last) {
        reduce_pairs_at(op, rows, taps, std::array{w, std::min(w + width, last)}, width);
        continue;
      }
    reduce_pairs_at(op, rows, taps, std::array{std::min(w, last)}, width);
  }
}

// `make()` gives every thread its own `operation(n, c, d, h, w, count)`, for a part of a coarse
// row. `numbers`: what the operation knows the cells of a box by.
template <class S, class Make>
void read_pairs(const Boxes& boxes, const View& source, const std::vector<int32_t>& numbers,
                const Make& make) {
  using A = Compute<S>;
  std::vector<int64_t> rows(boxes.rows());
  for (int64_t i = 0; i < boxes.rows(); ++i) rows[i] = boxes.row_offset(source, i);
  Taps<A> taps;
  for (int32_t number : numbers) taps.push_back({0, 0, number, 1});
  // Where boxes are deep, rows come from planes that are as far from each other as a page, at each
  // of which the processor's own prefetching begins anew: the next planes are asked for early.
  const int64_t ahead = boxes.fine[0] > 1 ? boxes.box[0] * source.stride[0] : 0;
  const int64_t chunk = box_chunk(1), cost = boxes.taps() * std::min(chunk, boxes.coarse[2]);
  each_part(source.batch, source.channels, boxes.coarse, chunk, cost, [&] {
    return [=, operation = make()](int64_t n, int64_t c, int64_t d, int64_t h, int64_t w,
                                   int64_t count) mutable {
      const S* box = source.at<S>(n, c) + boxes.offset(source, d, h);
      reduce_pairs<S>(operation(n, c, d, h, w, count), {box, rows, ahead}, taps, w, count);
    };
  });
}

// The same with vectors along the channels: `each(n, d, h, w, count, reduce)` is to
// call `reduce(op, w)` for some coarse cells of a row.
template <class S, class Make>
void read_boxes(const Boxes& boxes, const View& source, const std::vector<int32_t>& numbers,
                const Make& make) {
  Taps<Compute<S>> taps;
  for (int64_t tap = 0; tap < boxes.taps(); ++tap)
    taps.push_back({boxes.row_offset(source, tap / boxes.box[2]) +
                        tap % boxes.box[2] * source.stride[2],
                    0, numbers[tap], 1});
  const int64_t chunk = box_chunk(source.channels);
  const int64_t cost = boxes.taps() * std::min(chunk, boxes.coarse[2]) * source.channels;
  each_part(source.batch, 1, boxes.coarse, chunk, cost, [&] {
    return [=, each = make()](int64_t n, int64_t, int64_t d, int64_t h, int64_t first,
                              int64_t count) mutable {
      const S* row = source.at<S>(n, 0) + boxes.offset(source, d, h);
      each(n, d, h, first, count, [&](const auto& op, int64_t w) {
        reduce<false>(op, row + w * boxes.box[2] * source.stride[2], taps, source.channels);
      });
    };
  });
}

inline std::vector<int32_t> in_order(const Boxes& boxes) {
  std::vector<int32_t> numbers(size_t(boxes.taps()));
  for (size_t tap = 0; tap < numbers.size(); ++tap) numbers[tap] = int32_t(tap);
  return numbers;
}

}  // namespace
}  // namespace juanji
