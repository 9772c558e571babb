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

}  // namespace
}  // namespace juanji
