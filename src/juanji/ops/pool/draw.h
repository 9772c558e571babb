// Stochastic pooling: the values checked, the random numbers, the draw.
#pragma once

#include <atomic>

#include "boxes.h"
#include "cells.h"
#include "planes.h"
#include "random.h"

namespace juanji {
namespace {

// Whether all values are at least 0 and finite.
template <class S>
inline bool weights(const S* from, int64_t step, int64_t count) {
  using A = Compute<S>;
  constexpr A top = std::numeric_limits<A>::max();
  if (step == 1) {
    Mask<A> good = Vector<A>{} == Vector<A>{};
    each_vector<lanes<A>>(count, [&](int64_t j, int64_t many) {
      Vector<A> value = load(from + j, many);
      good &= (value >= Vector<A>{}) & (value <= splat(top));
    });
    return !any<A>(~good);
  }
  bool all = true;
  for (int64_t j = 0; j < count; ++j) {
    A value = widen(from[j * step]);
    all &= value >= 0 && value <= top;
  }
  return all;
}

// Every input cell is checked by one window alone, also those that no window holds. Windows from
// (d, h, w) to (d, last_h, last_w), of one channel or of all.
template <class S>
bool owned_weights(const Job& job, int64_t n, int64_t c, int64_t channels, int64_t d, int64_t h,
                   int64_t last_h, int64_t w, int64_t last_w) {
  const auto& axis = job.windows.axis;
  const View& source = job.source;
  auto [d0, d1] = axis[0].owned(d);
  int64_t h0 = axis[1].owned(h).first, h1 = axis[1].owned(last_h).second;
  int64_t w0 = axis[2].owned(w).first, w1 = axis[2].owned(last_w).second;
  bool good = true, runs_on = channels == 1 && w1 - w0 == source.stride[1] && source.stride[2] == 1;
  for (int64_t z = d0; z < d1; ++z) {
    if (runs_on) {  // rows in one piece
      const S* rows = row_of<S>(source, n, c, z, h0);
      good &= weights(rows, 1, (h1 - h0) * source.stride[1]);
      continue;
    }
    for (int64_t y = h0; y < h1; ++y) {
      const S* row = source.at<S>(n, c) + z * source.stride[0] + y * source.stride[1] +
                     w0 * source.stride[2];
      if (channels == 1) good &= weights(row, source.stride[2], w1 - w0);
      else if (source.stride[2] == channels) good &= weights(row, 1, (w1 - w0) * channels);
      else
        for (int64_t x = 0; x < w1 - w0; ++x)
          good &= weights(row + x * source.stride[2], 1, channels);
    }
  }
  return good;
}

// The random numbers of the outputs from w on in a row along the last axis.
template <class A>
inline Vector<A> random_in_row(int64_t w, Key row) {
  using Bits = RandomBits<A>;
  return uniform<A>(counted<A>() + uint32_t(w), Bits{} + row.first, Bits{} + row.second);
}

template <class S>
void draw(const Job& job, bool innermost, int64_t seed, std::atomic<bool>& refused) {
  using A = Compute<S>;
  const View& source = job.source;
  Triple size = job.windows.size(false);
  auto key = [&](int64_t n, int64_t c, int64_t d, int64_t h) {
    return row_key(seed, ((n * source.channels + c) * size[0] + d) * size[1] + h);
  };
  const auto boxes = boxes_of(job.windows);
  if (!innermost && boxes && in_pairs(*boxes, {&source})) {
    read_pairs<S>(*boxes, source, in_order(*boxes), [&] {
      return [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t first, int64_t count) {
        if (!owned_weights<S>(job, n, c, 1, d, h, h, first, first + count - 1)) refused = true;
        auto random = [row = key(n, c, d, h)](int64_t w) { return random_in_row<A>(w, row); };
        return Draw<S, decltype(random)>{random, row_of<S>(job.target, n, c, d, h),
                                         row_of<uint8_t>(*job.taps_out, n, c, d, h)};
      };
    });
    return;
  }
  if (!innermost) {
    planes<S>(job, A(0), [&](int64_t cells) {
      return [&, random = std::unique_ptr<A[]>(new A[size_t(cells)]())](const Block<A>& block) {
        int64_t last_h = block.row + block.row_count - 1;
        int64_t last_w = block.column + block.column_count - 1;
        if (!owned_weights<S>(job, block.n, block.c, 1, block.d, block.row, last_h, block.column,
                              last_w))
          refused = true;
        for (int64_t r = 0; r < block.row_count; ++r) {
          Key row = key(block.n, block.c, block.d, block.row + r);
          for (int64_t j = 0; j < block.column_count; j += lanes<A>)
            store(random.get() + r * block.pitch + j, random_in_row<A>(block.column + j, row),
                  block.column_count - j);
        }
        auto share = [from = random.get()](int64_t at) { return load(from + at); };
        return Draw<S, decltype(share)>{
            share, static_cast<S*>(block.out), block.taps_out,
            block.first_depth * job.windows.axis[1].kernel * job.windows.axis[2].kernel,
            block.first};
      };
    });
    return;
  }
  struct Keys {  // of the row with all its channels
    std::vector<uint32_t> first, second;
    int64_t n = -1, d = -1, h = -1;
  };
  cells<A>(job, [&] {
    size_t room = size_t(source.channels + lanes<A>);
    return [&, keys = Keys{std::vector<uint32_t>(room), std::vector<uint32_t>(room)}](const Place& place, const Taps<A>& taps) mutable {
      if (!owned_weights<S>(job, place.n, 0, source.channels, place.d, place.h, place.h, place.w,
                            place.w))
        refused = true;
      uint32_t* first = keys.first.data();
      uint32_t* second = keys.second.data();
      if (place.n != keys.n || place.d != keys.d || place.h != keys.h) {
        keys.n = place.n, keys.d = place.d, keys.h = place.h;
        for (int64_t c = 0; c < source.channels; ++c) {
          Key row = key(place.n, c, place.d, place.h);
          first[c] = row.first, second[c] = row.second;
        }
      }
      auto random = [=, w = uint32_t(place.w)](int64_t c) {
        RandomBits<A> a, b;
        std::memcpy(&a, first + c, sizeof a);
        std::memcpy(&b, second + c, sizeof b);
        return uniform<A>(RandomBits<A>{} + w, a, b);
      };
      Draw<S, decltype(random)> op{random, place_in<S>(job.target, place),
                                   place_in<uint8_t>(*job.taps_out, place),
                                   taps.count ? taps.number[0] : 0};
      reduce<false>(op, source.at<S>(place.n, 0) + place.source_at, taps, source.channels);
    };
  });
}

}  // namespace
}  // namespace juanji
