// The shuffle of one row of channels: a table of (groups, per_group) elements, transposed.
//
// Elements are only moved: T is an integer of their size, read and written by memcpy because it may
// stand for a float. Vectors of 16 bytes need no moves between the halves of wider ones; those of
// 64 bytes take half as long where one instruction makes any of two, for 2, 4 or 8 streams.
#pragma once

#include <algorithm>
#include <utility>

#include "vector.h"

namespace juanji {
namespace {

template <size_t bytes>
struct BitsOf;
template <>
struct BitsOf<2> {
  using type = uint16_t;
};
template <>
struct BitsOf<4> {
  using type = uint32_t;
};
template <>
struct BitsOf<8> {
  using type = uint64_t;
};
template <class S>
using Bits = typename BitsOf<sizeof(S)>::type;

template <class T>
using Row = void (*)(const T* from, T* to, int64_t groups, int64_t per_group);

template <class T>
inline constexpr int row_lanes = 16 / int(sizeof(T));
template <class T>
using RowVector = typename VectorOf<T, row_lanes<T>>::type;

template <class T>
inline RowVector<T> load_row(const T* from) {
  RowVector<T> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
inline void store_row(T* to, RowVector<T> value) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
void copy_row(const T* from, T* to, int64_t groups, int64_t per_group) {
  std::memcpy(to, from, size_t(groups * per_group) * sizeof(T));
}

// memcpy is slower than plain vectors for planes of the usual sizes. One after the other: unrolled,
// the compiler reads them out of order, which the prefetcher does not follow.
template <class T>
void copy_plane(const T* from, T* to, int64_t count) {
  using Part = Vector<float>;
  constexpr int64_t each = vector_bytes / int64_t(sizeof(T));
  int64_t done = 0;
#pragma GCC unroll 1
  for (; done + each <= count; done += each) {
    Part part;
    std::memcpy(&part, from + done, sizeof part);
    std::memcpy(to + done, &part, sizeof part);
  }
  std::memcpy(to + done, from + done, size_t(count - done) * sizeof(T));
}

template <class T>
void any_row(const T* from, T* to, int64_t groups, int64_t per_group) {
  for (int64_t i = 0; i < per_group; ++i)
    for (int64_t g = 0; g < groups; ++g)
      std::memcpy(to + i * groups + g, from + g * per_group + i, sizeof(T));
}

// A square of `count` x `count` elements: log2(count) rounds of zipping bring streams 0, 1, 2, ...
// side by side, element by element.
template <class T>
inline void transpose_square(const T* from, int64_t from_step, T* to, int64_t to_step) {
  constexpr int count = row_lanes<T>;
  constexpr auto all = std::make_index_sequence<count>{};
  RowVector<T> rows[count], zipped[count];
#pragma GCC unroll 16
  for (int row = 0; row < count; ++row) rows[row] = load_row(from + row * from_step);
#pragma GCC unroll 4
  for (int round = 1; round < count; round *= 2) {
#pragma GCC unroll 8
    for (int row = 0; row < count / 2; ++row) {
      zipped[2 * row] = interleave<false>(rows[row], rows[row + count / 2], all);
      zipped[2 * row + 1] = interleave<true>(rows[row], rows[row + count / 2], all);
    }
#pragma GCC unroll 16
    for (int row = 0; row < count; ++row) rows[row] = zipped[row];
  }
#pragma GCC unroll 16
  for (int row = 0; row < count; ++row) store_row(to + row * to_step, rows[row]);
}

// The last squares of a row or a column overlap the ones before: they write the same again.
template <class T>
void square_row(const T* from, T* to, int64_t groups, int64_t per_group) {
  constexpr int64_t count = row_lanes<T>;
  for (int64_t g = 0; g < groups; g += count) {
    int64_t first = std::min(g, groups - count);
    for (int64_t i = 0; i < per_group; i += count) {
      int64_t channel = std::min(i, per_group - count);
      transpose_square(from + first * per_group + channel, per_group,
                       to + channel * groups + first, groups);
    }
  }
}

// Zips and its inverse with vectors of 64 bytes.
template <class T>
inline constexpr int wide_lanes = vector_bytes == 64 ? 64 / int(sizeof(T)) : 0;
template <class T>
using WideVector = typename VectorOf<T, 64 / sizeof(T)>::type;

// `groups` streams dealt into one, or one dealt out to `per_group` streams.
template <class T, int groups>
void wide_merge_row(const T* from, T* to, int64_t, int64_t per_group) {
  constexpr int64_t count = wide_lanes<T>;
  constexpr auto all = std::make_index_sequence<size_t(count)>{};
  for (int64_t i = 0; i < per_group; i += count) {
    int64_t channel = std::min(i, per_group - count);
    WideVector<T> rows[groups], zipped[groups];
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
      std::memcpy(&rows[g], from + g * per_group + channel, sizeof rows[g]);
#pragma GCC unroll 4
    for (int round = 1; round < groups; round *= 2) {
#pragma GCC unroll 8
      for (int g = 0; g < groups / 2; ++g) {
        zipped[2 * g] = interleave<false>(rows[g], rows[g + groups / 2], all);
        zipped[2 * g + 1] = interleave<true>(rows[g], rows[g + groups / 2], all);
      }
#pragma GCC unroll 8
      for (int g = 0; g < groups; ++g) rows[g] = zipped[g];
    }
#pragma GCC unroll 8
    for (int g = 0; g < groups; ++g)
      std::memcpy(to + channel * groups + g * count, &rows[g], sizeof rows[g]);
  }
}

template <class T, int per_group>
void wide_split_row(const T* from, T* to, int64_t groups, int64_t) {
  constexpr int64_t count = wide_lanes<T>;
  constexpr auto all = std::make_index_sequence<size_t(count)>{};
  for (int64_t g = 0; g < groups; g += count) {
    int64_t first = std::min(g, groups - count);
    WideVector<T> rows[per_group], dealt[per_group];
#pragma GCC unroll 8
    for (int i = 0; i < per_group; ++i)
      std::memcpy(&rows[i], from + first * per_group + i * count, sizeof rows[i]);
#pragma GCC unroll 4
    for (int round = 1; round < per_group; round *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < per_group / 2; ++i) {
        dealt[i] = every_second<0>(rows[2 * i], rows[2 * i + 1], all);
        dealt[i + per_group / 2] = every_second<1>(rows[2 * i], rows[2 * i + 1], all);
      }
#pragma GCC unroll 8
      for (int i = 0; i < per_group; ++i) rows[i] = dealt[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < per_group; ++i)
      std::memcpy(to + i * groups + first, &rows[i], sizeof rows[i]);
  }
}

// Where a lane of vector `which` of the result stands, counted through `streams` source vectors:
// streams that are dealt into one, or one that is dealt out to streams.
template <class T, int streams, bool merge>
constexpr int source_of(int which, int lane) {
  constexpr int count = row_lanes<T>;
  int element = which * count + lane;
  return merge ? element % streams * count + element / streams : lane * streams + which;
}

template <class T, int streams, bool merge, int which, int source>
constexpr int chosen(int lane) {  // of (result so far, vector `source`)
  constexpr int count = row_lanes<T>;
  int wanted = source_of<T, streams, merge>(which, lane);
  if (wanted / count == source) return count + wanted % count;
  return source == 1 && wanted / count == 0 ? wanted : lane;
}

template <class T, int streams, bool merge, int which, int source, size_t... lane>
inline RowVector<T> choose(RowVector<T> result, RowVector<T> from, std::index_sequence<lane...>) {
  return __builtin_shufflevector(result, from,
                                 chosen<T, streams, merge, which, source>(int(lane))...);
}

template <class T, int streams, bool merge, int which, int... source>
inline RowVector<T> gather(const RowVector<T>* from, std::integer_sequence<int, source...>) {
  RowVector<T> result = from[0];
  ((result = choose<T, streams, merge, which, source + 1>(
        result, from[source + 1], std::make_index_sequence<row_lanes<T>>{})),
   ...);
  return result;
}

template <class T, int streams, bool merge, int... which>
inline void deal(const T* from, int64_t from_step, T* to, int64_t to_step,
                 std::integer_sequence<int, which...>) {
  constexpr auto others = std::make_integer_sequence<int, streams - 1>{};
  const RowVector<T> rows[] = {load_row(from + which * from_step)...};
  (store_row(to + which * to_step, gather<T, streams, merge, which>(rows, others)), ...);
}

// Fewer groups than lanes.
template <class T, int groups>
void merge_row(const T* from, T* to, int64_t, int64_t per_group) {
  constexpr int64_t count = row_lanes<T>;
  for (int64_t i = 0; i < per_group; i += count) {
    int64_t channel = std::min(i, per_group - count);
    deal<T, groups, true>(from + channel, per_group, to + channel * groups, count,
                          std::make_integer_sequence<int, groups>{});
  }
}

// Fewer channels in a group than lanes.
template <class T, int per_group>
void split_row(const T* from, T* to, int64_t groups, int64_t) {
  constexpr int64_t count = row_lanes<T>;
  for (int64_t g = 0; g < groups; g += count) {
    int64_t first = std::min(g, groups - count);
    deal<T, per_group, false>(from + first * per_group, count, to + first, groups,
                              std::make_integer_sequence<int, per_group>{});
  }
}

template <class T, int streams = 2>
Row<T> few_streams(int64_t groups, int64_t per_group) {
  if constexpr (streams < row_lanes<T> && streams < 8) {
    if (groups == streams && per_group >= row_lanes<T>) return merge_row<T, streams>;
    if (per_group == streams && groups >= row_lanes<T>) return split_row<T, streams>;
    return few_streams<T, streams + 1>(groups, per_group);
  } else {
    return any_row<T>;
  }
}

template <class T, int streams = 2>
Row<T> wide_row(int64_t groups, int64_t per_group) {
  if constexpr (wide_lanes<T> > 0 && streams <= 8) {
    if (groups == streams && per_group >= wide_lanes<T>) return wide_merge_row<T, streams>;
    if (per_group == streams && groups >= wide_lanes<T>) return wide_split_row<T, streams>;
    return wide_row<T, 2 * streams>(groups, per_group);
  } else {
    return nullptr;
  }
}

// How to shuffle rows of groups * per_group channels.
template <class T>
Row<T> row_shuffle(int64_t groups, int64_t per_group) {
  if (groups == 1 || per_group == 1) return copy_row<T>;
  if constexpr (row_lanes<T> > 1 && sizeof(T) > 1) {
    if (Row<T> wide = wide_row<T>(groups, per_group)) return wide;
  }
  if constexpr (row_lanes<T> > 1) {
    if (std::min(groups, per_group) >= row_lanes<T>) return square_row<T>;
    return few_streams<T>(groups, per_group);
  }
  return any_row<T>;
}

}  // namespace
}  // namespace juanji
