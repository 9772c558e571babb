// Stochastic pooling: the values checked, the random numbers, the draw.
#pragma once

#include <atomic>

#include "panels.h"
#include "planes.h"
#include "random.h"
#include "read_boxes.h"

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

template <class S>
bool all_weights(const View& source, bool innermost) {
  std::atomic<bool> all = true;
  const int64_t channels = innermost ? source.channels : 1, width = source.size[2];
  if (source.elements() == 0) return true;
  each_row(source.batch, source.channels / channels, source.size, width * channels, [&] {
    return [&](int64_t n, int64_t c, int64_t d, int64_t h) {
      const S* row = row_of<S>(source, n, c, d, h);
      bool good = innermost || weights(row, source.stride[2], width);
      for (int64_t w = 0; innermost && w < width; ++w)
        good &= weights(row + w * source.stride[2], 1, channels);
      if (!good) all = false;
    };
  });
  return all;
}

// Whether every cell of the source lies in a window.
inline bool covered(const Windows& windows) {
  for (const Axis& axis : windows.axis)
    if (axis.kernel < axis.stride || (axis.kernel > 1 && axis.dilation > 1) ||
        axis.start(axis.coarse - 1) + axis.kernel < axis.fine)
      return false;
  return true;
}

// `doubt` is set where a source that lies in a window may not be a weight.
template <class S, bool numbered>
void draw(const Job& job, bool innermost, int64_t seed, std::atomic<bool>& doubt) {
  using A = Compute<S>;
  const View& source = job.source;
  const Triple size = job.windows.size(false);
  auto key = [=](int64_t plane, int64_t d) { return slice_key(seed, plane * size[0] + d); };
  const auto boxes = boxes_of(job.windows);
  struct Keys {  // of the cells' slices, plane by plane
    std::vector<uint32_t> first, second;
    int64_t plane = -1, d = -1;
  };
  auto at_cells = [&] {
    size_t room = size_t(innermost ? source.channels + lanes<A> : lanes<A>);
    return [&, keys = Keys{std::vector<uint32_t>(room), std::vector<uint32_t>(room)}]<class T>(
               const Cell<T>& cell) mutable {
      uint32_t* first = keys.first.data();
      uint32_t* second = keys.second.data();
      if (cell.plane != keys.plane || cell.d != keys.d) {
        keys.plane = cell.plane, keys.d = cell.d;
        for (int64_t i = 0; i < cell.count; ++i) {
          const Key slice = key(cell.plane + i, cell.d);
          first[i] = slice.first, second[i] = slice.second;
        }
      }
      auto random = [=, output = cell.h * size[2] + cell.w](int64_t i) {
        RandomBits<A> a, b;
        std::memcpy(&a, first + i, sizeof a);
        std::memcpy(&b, second + i, sizeof b);
        return random_across<A>(output, a, b);
      };
      const Draw<T, numbered, decltype(random)> op{random, doubt, cell.out, cell.taps_out,
                                                   cell.first_tap()};
      reduce<false>(op, cell.source, cell.taps, cell.count);
    };
  };
  if (innermost) return cells<S>(job, at_cells);
  if (in_panels<A>(job)) return panels<S>(job, at_cells);
  struct Slice {
    int64_t plane = -1, d = -1;
    RandomSlice<A> random{};
  };
  auto go_to = [=](Slice& slice, int64_t plane, int64_t d) {
    if (plane != slice.plane || d != slice.d) slice = {plane, d, RandomSlice<A>(key(plane, d))};
  };
  if (boxes && in_pairs(*boxes, {&source}))
    return read_pairs<S>(*boxes, source, in_order(*boxes), [&] {
      return [&, slice = Slice{}](int64_t n, int64_t c, int64_t d, int64_t h, int64_t,
                                  int64_t) mutable {
        go_to(slice, n * source.channels + c, d);
        auto random = [&slice, row = h * size[2]](int64_t w) { return slice.random(row + w); };
        uint8_t* taps_out = nullptr;
        if constexpr (numbered) taps_out = row_of<uint8_t>(*job.taps_out, n, c, d, h);
        return Draw<S, numbered, decltype(random)>{
            random, doubt, row_of<S>(job.target, n, c, d, h), taps_out};
      };
    });
  planes<S>(job, A(0), [&](int64_t cells) {
    return [&, slice = Slice{},
            random = std::unique_ptr<A[]>(new A[size_t(cells)]())](const Block<A>& block) mutable {
      go_to(slice, block.n * source.channels + block.c, block.d);
      for (int64_t r = 0; r < block.row_count; ++r) {
        const int64_t output = (block.row + r) * size[2] + block.column;
        for (int64_t j = 0; j < block.column_count; j += lanes<A>)
          store(random.get() + r * block.pitch + j, slice.random(output + j),
                block.column_count - j);
      }
      auto share = [from = random.get()](int64_t at) { return load(from + at); };
      return Draw<S, numbered, decltype(share)>{
          share, doubt, static_cast<S*>(block.out), block.taps_out,
          block.first_depth * job.windows.axis[1].kernel * job.windows.axis[2].kernel,
          block.first};
    };
  });
}

}  // namespace
}  // namespace juanji
