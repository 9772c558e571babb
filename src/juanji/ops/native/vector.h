// Vectors of the compiler, and how numbers are stored.
//
// Kernels compute in `A` (float or double) on vectors as wide as the instruction set that this file
// is compiled for; tensors hold `S`: float, double, or bfloat16, which is computed in float.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#if !defined(__SANITIZE_ADDRESS__)  // which would not see what they read and write
#define JUANJI_MASKED_MOVES         // leave lanes out, whose memory they do not touch
#endif
#endif

namespace juanji {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;  // SSE2, NEON
#endif
#if defined(JUANJI_MASKED_MOVES)
inline constexpr bool masked_moves = true;  // some lanes are moved as fast as all
#else
inline constexpr bool masked_moves = false;
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

struct bfloat16 {
  uint16_t bits;
};

template <class S>
struct Storage {  // float and double are computed in themselves
  using Compute = S;
};
template <>
struct Storage<bfloat16> {
  using Compute = float;
};
template <class S>
using Compute = typename Storage<S>::Compute;

template <class T, int count>
struct VectorOf {
  typedef T type __attribute__((vector_size(sizeof(T) * count)));
};
template <class A>
inline constexpr int lanes = vector_bytes / int(sizeof(A));
template <class A>
using Vector = typename VectorOf<A, lanes<A>>::type;
// What a comparison of Vector<A> gives: all ones or all zeros in a lane.
template <class A>
using Mask = decltype(Vector<A>{} < Vector<A>{});

template <class A>
inline Vector<A> splat(A value) {
  return value - Vector<A>{};  // the one spelling that GCC and Clang turn into a broadcast
}

// {0, 1, 2, ...} as integers of the size of A.
template <class A>
inline Mask<A> iota() {
  Mask<A> counted{};
  for (int lane = 0; lane < lanes<A>; ++lane) counted[lane] = lane;
  return counted;
}

// The first `count` lanes.
template <class A>
inline Mask<A> first_lanes(int64_t count) {
  using Lane = std::remove_reference_t<decltype(Mask<A>{}[0])>;
  return iota<A>() < (Lane(count < lanes<A> ? count : lanes<A>) - Mask<A>{});
}

// Zero where the mask is not set, NaN and infinity included.
template <class A>
inline Vector<A> keep(Mask<A> mask, Vector<A> value) {
  return mask ? value : Vector<A>{};
}

inline float widen(float value) { return value; }
inline double widen(double value) { return value; }
inline float widen(bfloat16 value) { return std::bit_cast<float>(uint32_t(value.bits) << 16); }

template <class S>
inline S narrow(Compute<S> value) {
  if constexpr (sizeof(S) == sizeof(Compute<S>)) {
    return value;
  } else {  // to nearest, ties to even; NaN stays NaN
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if (value != value) return {uint16_t((bits >> 16) | 0x40)};
    return {uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  }
}

// The same value, which the compiler must keep in a register: left alone, GCC reads memory again at
// every use, and where vectors straddle cache lines each reading takes as long as two.
template <class V>
inline V in_register(V value) {
#if defined(__x86_64__)
  asm("" : "+v"(value));
#elif defined(__aarch64__)
  asm("" : "+w"(value));
#endif
  return value;
}

using Halves = typename VectorOf<uint16_t, lanes<float>>::type;  // of bfloat16, a vector of floats

inline Vector<float> widen(Halves half) {
  using Wide = typename VectorOf<uint32_t, lanes<float>>::type;
  return std::bit_cast<Vector<float>>(__builtin_convertvector(half, Wide) << 16);
}

inline Halves narrow(Vector<float> value) {
  using Wide = typename VectorOf<uint32_t, lanes<float>>::type;
  Wide bits = std::bit_cast<Wide>(value);
  Wide rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  Wide half = (value != value) ? ((bits >> 16) | 0x40) : rounded;
  return __builtin_convertvector(half, Halves);
}

// Unaligned.
template <class S>
inline Vector<Compute<S>> load(const S* from) {
  if constexpr (std::is_same_v<S, bfloat16>) {
    Halves half;
    std::memcpy(&half, from, sizeof half);
    return widen(half);
  } else {
    Vector<S> value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
}

template <class S>
inline void store(S* to, Vector<Compute<S>> value) {
  if constexpr (std::is_same_v<S, bfloat16>) {
    const Halves half = narrow(value);
    std::memcpy(to, &half, sizeof half);
  } else {
    std::memcpy(to, &value, sizeof value);
  }
}

#if defined(JUANJI_MASKED_MOVES)
// Fewer numbers than a vector has.
template <class S>
inline Vector<Compute<S>> load_some(const S* from, int64_t count) {
  const unsigned lane = (1u << count) - 1;
  if constexpr (std::is_same_v<S, float>) return _mm512_maskz_loadu_ps(__mmask16(lane), from);
  else if constexpr (std::is_same_v<S, double>) return _mm512_maskz_loadu_pd(__mmask8(lane), from);
  else if constexpr (std::is_same_v<S, int64_t>)
    return std::bit_cast<Vector<S>>(_mm512_maskz_loadu_epi64(__mmask8(lane), from));
  else return widen(std::bit_cast<Halves>(_mm256_maskz_loadu_epi16(__mmask16(lane), from)));
}

template <class S>
inline void store_some(S* to, Vector<Compute<S>> value, int64_t count) {
  const unsigned lane = (1u << count) - 1;
  if constexpr (std::is_same_v<S, float>) _mm512_mask_storeu_ps(to, __mmask16(lane), value);
  else if constexpr (std::is_same_v<S, double>) _mm512_mask_storeu_pd(to, __mmask8(lane), value);
  else _mm256_mask_storeu_epi16(to, __mmask16(lane), std::bit_cast<__m256i>(narrow(value)));
}
#else
// Fewer numbers than a vector has, by halves: sizes that the compiler knows.
template <class S, int most = vector_bytes / int(sizeof(Compute<S>)) / 2>
inline void copy_some(S* to, const S* from, int64_t count) {
  if constexpr (most > 0) {
    if (count & most) {
      std::memcpy(to, from, most * sizeof(S));
      to += most, from += most;
    }
    copy_some<S, most / 2>(to, from, count);
  }
}

// Functions of their own: there is hardly a kernel without them, and few calls come here.
template <class S>
[[gnu::noinline]] Vector<Compute<S>> load_some(const S* from, int64_t count) {
  S buffer[lanes<Compute<S>>] = {};
  copy_some(buffer, from, count);
  return load(buffer);
}

template <class S>
[[gnu::noinline]] void store_some(S* to, Vector<Compute<S>> value, int64_t count) {
  S buffer[lanes<Compute<S>>];
  store(buffer, value);
  copy_some(to, buffer, count);
}
#endif

// The first `count` lanes; the others read as zero, and are not written.
template <class S>
inline Vector<Compute<S>> load(const S* from, int64_t count) {
  return count >= lanes<Compute<S>> ? load(from) : load_some(from, count);
}

template <class S>
inline void store(S* to, Vector<Compute<S>> value, int64_t count) {
  if (count >= lanes<Compute<S>>) store(to, value);
  else if (count > 0) store_some(to, value, count);
}

// So many neighbouring lanes can be permuted by one instruction.
template <class A>
inline constexpr int near_lanes = (vector_bytes == 64 ? 64 : 16) / int(sizeof(A));

// Lane i becomes lane index[i], which is one of the same near_lanes.
template <class A>
inline Vector<A> permute_near(Vector<A> value, Mask<A> index) {
#if defined(__AVX__) && !defined(__AVX512F__) && !defined(__clang__)
  // GCC cannot know that the lanes are near, and would take an instruction of twice the cost.
  if constexpr (std::is_same_v<A, float>) return __builtin_ia32_vpermilvarps256(value, index);
#endif
#if defined(__clang__)
  Vector<A> permuted;
  for (int lane = 0; lane < lanes<A>; ++lane) permuted[lane] = value[index[lane]];
  return permuted;
#else
  return __builtin_shuffle(value, index);
#endif
}

// a[0], b[0], a[1], b[1], ...: the first half of it, or the second.
template <bool second, class V, size_t... lane>
inline V interleave(V a, V b, std::index_sequence<lane...>) {
  constexpr int count = sizeof...(lane), from = second ? count / 2 : 0;
  return __builtin_shufflevector(a, b, (from + int(lane) / 2 + int(lane % 2) * count)...);
}

// Every second value of a pair of vectors, from the first or the second on.
template <int odd, class V, size_t... lane>
inline V every_second(V low, V high, std::index_sequence<lane...>) {
  if constexpr (sizeof(V) == 32 && sizeof...(lane) == 8) {
    // Within halves first, then whole pairs of floats: as one shuffle, GCC takes three slow ones.
    V halves = __builtin_shufflevector(low, high, odd, 2 + odd, 8 + odd, 10 + odd, 4 + odd,
                                       6 + odd, 12 + odd, 14 + odd);
    auto pairs = std::bit_cast<Vector<double>>(halves);
    return std::bit_cast<V>(__builtin_shufflevector(pairs, pairs, 0, 2, 1, 3));
  } else {
    return __builtin_shufflevector(low, high, int(2 * lane + odd)...);
  }
}

// even[0], odd[0], even[1], odd[1], ...: `count` pairs, read or written.
template <class S>
struct Pairs {
  Vector<Compute<S>> even, odd;
};

template <class S>
inline Pairs<S> load_pairs(const S* from, int64_t count = lanes<Compute<S>>) {
  constexpr int width = lanes<Compute<S>>;
  constexpr auto all = std::make_index_sequence<width>{};
  const auto low = load(from, 2 * count);
  Vector<Compute<S>> high{};
  if (2 * count > width) high = load(from + width, 2 * count - width);
  return {every_second<0>(low, high, all), every_second<1>(low, high, all)};
}

template <class S>
inline void store_pairs(S* to, Vector<Compute<S>> even, Vector<Compute<S>> odd,
                        int64_t count = lanes<Compute<S>>) {
  constexpr int width = lanes<Compute<S>>;
  constexpr auto all = std::make_index_sequence<width>{};
  store(to, interleave<false>(even, odd, all), 2 * count);
  store(to + width, interleave<true>(even, odd, all), 2 * count - width);
}

// Swaps the off-diagonal halves of the squares of side 2 * half that two rows belong to.
template <class A, int half, int... lane>
inline void exchange(Vector<A>& upper, Vector<A>& lower, std::integer_sequence<int, lane...>) {
  Vector<A> a = upper, b = lower;
  upper = __builtin_shufflevector(a, b, (lane & half ? lanes<A> + lane - half : lane)...);
  lower = __builtin_shufflevector(a, b, (lane & half ? lanes<A> + lane : lane + half)...);
}

// rows[i][j] becomes rows[j][i], by swaps in ever smaller squares.
template <class A, int half = lanes<A> / 2>
inline void transpose(Vector<A> (&rows)[lanes<A>]) {
  if constexpr (half > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes<A>; ++i)
      if (!(i & half))
        exchange<A, half>(rows[i], rows[i + half], std::make_integer_sequence<int, lanes<A>>{});
    transpose<A, half / 2>(rows);
  }
}

// Calls `each(at, count)` for vectors that cover `count` elements. The last one does some elements
// again, or, where there is less than one vector, has fewer lanes.
template <int width, class Each>
inline void each_vector(int64_t count, const Each& each) {
  if (count < width) {
    if (count > 0) each(int64_t(0), count);
    return;
  }
  for (int64_t at = 0; at < count; at += width) each(std::min(at, count - width), int64_t(width));
}

// Numbers `step` apart. Where they are not neighbours, a function of its own does it: seldom.
template <class S>
[[gnu::noinline]] Vector<Compute<S>> load_apart(const S* from, int64_t step, int64_t count) {
  Vector<Compute<S>> value{};
  for (int64_t i = 0; i < count; ++i) value[i] = widen(from[i * step]);
  return value;
}

template <class S>
[[gnu::noinline]] void store_apart(S* to, int64_t step, Vector<Compute<S>> value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i * step] = narrow<S>(value[i]);
}

template <class S>
inline Vector<Compute<S>> load_strided(const S* from, int64_t step, int64_t count) {
  return step == 1 ? load(from, count) : load_apart(from, step, count);
}

template <class S>
inline void store_strided(S* to, int64_t step, Vector<Compute<S>> value, int64_t count) {
  if (step == 1) store(to, value, count);
  else store_apart(to, step, value, count);
}

// Where as many planes as a vector has lanes start.
template <class A, class T>
using Starts = std::array<T*, lanes<A>>;

// Those of `many` planes, `step` apart.
template <class A, class T>
inline Starts<A, T> starts(T* first, int64_t step, int64_t many) {
  Starts<A, T> found{};
  for (int64_t i = 0; i < std::min<int64_t>(many, lanes<A>); ++i) found[i] = first + i * step;
  return found;
}

// Squares of cells and as many planes as a vector has lanes: `load(i, at, count)` gives a row of
// the square of `count` cells from `at` on, `store(i, at, count, value)` takes a column. Both are
// told last, as a type, whether the square is whole; then nothing of them may be a call, around
// which registers would have to be saved. The last whole one may begin inside of the one before it.
template <class A, class Load, class Store>
inline void turn(bool whole, int64_t cells, const Load& load, const Store& store) {
  constexpr int n = lanes<A>;
  if (whole && cells >= n) {
    for (int64_t next = 0; next < cells; next += n) {
      const int64_t at = std::min(next, cells - n);
      Vector<A> square[n];
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) square[i] = load(i, at, n, std::true_type{});
      transpose<A>(square);
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) store(i, at, n, square[i], std::true_type{});
    }
    return;
  }
  for (int64_t at = 0; at < cells; at += n) {  // seldom: less code
    const int64_t count = std::min(cells - at, int64_t(n));
    Vector<A> square[n];
#pragma GCC unroll 1
    for (int i = 0; i < n; ++i) square[i] = load(i, at, count, std::false_type{});
    transpose<A>(square);
#pragma GCC unroll 1
    for (int i = 0; i < n; ++i) store(i, at, count, square[i], std::false_type{});
  }
}

// From planes to cells, all planes or the first `many`: `load(plane, at, count, whole)` gives some
// cells of one, `store(cell, value, whole)` takes a cell of all planes, zeros where there is none.
// `dense`: squares may be whole.
template <class A, class T, class Load, class Store>
inline void turn_in(const Starts<A, T>& planes, int64_t many, bool dense, int64_t cells,
                    const Load& load, const Store& store) {
  T* const* plane = planes.data();
  asm("" : "+r"(plane));  // left alone, GCC keeps addresses in registers that the square needs
  turn<A>(dense && many >= lanes<A>, cells, [&](int i, int64_t at, int64_t count, auto whole) {
    return whole || i < many ? load(plane[i], at, count, whole) : Vector<A>{};
  }, [&](int i, int64_t at, int64_t count, Vector<A> value, auto whole) {
    if (whole || i < count) store(at + i, value, whole);
  });
}

// From cells to planes: `load(cell, whole)` gives a cell of all planes, `store(plane, at, count,
// value, whole)` takes some cells of one.
template <class A, class T, class Load, class Store>
inline void turn_out(const Starts<A, T>& planes, int64_t many, bool dense, int64_t cells,
                     const Load& load, const Store& store) {
  T* const* plane = planes.data();
  asm("" : "+r"(plane));
  turn<A>(dense && many >= lanes<A>, cells, [&](int i, int64_t at, int64_t count, auto whole) {
    return whole || i < count ? load(at + i, whole) : Vector<A>{};
  }, [&](int i, int64_t at, int64_t count, Vector<A> value, auto whole) {
    if (whole || i < many) store(plane[i], at, count, value, whole);
  });
}

// Sum of the lanes, in an order that depends on the width alone.
template <class A>
inline A sum(Vector<A> value) {
  A parts[lanes<A>];
  std::memcpy(parts, &value, sizeof value);
  for (int half = lanes<A> / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) parts[lane] += parts[lane + half];
  return parts[0];
}

}  // namespace juanji
