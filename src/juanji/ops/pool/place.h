// Values added to the cells of their recorded taps: the gradient of a pooling that took one cell of
// each window.
//
// A task has a band of fine cells that lie side by side in memory, and takes all windows that may
// reach it; what leads out of the band belongs to another task. So no two threads write to one cell,
// and the order of every sum is fixed. Recorded taps lie in the input: one in the padding, which is
// none of those, changes another cell of the band or nothing.
//
// Where channels are innermost, a cell has some of them side by side, its lane.
#pragma once

#include "bands.h"
#include "walk.h"

namespace juanji {
namespace {

// From a window's first cell to that of a tap. Computed, since vectors of it are faster than looking
// it up; what is no tap leads out of every band.
template <class Index>
struct TapDistance {
  using Bits = std::make_unsigned_t<Index>;
  Bits column, row, depth;      // to the next tap, row and depth, less what the others count of it
  uint32_t per_row, per_depth;  // what divides by their taps and rows
  uint32_t taps;

  TapDistance(const Windows& windows, const Triple& pitch) {
    const auto& axis = windows.axis;
    Triple next;
    for (int a = 0; a < 3; ++a) next[a] = axis[a].dilation * pitch[a];
    column = Bits(next[2]), row = Bits(next[1] - axis[2].kernel * next[2]);
    depth = Bits(next[0] - axis[1].kernel * next[1]);
    per_row = uint32_t(65536 / axis[2].kernel + 1), per_depth = uint32_t(65536 / axis[1].kernel + 1);
    taps = uint32_t(windows.taps());
  }
  // The cells of the taps of windows that begin at first + starts[i], as numbers of which those
  // before the first cell are the largest; returns the largest one.
  Bits cells(Bits* __restrict to, Bits first, const Index* __restrict starts,
             const uint8_t* __restrict tap, int64_t count) const {
    const TapDistance known = *this;
    Bits largest = 0;
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t number = tap[i];
      const uint32_t rows = number * known.per_row >> 16, depths = rows * known.per_depth >> 16;
      const Bits at = first + Bits(starts[i]) + number * known.column + rows * known.row +
                      depths * known.depth;
      to[i] = number < known.taps ? at : Bits(-1);
      largest = std::max(largest, to[i]);
    }
    return largest;
  }
};

// Adds each value to the cell of its tap, if that is one of `cells`; `starts`: the first cells of the
// windows, counted from `first`. Every second window at a time: those side by side often take the
// same cell, and each would wait for the one before it.
template <class S, class Index>
inline void place_run(Compute<S>* sums, Index cells, Index first, const Index* starts,
                      const TapDistance<Index>& distance, const S* values, const uint8_t* taps,
                      int64_t count) {
  using Bits = std::make_unsigned_t<Index>;
  constexpr int64_t most = 256;
  alignas(64) Bits at[most];
  for (; count > 0; count -= most, starts += most, values += most, taps += most) {
    const int64_t many = std::min(count, most);
    const Bits largest = distance.cells(at, Bits(first), starts, taps, many);
    auto add = [&](auto inside) {
      for (int64_t begin = 0; begin < 2; ++begin)
#pragma GCC unroll 4
        for (int64_t i = begin; i < many; i += 2)
          if (inside || at[i] < Bits(cells)) sums[at[i]] += widen(values[i]);
    };
    if (largest < Bits(cells)) add(std::true_type{});
    else add(std::false_type{});
  }
}

// The windows of a band in runs: their values lie side by side, and so do their taps.
template <class Index>
struct Runs {
  Triple size{};              // windows of the band
  Triple step{};              // of a run, on each axis
  std::vector<Index> starts;  // the first cells of its windows, in each of the `width` channels

  // `between`: cells from a window to the next on each axis. `packs`: rows are put side by side.
  void go_to(const std::array<Band, 3>& bands, const Triple& between, int64_t width,
             std::initializer_list<const View*> views, bool packs) {
    const Triple before = std::exchange(step, {1, 1, 1});
    for (int a = 0; a < 3; ++a) size[a] = bands[a].last - bands[a].first;
    if (packs) step[2] = size[2];
    else join(width, views);
    if (step == before) return;
    starts.resize(size_t(step[0] * step[1] * step[2] * width));
    Index* to = starts.data();
    for (int64_t d = 0; d < step[0]; ++d)
      for (int64_t h = 0; h < step[1]; ++h)
        for (int64_t w = 0; w < step[2]; ++w)
          for (int64_t lane = 0; lane < width; ++lane)
            *to++ = Index(d * between[0] + h * between[1] + w * between[2] + lane);
  }

 private:
  // Windows one after the other in memory, enough of them: of a row, of rows, of depths.
  void join(int64_t run, std::initializer_list<const View*> views) {
    constexpr int64_t enough = 1024;
    for (int a = 2; a >= 0; --a) {
      if (size[a] <= 1) continue;
      for (const View* view : views)
        if (view->stride[a] != run) return;
      step[a] = std::min(size[a], std::max<int64_t>(enough / run, 1));
      if (step[a] < size[a]) return;
      run *= step[a];
    }
  }
};

// The same values without gaps.
template <class T>
inline const T* packed(const T* from, int64_t step, int64_t count, T* room) {
  if (step == 1) return from;
  for (int64_t w = 0; w < count; ++w) room[w] = from[w * step];
  return room;
}

// Calls `each(cell, count)` for the numbers of a band: of each cell `width` from `cell` on, or, where
// nothing is between them, all at once.
template <class Each>
inline void each_run(int64_t cells, int64_t width, bool dense, const Each& each) {
  if (dense) return each(int64_t(0), cells * width);
  for (int64_t cell = 0; cell < cells; ++cell) each(cell, width);
}

// What a thread needs. Tasks come part by part: what is known of one serves all planes.
template <class S, bool innermost, class Index>
class Placer {
  using A = Compute<S>;
  static constexpr bool in_place = std::is_same_v<S, A>;

 public:
  Placer(const Job& job, const Cut& cut)
      : job(job), cut(cut), distance(job.windows, cut.pitch) {
    const auto& axis = job.windows.axis;
    const Triple& chunk = cut.bands.chunk;
    if (!in_place) sums.resize(size_t(chunk[0] * chunk[1] * chunk[2] * cut.step()));
    if (cut.packs) {
      const int64_t longest = (chunk[2] + axis[2].extent()) / axis[2].stride + 1;
      value_room.resize(size_t(std::min(longest, axis[2].coarse)));
      tap_room.resize(value_room.size());
    }
    for (int a = 0; a < 3; ++a) between[a] = axis[a].stride * cut.pitch[a];
  }

  void operator()(int64_t n, int64_t part, int64_t, int64_t piece) {
    if (part != known) go_to(part);
    const auto& [depths, rows, columns] = bands;
    const View& target = job.target;
    const int64_t c = piece * cut.lane, step = cut.step();
    const int64_t width = innermost ? std::min(cut.lane, target.channels - c) : 1;
    S* out = row_of<S>(target, n, c, depths.begin, rows.begin) + columns.begin * target.stride[2];
    A* put;
    if constexpr (in_place) put = out;
    else put = sums.data();
    each_run(cells, width, !innermost || width == step,
             [&](int64_t cell, int64_t count) { std::fill_n(put + cell * step, count, A(0)); });
    place(put, n, c, width);
    if constexpr (!in_place)
      each_run(cells, width, !innermost || (width == step && step == target.stride[2]),
               [&](int64_t cell, int64_t numbers) {
        each_vector<lanes<A>>(numbers, [&](int64_t k, int64_t count) {
          store(out + cell * target.stride[2] + k, load(put + cell * step + k, count), count);
        });
      });
  }

 private:
  const Job& job;
  const Cut& cut;
  const TapDistance<Index> distance;
  Triple between;  // cells from a window to the next on each axis
  int64_t known = -1;  // the part whose bands these are
  std::array<Band, 3> bands{};
  int64_t cells = 0, first = 0;  // of the bands, and from there to where the first window begins
  Runs<Index> runs;
  Buffer<A> sums;
  Buffer<S> value_room;
  Buffer<uint8_t> tap_room;

  void go_to(int64_t part) {
    const auto& axis = job.windows.axis;
    bands = cut.bands.of(job.windows, known = part);
    cells = 1, first = 0;
    for (int a = 0; a < 3; ++a) {
      cells *= bands[a].end - bands[a].begin;
      first += (axis[a].start(bands[a].first) - bands[a].begin) * cut.pitch[a];
    }
    runs.go_to(bands, between, cut.lane, {&job.source, job.numbers}, cut.packs);
  }

  // The values of all windows, to a band that begins at `put`.
  void place(A* put, int64_t n, int64_t c, int64_t width) {
    const View &source = job.source, &taps = *job.numbers;
    const auto& [size, step, starts] = runs;
    for (int64_t d = 0; d < size[0]; d += step[0])
      for (int64_t h = 0; h < size[1]; h += step[1])
        for (int64_t w = 0; w < size[2]; w += step[2]) {
          const Triple at{bands[0].first + d, bands[1].first + h, bands[2].first + w};
          const int64_t many = std::min(step[2], size[2] - w);
          const S* value = row_of<S>(source, n, c, at[0], at[1]) + at[2] * source.stride[2];
          const uint8_t* tap = row_of<uint8_t>(taps, n, c, at[0], at[1]) + at[2] * taps.stride[2];
          if (cut.packs) {
            value = packed(value, source.stride[2], many, value_room.data());
            tap = packed(tap, taps.stride[2], many, tap_room.data());
          }
          place_run<S>(put, Index(cells * cut.step()),
                       Index(first + d * between[0] + h * between[1] + w * between[2]),
                       starts.data(), distance, value, tap,
                       std::min(step[0], size[0] - d) * std::min(step[1], size[1] - h) * many * width);
        }
  }
};

template <class S, bool innermost>
void place_values(const Job& job) {
  if (job.source.elements() == 0) return;
  const auto& axis = job.windows.axis;
  const Cut cut(job, innermost, std::is_same_v<S, Compute<S>>);
  double reach = 0;  // beyond every distance from a band
  for (int a = 0; a < 3; ++a)
    reach = reach * double(axis[a].fine) + double(cut.bands.chunk[a]) + 2 * double(axis[a].extent());
  const Triple& chunk = cut.bands.chunk;
  const int64_t cost = chunk[0] * chunk[1] * chunk[2] * cut.lane;
  auto run = [&]<class Index>(Index) {
    each_row(job.source.batch, cut.bands.all(), {1, cut.pieces, 1}, cost,
             [&] { return Placer<S, innermost, Index>(job, cut); });
  };
  if (reach * double(cut.step()) < double(1 << 30)) run(int32_t{});
  else run(int64_t{});
}

}  // namespace
}  // namespace juanji
