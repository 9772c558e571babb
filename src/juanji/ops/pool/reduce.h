// What is made of the sources of a target cell: a maximum, a sum, a draw. Written for vectors of
// target cells, whose sources are vectors too: neighbours along the channels or along the last
// axis.
#pragma once

#include <atomic>
#include <utility>

#include "window.h"

namespace juanji {
namespace {

template <class A>
using Lane = std::remove_cvref_t<decltype(std::declval<Mask<A>>()[0])>;

// Divides by one number. By a power of two it multiplies with the reciprocal, which is exact and
// gives the same in a tenth of the time.
template <class A>
struct Division {
  A by, reciprocal = 0;  // if it is exact

  Division(A by) : by(by) {
    constexpr Lane<A> fraction = (Lane<A>(1) << (std::numeric_limits<A>::digits - 1)) - 1;
    const A size = by < 0 ? -by : by;
    if (!(std::bit_cast<Lane<A>>(by) & fraction) && size > A(0x1p-60) && size < A(0x1p60))
      reciprocal = 1 / by;
  }
  Vector<A> operator()(Vector<A> value) const {
    return reciprocal != 0 ? value * splat(reciprocal) : value / splat(by);
  }
  A operator()(A value) const { return reciprocal != 0 ? value * reciprocal : value / by; }
};

// A source of a target cell.
template <class A>
struct Tap {
  int64_t offset;         // of the value
  int64_t number_offset;  // of the recorded tap that goes with it
  int32_t number;         // of the tap in its window, in C order
  A divisor;
};

// Those of one cell, in the order in which they are taken.
template <class A>
using Taps = std::vector<Tap<A>>;

template <class A>
inline Mask<A> splat_integer(int64_t value) {
  return Lane<A>(value) - Mask<A>{};
}

// Lanes of integers to bytes and back by shuffles of bytes: GCC takes conversions lane by lane.
using Bytes = typename VectorOf<uint8_t, vector_bytes>::type;

template <class A, size_t... byte>
inline Bytes low_bytes(Mask<A> numbers, std::index_sequence<byte...>) {
  Bytes bytes = std::bit_cast<Bytes>(numbers);
  return __builtin_shufflevector(bytes, bytes, int(byte % lanes<A> * sizeof(A))...);
}

template <class A>
inline void store_bytes(uint8_t* to, Mask<A> numbers, int64_t count) {
  Bytes bytes = low_bytes<A>(numbers, std::make_index_sequence<vector_bytes>{});
  if (count >= lanes<A>) {
    std::memcpy(to, &bytes, lanes<A>);
    return;
  }
#if defined(JUANJI_MASKED_MOVES)
  __m128i low;
  std::memcpy(&low, &bytes, sizeof low);
  _mm_mask_storeu_epi8(to, __mmask16((1u << count) - 1), low);
#else
  std::memcpy(to, &bytes, size_t(count));
#endif
}

// Every 16 bytes of `repeated` hold all of the numbers, so that no byte has to leave its 16.
template <class A, size_t... byte>
inline Bytes spread_bytes(Bytes repeated, std::index_sequence<byte...>) {
  return __builtin_shufflevector(repeated, repeated, int(byte / 16 * 16 + byte / sizeof(A))...);
}

template <class A>
inline Mask<A> load_bytes(const uint8_t* from, int64_t count) {
  constexpr int pieces = 16 / lanes<A>;
  struct alignas(lanes<A>) Numbers {
    uint8_t byte[lanes<A>];
  } numbers{};
  if (count >= lanes<A>) {
    std::memcpy(&numbers, from, lanes<A>);
  } else {
#if defined(JUANJI_MASKED_MOVES)
    const auto some = _mm_maskz_loadu_epi8(__mmask16((1u << count) - 1), from);
    std::memcpy(&numbers, &some, sizeof numbers);
#else
    std::memcpy(&numbers, from, size_t(count));
#endif
  }
  std::array<Numbers, vector_bytes / 16 * pieces> repeated;
  repeated.fill(numbers);
  Bytes spread = spread_bytes<A>(std::bit_cast<Bytes>(repeated),
                                 std::make_index_sequence<vector_bytes>{});
  return std::bit_cast<Mask<A>>(spread) & 0xff;
}

template <class A>
inline Mask<A> load_lanes(const Lane<A>* from) {
  Mask<A> numbers;
  std::memcpy(&numbers, from, sizeof numbers);
  return numbers;
}

// Whether a lane is set.
template <class A>
inline bool any(const Mask<A>& mask) {
#if defined(__AVX512F__)
  const auto bits = std::bit_cast<__m512i>(mask);
  return _mm512_test_epi32_mask(bits, bits) != 0;
#endif
  int64_t parts[vector_bytes / 8], found = 0;
  std::memcpy(parts, &mask, sizeof parts);
  for (int64_t part : parts) found |= part;
  return found != 0;
}

// Vectors at once of what needs few registers: sources come in runs of that length.
inline constexpr int long_runs = registers / 4;

// Every operation has a State for a vector of target cells, `begin` and `take` for each source, and
// `finish`, which writes `count` of them. `at` is the first lane's place along the vectors.

template <class S, bool numbered>
struct Maximum {
  using A = Compute<S>;
  static constexpr A padding = -std::numeric_limits<A>::infinity();  // changes nothing
  static constexpr int unroll = long_runs, passes = 1;
  struct State {
    Vector<A> best;
    Mask<A> tap;
  };
  S* out = nullptr;
  uint8_t* taps_out = nullptr;
  const Lane<A>* first_taps = nullptr;  // first taps in the input, lane by lane, plus
  int64_t first = 0;                      // that of all lanes

  void begin(State& state, int64_t at, int64_t) const {
    state.best = splat<A>(padding);
    if constexpr (numbered) {
      state.tap = splat_integer<A>(first);
      if (first_taps) state.tap += load_lanes<A>(first_taps + at);
    }
  }
  template <int>
  void take(State& state, Vector<A> value, const Tap<A>& tap, int64_t, int64_t) const {
    Mask<A> better = (value > state.best) | (value != value);
    state.best = better ? value : state.best;
    if constexpr (numbered) state.tap = better ? splat_integer<A>(tap.number) : state.tap;
  }
  void finish(State& state, int64_t at, int64_t count) const {
    store(out + at, state.best, count);
    if constexpr (numbered) store_bytes<A>(taps_out + at, state.tap, count);
  }
};

// Each source divided first (`scaled`), the sum divided in the end, or neither.
template <class T, bool scaled>
struct Sum {
  using A = Compute<T>;
  static constexpr int unroll = long_runs, passes = 1;
  struct State {
    Vector<A> total;
  };
  T* out = nullptr;
  const A* divisors = nullptr;  // divisors lane by lane, times
  Division<A> by = 1;            // that of all lanes

  void begin(State& state, int64_t, int64_t) const { state.total = Vector<A>{}; }
  template <int>
  void take(State& state, Vector<A> value, const Tap<A>& tap, int64_t, int64_t) const {
    if constexpr (scaled) value = value / splat(tap.divisor);
    state.total += value;
  }
  void finish(State& state, int64_t at, int64_t count) const {
    Vector<A> total = state.total;
    if (divisors) total = total / (load(divisors + at) * splat(by.by));
    else total = by(total);
    store(out + at, total, count);
  }
};

// The sum of those sources whose recorded tap is the one that leads here.
template <class T>
struct Matching {
  using A = Compute<T>;
  static constexpr int unroll = 4, passes = 1;
  struct State {
    Vector<A> total;
  };
  T* out = nullptr;
  const uint8_t* numbers = nullptr;

  void begin(State& state, int64_t, int64_t) const { state.total = Vector<A>{}; }
  template <int>
  void take(State& state, Vector<A> value, const Tap<A>& tap, int64_t at, int64_t count) const {
    Mask<A> number = load_bytes<A>(numbers + tap.number_offset + at, count);
    state.total += keep<A>(number == splat_integer<A>(tap.number), value);
  }
  void finish(State& state, int64_t at, int64_t count) const {
    store(out + at, state.total, count);
  }
};

// The source at which the running sum passes a random share of the whole. A zero is never it, nor
// is padding; where all are zero, the first source is. `random(at)` gives a vector of the shares.
//
// `doubt` is set where a source may not be a weight: every sign bit is seen, and sums that are no
// finite number. So also are -0 and sums of finite numbers beyond the largest: the sources tell
// then.
template <class S, bool numbered, class Random>
struct Draw {
  using A = Compute<S>;
  static constexpr int unroll = 2, passes = 2;
  struct State {
    Vector<A> threshold, below, value;
    Mask<A> tap, doubt;
  };
  Random random;
  std::atomic<bool>& doubt;
  S* out;
  uint8_t* taps_out;
  int64_t first = 0;
  const Lane<A>* first_taps = nullptr;

  void begin(State& state, int64_t at, int64_t) const {
    state.threshold = state.below = state.value = Vector<A>{};
    state.doubt = Mask<A>{};
    if constexpr (numbered) {
      state.tap = splat_integer<A>(first);
      if (first_taps) state.tap += load_lanes<A>(first_taps + at);
    }
  }
  template <int pass>
  void take(State& state, Vector<A> value, const Tap<A>& tap, int64_t, int64_t) const {
    if constexpr (pass == 0) {
      state.threshold += value;
      state.doubt |= std::bit_cast<Mask<A>>(value);
    } else {
      Mask<A> reached = state.below <= state.threshold;
      state.value = reached ? value : state.value;
      if constexpr (numbered) state.tap = reached ? splat_integer<A>(tap.number) : state.tap;
      state.below += value;
    }
  }
  // The share stays below the whole, of which rounding could leave nothing: so a source that is
  // zero is passed, or followed by the one that is drawn. Below a whole of zero there is NaN, which
  // nothing reaches; an infinite one times zero is NaN too, and the largest number takes its place.
  void middle(State& state, int64_t at) const {
    const Vector<A> whole = state.threshold, share = whole * random(at);
    state.doubt |= ~(whole <= splat(std::numeric_limits<A>::max()));
    const auto most = std::bit_cast<Vector<A>>(std::bit_cast<Mask<A>>(whole) - 1);
    state.threshold = share < most ? share : most;
  }
  void finish(State& state, int64_t at, int64_t count) const {
    if (any<A>(state.doubt < Mask<A>{})) doubt = true;
    store(out + at, state.value, count);
    if constexpr (numbered) store_bytes<A>(taps_out + at, state.tap, count);
  }
};

template <int pass, int vectors, bool whole, class S, class Op>
inline void take_all(const Op& op, typename Op::State* state, const S* source,
                     const Taps<typename Op::A>& taps, int64_t at, int64_t count) {
  constexpr int width = lanes<typename Op::A>;
  for (const Tap<typename Op::A>& tap : taps) {
    const S* from = source + tap.offset + at;
    for (int v = 0; v < vectors; ++v) {
      auto value = whole ? load(from + v * width) : load(from, count);
      op.template take<pass>(state[v], value, tap, at + v * width, count);
    }
  }
}

// `vectors` vectors of target cells, the last one of `count` lanes. `whole`: sources may be read
// beyond them.
template <int vectors, bool whole, class S, class Op>
inline void reduce_block(const Op& op, const S* source, const Taps<typename Op::A>& taps,
                         int64_t at, int64_t count) {
  constexpr int width = lanes<typename Op::A>;
  typename Op::State state[vectors];
  for (int v = 0; v < vectors; ++v) op.begin(state[v], at + v * width, count);
  take_all<0, vectors, whole>(op, state, source, taps, at, count);
  if constexpr (Op::passes == 2) {
    for (int v = 0; v < vectors; ++v) op.middle(state[v], at + v * width);
    take_all<1, vectors, whole>(op, state, source, taps, at, count);
  }
  for (int v = 0; v < vectors; ++v) op.finish(state[v], at + v * width, count);
}

// The target cells 0 .. count along the vectors. `padded`: whole vectors may be read from sources
// although fewer lanes count.
template <bool padded, class S, class Op>
inline void reduce(const Op& op, const S* source, const Taps<typename Op::A>& taps, int64_t count) {
  constexpr int width = lanes<typename Op::A>;
  if (count < width) {
    if (count > 0) reduce_block<1, padded>(op, source, taps, 0, count);
    return;
  }
  int64_t at = 0;
  if constexpr (Op::unroll > 4)
    for (; at + Op::unroll * width <= count; at += Op::unroll * width)
      reduce_block<Op::unroll, true>(op, source, taps, at, width);
  constexpr int vectors = std::min(Op::unroll, 4);
  for (; at + vectors * width <= count; at += vectors * width)
    reduce_block<vectors, true>(op, source, taps, at, width);
  for (; at < count; at += width)  // the last one some again, to the same end
    reduce_block<1, true>(op, source, taps, std::min(at, count - width), width);
}

}  // namespace
}  // namespace juanji
