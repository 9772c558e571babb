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

// Tasks of about `cost` elements each, several to a thread's turn.
template <class Work>
inline void parallel_tasks(int64_t tasks, int64_t cost, const Work& work) {
  int64_t together = std::max(int64_t(32768) / std::max(cost, int64_t(1)), int64_t(1));
  parallel((tasks + together - 1) / together, [&](int64_t begin, int64_t end) {
    work(begin * together, std::min(end * together, tasks));
  });
}

}  // namespace
}  // namespace juanji
