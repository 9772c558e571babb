// How the fine cells of a gradient are cut into bands, and bands and channels into tasks (place.h).
#pragma once

#include "job.h"

namespace juanji {
namespace {

// Along one axis: fine cells [begin, end), and the windows [first, last) that may reach them.
struct Band {
  int64_t begin, end, first, last;
};

// How the cells of a plane are cut.
struct Bands {
  Triple chunk{1, 1, 1}, count{1, 1, 1};

  Bands() = default;
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

// How channels and cells are cut into tasks.
struct Cut {
  bool packs;        // rows are copied first, so that their values lie side by side
  int64_t lane = 1;  // channels at once
  int64_t pieces;    // of the channels of an element of the batch
  Triple pitch;      // between neighbouring cells on each axis, where they are summed
  Bands bands;

  // `in_place`: sums are not rounded on the way.
  Cut(const Job& job, bool innermost, bool in_place)
      : packs(!innermost && (job.source.stride[2] != 1 || job.numbers->stride[2] != 1)),
        pieces(job.source.channels) {
    const auto& axis = job.windows.axis;
    const int64_t channels = innermost ? job.source.channels : 1;
    // every distance from a window's first cell to a tap or to a band is smaller than this
    checked_product({4, axis[0].fine + axis[0].extent(), axis[1].fine + axis[1].extent(),
                     axis[2].fine + axis[2].extent(), channels});
    // Windows that reach two bands are taken by both, so that a band should be some windows long.
    const int outermost = axis[0].extent() > 1 ? 0 : axis[1].extent() > 1 ? 1 : 2;
    int64_t wanted = 4 * axis[outermost].extent();
    for (int a = outermost + 1; a < 3; ++a) wanted *= axis[a].fine;
    // Sums, and rows that are packed, need room.
    const int64_t most = in_place && !packs ? int64_t(1) << 31 : int64_t(1) << 17;
    int64_t step = 1;
    if (innermost) {
      const int64_t at_once = std::clamp<int64_t>(most / wanted, 16, 256);
      pieces = ceil_divide(channels, std::min(at_once, channels));
      lane = ceil_divide(channels, pieces);  // in equal parts
      step = in_place ? channels : lane;
    }
    pitch = {axis[1].fine * axis[2].fine * step, axis[2].fine * step, step};
    const bool few = job.source.batch * pieces < 8;  // so that there are tasks enough
    wanted = std::min(std::max<int64_t>(wanted, (few ? 1 << 12 : 1 << 15) / lane), most / lane);
    bands = Bands(job.windows, std::max<int64_t>(wanted, 1));
  }
  int64_t step() const { return pitch[2]; }
};

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

}  // namespace
}  // namespace juanji
