// What all ways through the cells share: which tensors, and how tasks are cut.
#pragma once

#include <algorithm>
#include <memory>

#include "reduce.h"

namespace juanji {
namespace {

struct Job {
  Windows windows;
  bool adjoint;  // from the coarse grid to the fine one
  View source, target;
  View* taps_out = nullptr;        // taps to record, of the target's shape
  Divisor divisor{};               // of sources or of targets
  const View* numbers = nullptr;   // recorded taps, of the source's shape

  bool divides_sources() const {
    return divisor.kind != Divisor::none && divisor.of_fine() != adjoint;
  }
  bool divides_targets() const {
    return divisor.kind != Divisor::none && divisor.of_fine() == adjoint;
  }
};

template <class T>
inline T* row_of(const View& view, int64_t n, int64_t c, int64_t d, int64_t h) {
  return view.at<T>(n, c) + d * view.stride[0] + h * view.stride[1];
}

// A row of the source that a target row needs; the tap that starts its windows' row.
struct RowSource {
  int64_t d, h, number;
  double divisor;

  bool operator==(const RowSource&) const = default;
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

}  // namespace
}  // namespace juanji
