// Memory that the next tile takes, asked for a little at a time while this one is computed.
#pragma once

#include "geometry.h"

namespace juanji {

class Ahead {
  const char *at = nullptr, *end = nullptr;
  int64_t bytes = 0;  // at a time
  static constexpr int64_t line = 64, most = 256 << 10;

 public:
  // What lies from a position of one channel of element n to a position of another, in `parts`
  // parts; nothing where most of that is not between them on every axis.
  template <class S>
  void aim(const View& view, int64_t n, int64_t channel, int64_t last_channel, const Triple& low,
           const Triple& high, int64_t parts) {
    const S *first = view.at<S>(n, channel), *last = view.at<S>(n, last_channel);
    int64_t cells = last_channel - channel + 1;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t from = std::clamp<int64_t>(low[axis], 0, view.size[axis] - 1);
      const int64_t to = std::clamp<int64_t>(high[axis], 0, view.size[axis] - 1);
      cells *= to - from + 1;
      first += from * view.stride[axis], last += to * view.stride[axis];
    }
    at = reinterpret_cast<const char*>(first);
    const int64_t span = (last - first + 1) * int64_t(sizeof(S));
    end = at + (span <= 2 * cells * int64_t(sizeof(S)) ? std::clamp<int64_t>(span, 0, most) : 0);
    parts = std::max<int64_t>(parts, 1);
    bytes = rounded_up((end - at + parts - 1) / parts, line);
  }
  bool rests() const { return at < end; }
  // Into the second-level cache.
  template <bool to_write>
  void ask() {
    for (const char* part = std::min(end, at + bytes); at < part; at += line)
      __builtin_prefetch(at, to_write, 2);
  }
};

// Both tensors of a tile: x, and the outputs, or the gradient that lies in their place.
struct TileAhead {
  Ahead x, out;

  bool rests() const { return x.rests() || out.rests(); }
  template <bool to_write>
  void ask() {
    x.ask<false>(), out.ask<to_write>();
  }
};

}  // namespace juanji
