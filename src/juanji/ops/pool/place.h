// Values added to the cells of their recorded taps: the gradient of a pooling that took one cell of
// each window.
//
// A task has a band of fine cells that lie side by side in memory, and takes all windows that may
// reach it, in C order; what leads out of the band belongs to another task. So no two threads write
// to one cell, and the order of every sum is fixed. Recorded taps lie in the input: one in the
// padding, which is none of those, changes another cell of the band or nothing.
//
// Where channels are innermost, a cell has some of them side by side, its lane.
#pragma once

#include "job.h"
#include "walk.h"

namespace juanji {
namespace {

// Along one axis: fine cells [begin, end), and the windows [first, last) that may reach them.
struct Band {
  int64_t begin, end, first, last;
};

// How the cells of a plane are cut.
struct Bands {
  Triple chunk{1, 1, 1}, count;

  Bands(const Windows& windows, int64_t cells) {
    for (int a = 2; a >= 0; --a) {
      const Axis& axis = windows.axis[a];
      // in whole strides, so that windows side by side belong to one band
      const int64_t part = cells >= axis.stride ? cells / axis.stride * axis.stride : cells;
      chunk[a] = std::clamp(part, int64_t(1), axis.fine);
      if (chunk[a] < axis.fine) break;
      cells /= chunk[a];
    }
    for (int a = 0; a < 3; ++a) count[a] = ceil_divide(windows.axis[a].fine, chunk[a]);
  }
  int64_t all() const { return count[0] * count[1] * count[2]; }
  std::array<Band, 3> of(const Windows& windows, int64_t part) const {
    std::array<Band, 3> bands{};
    for (int a = 2; a >= 0; part /= count[a--]) {
      const Axis& axis = windows.axis[a];
      const int64_t begin = part % count[a] * chunk[a], end = std::min(begin + chunk[a], axis.fine);
      const auto [first, last] = axis.sources(true, begin, end);
      bands[a] = {begin, end, first, last};
    }
    return bands;
  }
};

// Adds `count` values, the one at w to cell first + w * step + to[tap], if that is below `cells`.
template <class S>
inline void place_row(Compute<S>* cell, uint64_t cells, int64_t first, int64_t step,
                      const int64_t* to, const S* values, const uint8_t* taps, int64_t count) {
#pragma GCC unroll 4
  for (int64_t w = 0; w < count; ++w, first += step) {
    const uint64_t at = uint64_t(first + to[taps[w]]);
    if (at < cells) cell[at] += widen(values[w]);
  }
}

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

// Planes that no window leaves along the depth, as the depths of one plane of all channels: a band
// may then have several of them.
struct Stacked : Job {
  View taps;

  explicit Stacked(const Job& job) : Job(job), taps(*job.numbers) {
    const Axis& depth = windows.axis[0];
    if (depth.fine > 1 || depth.coarse > 1 || depth.kernel > 1) return;
    const int64_t planes = source.channels;
    windows.axis[0] = {planes, planes, 1, 1, 1, 0};
    for (View* view : {&source, &target, &taps}) {
      view->size[0] = planes, view->stride[0] = view->channel_stride;
      view->channels = 1;
    }
    numbers = &taps;
  }
};

template <class S, bool innermost>
void place_values(const Job& job) {
  using A = Compute<S>;
  constexpr bool in_place = std::is_same_v<S, A>;  // sums are not rounded on the way
  const View &source = job.source, &taps = *job.numbers, &target = job.target;
  const auto& axis = job.windows.axis;
  if (source.elements() == 0) return;
  const int64_t channels = innermost ? source.channels : 1;
  // every distance below, from a window's first cell to a tap or to a band, is smaller than this
  checked_product({4, axis[0].fine + axis[0].extent(), axis[1].fine + axis[1].extent(),
                   axis[2].fine + axis[2].extent(), channels});
  // Cells of a band: windows that reach two bands are taken by both, so that a band should be some
  // windows long; enough tasks, if planes are few.
  const int outermost = axis[0].extent() > 1 ? 0 : axis[1].extent() > 1 ? 1 : 2;
  int64_t wanted = 4 * axis[outermost].extent();
  for (int a = outermost + 1; a < 3; ++a) wanted *= axis[a].fine;
  // Channels at once, in equal parts. Sums, and rows that are packed, need room.
  const bool packs = !innermost && (source.stride[2] != 1 || taps.stride[2] != 1);
  const int64_t most = in_place && !packs ? int64_t(1) << 31 : int64_t(1) << 17;
  const int64_t at_once = std::clamp<int64_t>(most / wanted, 16, 256);
  const int64_t lanes_of = ceil_divide(channels, std::min(at_once, channels));
  const int64_t lane = ceil_divide(channels, lanes_of), planes = source.channels / channels;
  const int64_t step = !innermost ? 1 : in_place ? channels : lane;  // between neighbouring cells
  const int64_t pieces = source.batch * planes * lanes_of;
  wanted = std::min(std::max(wanted, (pieces < 8 ? 1 << 12 : 1 << 15) / lane), most / lane);
  const Bands bands(job.windows, std::max<int64_t>(wanted, 1));
  // From a window's first cell to that of a tap; what is no tap leads out of every band.
  std::array<int64_t, 256> to;
  to.fill(std::numeric_limits<int64_t>::min() / 2);
  for (int64_t tap = 0; tap < job.windows.taps(); ++tap) {
    const auto [d, h, w] = job.windows.step(tap);
    to[tap] = ((d * axis[1].fine + h) * axis[2].fine + w) * step;
  }
  const int64_t room = bands.chunk[0] * bands.chunk[1] * bands.chunk[2];
  const int64_t longest =  // windows of a row
      std::min((bands.chunk[2] + axis[2].extent()) / axis[2].stride + 1, axis[2].coarse);
  // part by part: what is known of one serves all planes
  each_row(bands.all(), source.batch, {1, planes * lanes_of, 1}, room * lane, [&] {
    return [&, at = std::array<Band, 3>{}, known = int64_t(-1),
            sums = Buffer<A>(size_t(in_place ? 0 : room * step)),
            value_room = Buffer<S>(size_t(packs ? longest : 0)),
            tap_room = Buffer<uint8_t>(size_t(packs ? longest : 0))](
               int64_t part, int64_t n, int64_t, int64_t piece) mutable {
      if (part != known) at = bands.of(job.windows, known = part);
      const auto& [depths, rows, columns] = at;
      const int64_t c = innermost ? piece * lane : piece, many = columns.last - columns.first;
      const int64_t width = innermost ? std::min(lane, channels - c) : 1;  // channels of a cell
      const int64_t cells = (depths.end - depths.begin) * (rows.end - rows.begin) *
                            (columns.end - columns.begin);
      S* out = row_of<S>(target, n, c, depths.begin, rows.begin) + columns.begin * target.stride[2];
      A* put;
      if constexpr (in_place) put = out;
      else put = sums.data();
      each_run(cells, width, !innermost || width == step,
               [&](int64_t cell, int64_t count) { std::fill_n(put + cell * step, count, A(0)); });
      for (int64_t d = depths.first; d < depths.last; ++d) {
        const S* values = row_of<S>(source, n, c, d, rows.first) + columns.first * source.stride[2];
        const uint8_t* tap =
            row_of<uint8_t>(taps, n, c, d, rows.first) + columns.first * taps.stride[2];
        int64_t first = (((axis[0].start(d) - depths.begin) * axis[1].fine +
                          axis[1].start(rows.first) - rows.begin) * axis[2].fine +
                         axis[2].start(columns.first) - columns.begin) * step;
        for (int64_t h = rows.first; h < rows.last; ++h) {
          if constexpr (innermost)  // the channels of a window are a row
            for (int64_t w = 0; w < many; ++w)
              place_row<S>(put, uint64_t(cells * step), first + w * axis[2].stride * step, 1,
                           to.data(), values + w * source.stride[2], tap + w * taps.stride[2],
                           width);
          else
            place_row<S>(put, uint64_t(cells), first, axis[2].stride, to.data(),
                         packed(values, source.stride[2], many, value_room.data()),
                         packed(tap, taps.stride[2], many, tap_room.data()), many);
          values += source.stride[1], tap += taps.stride[1];
          first += axis[1].stride * axis[2].fine * step;
        }
      }
      if constexpr (!in_place)
        each_run(cells, width, !innermost || (width == step && step == target.stride[2]),
                 [&](int64_t cell, int64_t numbers) {
          each_vector<lanes<A>>(numbers, [&](int64_t k, int64_t count) {
            store(out + cell * target.stride[2] + k, load(put + cell * step + k, count), count);
          });
        });
    };
  });
}

}  // namespace
}  // namespace juanji
