// Rows of numbers: split into phases, put together from them. Cells at i, i + stride, i + 2 stride,
// ... are a phase.
#pragma once

#include "reduce.h"

namespace juanji {
namespace {

// to[j] = from[j * step], j < count, and nothing else is read.
template <class S>
inline void copy_strided(Compute<S>* to, const S* from, int64_t step, int64_t count) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  int64_t j = 0;
  if (step == 1)
    for (; j + width <= count; j += width) store(to + j, load(from + j));
  if (step == 2)
    for (; j + width < count; j += width) store(to + j, load_pairs(from + 2 * j).even);
  if (j < count && count > width && (step == 1 || step == 2)) {  // the last ones, some of them again
    j = count - width;
    if (step == 1) return store(to + j, load(from + j));
    // read as seconds of pairs, so that nothing beyond is read
    return store(to + j, load_pairs(from + 2 * j - 1).odd);
  }
  if (step == 1) return store(to, load(from, count), count);
  for (; j < count; ++j) to[j] = widen(from[j * step]);
}

// Both phases of a stride of 2: even[j] = row[first + 2 j], odd[j] = row[first + 2 j + 1], j <
// count.
template <class S>
inline void split_row(Compute<S>* even, Compute<S>* odd, const S* row, int64_t first, int64_t size,
                      int64_t count, Compute<S> padding) {
  constexpr int width = lanes<Compute<S>>;
  auto at = [&](int64_t column) {
    return 0 <= column && column < size ? widen(row[column]) : padding;
  };
  int64_t begin = std::clamp(ceil_divide(-first, 2), int64_t(0), count);
  int64_t end = std::clamp(floor_divide(size - first, 2), begin, count);  // of whole pairs
  auto split = [&](int64_t j, int64_t many) {
    const Pairs<S> pairs = load_pairs(row + first + 2 * j, many);
    store(even + j, pairs.even, many), store(odd + j, pairs.odd, many);
  };
  for (int64_t j = 0; j < begin; ++j) even[j] = at(first + 2 * j), odd[j] = at(first + 2 * j + 1);
  int64_t j = begin;
  for (; j + width <= end; j += width) split(j, width);
  if (j < end) {
    const int64_t many = std::min<int64_t>(end - begin, width);
    split(end - many, many);  // some of them again
  }
  for (j = end; j < count; ++j) even[j] = at(first + 2 * j), odd[j] = at(first + 2 * j + 1);
}

// Writes the target cells first, first + stride, ... of a row of `size`, from one phase or from the
// two of a stride of 2; those that fall outside of the row are dropped.
template <class S>
inline void write_phase(S* row, int64_t size, int64_t first, int64_t stride, int64_t count,
                        const Compute<S>* phase) {
  constexpr int width = lanes<Compute<S>>;
  int64_t j = std::clamp(ceil_divide(-first, stride), int64_t(0), count);
  int64_t end = std::clamp(ceil_divide(size - first, stride), j, count);
  if (stride == 1) {
    const int64_t many = std::min<int64_t>(end - j, width);
    for (; j + width <= end; j += width) store(row + first + j, load(phase + j));
    if (j < end)  // some of them again
      store(row + first + end - many, load(phase + end - many, many), many);
    return;
  }
  for (; j < end; ++j) row[first + j * stride] = narrow<S>(phase[j]);
}

template <class S>
inline void write_two_phases(S* row, int64_t size, int64_t first, int64_t count,
                             const Compute<S>* even, const Compute<S>* odd) {
  constexpr int width = lanes<Compute<S>>;
  int64_t j = std::clamp(ceil_divide(-first, 2), int64_t(0), count);
  int64_t end = std::clamp(floor_divide(size - first, 2), j, count);  // of whole pairs
  if (j > 0 && first + 2 * j - 1 >= 0 && first + 2 * j - 1 < size)
    row[first + 2 * j - 1] = narrow<S>(odd[j - 1]);
  const int64_t many = std::min<int64_t>(end - j, width);
  auto put = [&](int64_t j, int64_t many) {
    store_pairs(row + first + 2 * j, load(even + j, many), load(odd + j, many), many);
  };
  for (; j + width <= end; j += width) put(j, width);
  if (j < end) put(end - many, many);  // some of them again
  j = end;
  if (j < count && first + 2 * j >= 0 && first + 2 * j < size)
    row[first + 2 * j] = narrow<S>(even[j]);
}

}  // namespace
}  // namespace juanji
