// Ways along the rows of a grid and along the vectors of a row.
#pragma once

#include <algorithm>

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

// Calls `each(n, c, d, h, w, count)` for all rows in parts of at most `chunk` cells, so that
// threads share long rows too. `cost` is that of a part.
template <class Make>
void each_part(int64_t batch, int64_t channels, const Triple& size, int64_t chunk, int64_t cost,
               const Make& make) {
  const int64_t width = size[2], parts = (width + chunk - 1) / chunk;
  each_row(batch, channels, {size[0], size[1] * parts, 1}, cost, [&] {
    return [=, each = make()](int64_t n, int64_t c, int64_t d, int64_t row) mutable {
      if (parts == 1) return each(n, c, d, row, int64_t(0), width);
      int64_t w = row % parts * chunk;
      each(n, c, d, row / parts, w, std::min(chunk, width - w));
    };
  });
}

}  // namespace
}  // namespace juanji
