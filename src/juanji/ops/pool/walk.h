// Ways along the rows of a grid and along the vectors of a row.
#pragma once

#include "tensor.h"

namespace juanji {
namespace {

// Calls `each(n, c, d, h)` for all rows of a grid in C order; `make()` gives every thread its own
// `each`. `cost` is that of a row.
template <class Make>
void each_row(int64_t batch, int64_t channels, const Triple& size, int64_t cost, const Make& make) {
  parallel(batch * channels * size[0] * size[1], [&](int64_t begin, int64_t end) {
    auto each = make();
    int64_t row = begin, h = row % size[1];
    row /= size[1];
    int64_t d = row % size[0];
    row /= size[0];
    int64_t c = row % channels, n = row / channels;
    for (int64_t task = begin; task < end; ++task) {
      each(n, c, d, h);
      if (++h < size[1]) continue;
      h = 0;
      if (++d < size[0]) continue;
      d = 0;
      if (++c < channels) continue;
      c = 0, ++n;
    }
  }, cost);
}

// Calls `each(at, count)` for vectors that cover `count` elements. The last one does some elements
// again, or, where there is less than one vector, has fewer lanes.
template <int width, class Each>
inline void each_vector(int64_t count, const Each& each) {
  int64_t at = 0;
  for (; at + width <= count; at += width) each(at, int64_t(width));
  if (at == count) return;
  if (count >= width) each(count - width, int64_t(width));
  else each(at, count - at);
}

}  // namespace
}  // namespace juanji
