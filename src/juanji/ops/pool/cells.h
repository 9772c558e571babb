// Channels innermost: vectors lie along the channels, and a cell's sources are read in place.
#pragma once

#include "job.h"

namespace juanji {
namespace {

struct Place {
  int64_t n, d, h, w;
  double divisor;  // of the target
};

template <class T>
inline T* place_in(const View& view, const Place& place) {
  return view.at<T>(place.n, 0) + place.d * view.stride[0] + place.h * view.stride[1] +
         place.w * view.stride[2];
}

struct RowSource {
  int64_t d, h, number;
  double divisor;
};

inline void row_sources(const Job& job, int64_t d, int64_t h, std::vector<Source> found[2],
                        std::vector<RowSource>& rows) {
  const auto& axis = job.windows.axis;
  axis[0].sources(job.adjoint, d, found[0]);
  axis[1].sources(job.adjoint, h, found[1]);
  rows.clear();
  for (Source a : found[0])
    for (Source b : found[1]) {
      double by = 1;
      if (job.divides_sources())
        by = job.divisor.along(job.windows, 0, a.at) * job.divisor.along(job.windows, 1, b.at);
      rows.push_back({a.at, b.at, a.tap * axis[1].kernel + b.tap, by});
    }
}

inline double row_divisor(const Job& job, int64_t d, int64_t h) {
  if (!job.divides_targets()) return 1;
  return job.divisor.along(job.windows, 0, d) * job.divisor.along(job.windows, 1, h);
}

// `make()` gives every thread its own `each(place, taps)`.
template <class A, class Make>
void cells(const Job& job, const Make& make) {
  constexpr int64_t chunk = 256;
  const View& source = job.source;
  const Axis& last = job.windows.axis[2];
  Triple size = job.windows.size(job.adjoint);
  int64_t chunks = (size[2] + chunk - 1) / chunk;
  int64_t cost = source.channels * std::min(size[2], chunk) * (job.adjoint ? 1 : 4);
  parallel(source.batch * size[0] * size[1] * chunks, [&](int64_t begin, int64_t end) {
    auto each = make();
    std::vector<Source> found[2], columns, one;
    std::vector<double> divisors, own;  // of the columns' sources and of the columns
    std::vector<int64_t> starts;
    std::vector<RowSource> rows;
    Taps<A> taps;
    int64_t known = -1;  // the chunk whose columns are known
    for (int64_t task = begin; task < end; ++task) {
      int64_t row = task, h = row % size[1];
      row /= size[1];
      int64_t d = row % size[0];
      row /= size[0];
      int64_t n = row % source.batch, part = row / source.batch;
      int64_t w0 = part * chunk, count = std::min(chunk, size[2] - w0);
      if (part != known) {
        known = part;
        columns.clear(), divisors.clear(), own.clear(), starts.assign(1, 0);
        for (int64_t w = w0; w < w0 + count; ++w) {
          last.sources(job.adjoint, w, one);
          for (Source s : one) {
            columns.push_back(s);
            divisors.push_back(
                job.divides_sources() ? job.divisor.along(job.windows, 2, s.at) : 1);
          }
          starts.push_back(int64_t(columns.size()));
          own.push_back(job.divides_targets() ? job.divisor.along(job.windows, 2, w) : 1);
        }
      }
      row_sources(job, d, h, found, rows);
      double by = row_divisor(job, d, h);
      for (int64_t w = 0; w < count; ++w) {
        taps.clear(int64_t(rows.size()) * (starts[w + 1] - starts[w]));
        for (const RowSource& r : rows) {
          int64_t at = r.d * source.stride[0] + r.h * source.stride[1], number_at = 0;
          if (job.numbers)
            number_at = r.d * job.numbers->stride[0] + r.h * job.numbers->stride[1];
          for (int64_t s = starts[w]; s < starts[w + 1]; ++s)
            taps.add(at + columns[s].at * source.stride[2],
                     job.numbers ? number_at + columns[s].at * job.numbers->stride[2] : 0,
                     r.number * last.kernel + columns[s].tap, A(r.divisor * divisors[s]));
        }
        each(Place{n, d, h, w0 + w, by * own[w]}, taps);
      }
    }
  }, cost);
}

}  // namespace
}  // namespace juanji
