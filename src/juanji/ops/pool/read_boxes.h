// Coarse cells made from the fine cells of their boxes.
#pragma once

#include "boxes.h"
#include "rows.h"
#include "walk.h"

namespace juanji {
namespace {

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

// Some vectors of coarse cells, those from each of `at` on, whole ones or `count` of one.
template <bool whole, class S, class Op, size_t vectors>
inline void reduce_pairs_at(const Op& op, const PairRows<S>& rows,
                            const Taps<typename Op::A>& taps,
                            const std::array<int64_t, vectors>& at,
                            int64_t count = lanes<typename Op::A>) {
  using A = Compute<S>;
  typename Op::State state[vectors];
  auto take = [&]<int pass>() {
    const Tap<A>* tap = taps.data();
    for (const int64_t offset : rows.offsets) {
      for (size_t v = 0; v < vectors; ++v) {
        const S* from = rows.source + offset + 2 * at[v];
        if constexpr (pass == 0) rows.ask(from);
        const Pairs<S> pairs = whole ? load_pairs(from) : load_pairs(from, count);
        op.template take<pass>(state[v], pairs.even, tap[0], at[v], count);
        op.template take<pass>(state[v], pairs.odd, tap[1], at[v], count);
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
    if (pairs > 0) reduce_pairs_at<false>(op, rows, taps, std::array{first}, pairs);
    return;
  }
  const int64_t last = first + pairs - width;  // vector, some of which may be made again
  for (int64_t w = first; w < first + pairs; w += Op::passes * width) {
    if constexpr (Op::passes == 2)
      if (w < last) {
        reduce_pairs_at<true>(op, rows, taps, std::array{w, std::min(w + width, last)});
        continue;
      }
    reduce_pairs_at<true>(op, rows, taps, std::array{std::min(w, last)});
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
