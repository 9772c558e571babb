// The inner loops of convolution: offsets, weights, vectors, and nothing else.
//
// Positions are computed in stacks: neighbours along one axis, `step` bytes apart. Where taps are as
// far apart as positions, a run of them slides over the stack: each cell is loaded once and serves
// every tap of the run.
#pragma once

#include "panel.h"

namespace juanji {

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

inline constexpr int longest_run = 3;

template <class A>
inline Vector<A> load_bytes(const char* base, int64_t offset) {
  return load(reinterpret_cast<const A*>(base + offset));
}

// Taps in the order in which kernels take them: runs of three, of two, then single ones.
struct Runs {
  std::array<int64_t, longest_run + 1> count{};  // of runs, by their length
  std::vector<int64_t> first;                    // offset of each run
  std::vector<int64_t> offsets, rank;            // of each tap in this order; of each tap given

  Runs(const std::vector<int64_t>& given, int64_t step) : rank(given.size(), -1) {
    std::vector<int64_t> order(given.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return given[a] < given[b]; });
    auto find = [&](int64_t offset) -> int64_t {
      auto at = std::lower_bound(order.begin(), order.end(), offset,
                                 [&](int64_t tap, int64_t wanted) { return given[tap] < wanted; });
      return at != order.end() && given[*at] == offset && rank[*at] < 0 ? *at : -1;
    };
    for (int length = longest_run; length > 0; --length)
      for (int64_t tap : order) {
        int64_t members[longest_run];
        int found = 0;
        for (; found < length; ++found)
          if ((members[found] = find(given[tap] + found * step)) < 0) break;
        if (found < length || members[0] != tap) continue;
        ++count[length], first.push_back(given[tap]);
        for (int r = 0; r < length; ++r) {
          rank[members[r]] = int64_t(offsets.size());
          offsets.push_back(given[members[r]]);
        }
      }
  }
  int64_t taps() const { return int64_t(offsets.size()); }
};

// sums[p] += sum over r < run of weight[r] * cell[p + r]
template <class A, int positions, int run, bool shared>
inline void slide_run(Vector<A> (&sums)[positions], const char* cell, int64_t step,
                      const A* weight, int64_t weight_step) {
  Vector<A> w[run];
#pragma GCC unroll 4
  for (int r = 0; r < run; ++r)
    w[r] = shared ? splat<A>(weight[r]) : load(weight + r * weight_step);
#pragma GCC unroll 32
  for (int q = 0; q < positions + run - 1; ++q) {
    const Vector<A> value = load_bytes<A>(cell, q * step);
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r)
      if (0 <= q - r && q - r < positions) sums[q - r] += w[r] * value;
  }
}

// out[p * out_step] = bias + sum over taps of weight[tap] * x[p * step + offset[tap]], for one
// vector of every position. shared: the vector is of positions, its lanes share weights, which are
// numbers; otherwise it is of channels, and so are the weights, weight_step apart.
template <class A, int positions, bool shared>
void slide(const char* x, int64_t step, const Runs& runs, const A* weight, int64_t weight_step,
           const A* bias, A* out, int64_t out_step) {
  Vector<A> sums[positions];
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p) sums[p] = shared ? splat<A>(*bias) : load(bias);
  const int64_t* first = runs.first.data();
  for (int64_t i = 0; i < runs.count[3]; ++i, weight += 3 * weight_step)
    slide_run<A, positions, 3, shared>(sums, x + *first++, step, weight, weight_step);
  for (int64_t i = 0; i < runs.count[2]; ++i, weight += 2 * weight_step)
    slide_run<A, positions, 2, shared>(sums, x + *first++, step, weight, weight_step);
  for (int64_t i = 0; i < runs.count[1]; ++i, weight += weight_step)
    slide_run<A, positions, 1, shared>(sums, x + *first++, step, weight, weight_step);
#pragma GCC unroll 32
  for (int p = 0; p < positions; ++p) store(out + p * out_step, sums[p]);
}

inline constexpr int most_sliding = registers - longest_run - 3;

template <class A, bool shared, int positions = most_sliding>
inline void slide_some(int64_t count, const char* x, int64_t step, const Runs& runs,
                       const A* weight, int64_t weight_step, const A* bias, A* out,
                       int64_t out_step) {
  if constexpr (positions > 1) {
    if (count < positions)
      return slide_some<A, shared, positions - 1>(count, x, step, runs, weight, weight_step, bias,
                                                  out, out_step);
  }
  slide<A, positions, shared>(x, step, runs, weight, weight_step, bias, out, out_step);
}

// The same for some output channels, the rows j, that read the same cells: each vector of cells
// meets all their weights, and so is loaded once for them.
// out[p * out_step + j * row_step] = bias[j] + sum over taps of weight[tap][j] * x[...]
template <class A, int positions, int rows>
void accumulate(const char* x, int64_t step, const Runs& runs, const A* weight, const A* bias,
                A* out, int64_t out_step, int64_t row_step) {
  Vector<A> sums[positions][rows];
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) sums[p][j] = splat<A>(bias[j]);
  for (const int64_t offset : runs.offsets) {
    Vector<A> cells[positions];
#pragma GCC unroll 16
    for (int p = 0; p < positions; ++p) cells[p] = load_bytes<A>(x + offset, p * step);
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) {
      const Vector<A> w = splat<A>(weight[j]);
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) sums[p][j] += w * cells[p];
    }
    weight += rows;
  }
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p)
#pragma GCC unroll 16
    for (int j = 0; j < rows; ++j) store(out + p * out_step + j * row_step, sums[p][j]);
}

inline constexpr int most_positions(int rows) {
  return rows == 1 ? most_sliding : (registers - 1) / (rows + 1);
}

template <class A, int rows, int positions = most_positions(rows)>
inline void accumulate_some(int64_t count, const char* x, int64_t step, const Runs& runs,
                            const A* weight, const A* bias, A* out, int64_t out_step,
                            int64_t row_step) {
  if constexpr (rows == 1) {
    slide_some<A, true>(count, x, step, runs, weight, 1, bias, out, out_step);
  } else {
    if constexpr (positions > 1) {
      if (count < positions)
        return accumulate_some<A, rows, positions - 1>(count, x, step, runs, weight, bias, out,
                                                       out_step, row_step);
    }
    accumulate<A, positions, rows>(x, step, runs, weight, bias, out, out_step, row_step);
  }
}

// sums[c][r] += sum over positions p of gradient[p] * x[p + r + offset[c]]: `columns` runs at once.
// masked: of every vector only the lanes `inside` count; the cells of others could be NaN.
template <class A, int columns, int run, bool masked>
void correlate(const char* x, int64_t step, const int64_t* first, const char* gradient,
               int64_t gradient_step, int64_t positions, Mask<A> inside, A* sums, int64_t sum_step) {
  Vector<A> total[columns][run];
  int64_t offset[columns];
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c) {
    offset[c] = first[c];
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r) total[c][r] = load(sums + (c * run + r) * sum_step);
  }
  Vector<A> recent[run]{};  // the gradients that meet a cell: recent[r] meets tap r
  // The cell q meets the taps low <= r < high.
  auto meet = [&](int64_t q, int64_t low, int64_t high) {
#pragma GCC unroll 16
    for (int c = 0; c < columns; ++c) {
      Vector<A> value = load_bytes<A>(x + q * step, offset[c]);
      if (masked) value = keep<A>(inside, value);
#pragma GCC unroll 4
      for (int r = 0; r < run; ++r)
        if (low <= r && r < high) total[c][r] += recent[r] * value;
    }
  };
  auto next = [&](int64_t p) {
#pragma GCC unroll 4
    for (int r = run - 1; r > 0; --r) recent[r] = recent[r - 1];
    if (p < positions) recent[0] = load_bytes<A>(gradient, p * gradient_step);
  };
  int64_t q = 0;
  for (; q < run - 1; ++q) next(q), meet(q, q < positions ? 0 : q - positions + 1, q + 1);
  for (; q < positions; ++q) next(q), meet(q, 0, run);  // all of them, in registers
  for (; q < positions + run - 1; ++q) next(q), meet(q, q - positions + 1, run);
#pragma GCC unroll 16
  for (int c = 0; c < columns; ++c)
#pragma GCC unroll 4
    for (int r = 0; r < run; ++r) store(sums + (c * run + r) * sum_step, total[c][r]);
}

inline constexpr int most_columns(int run) {
  return run == 1 ? 8 : (registers - run - 2) / run;
}

template <class A, int run, bool masked, int columns = most_columns(run)>
inline void correlate_some(int64_t count, const char* x, int64_t step, const int64_t* first,
                           const char* gradient, int64_t gradient_step, int64_t positions,
                           Mask<A> inside, A* sums, int64_t sum_step) {
  if constexpr (columns > 1) {
    if (count < columns)
      return correlate_some<A, run, masked, columns - 1>(count, x, step, first, gradient,
                                                         gradient_step, positions, inside, sums,
                                                         sum_step);
  }
  correlate<A, columns, run, masked>(x, step, first, gradient, gradient_step, positions, inside,
                                     sums, sum_step);
}

}  // namespace juanji
