// The relation of pooling, i = o * stride + k * dilation - low, from either side.
//
// The target is the grid that is written, the source the one that is read: forward they are the
// coarse and the fine grid, in a gradient the other way round.
#pragma once

#include "tensor.h"

namespace juanji {
namespace {

inline constexpr int64_t limit = int64_t(1) << 31;  // of every size and number, as in spec.py

inline int64_t floor_divide(int64_t a, int64_t b) {
  if (b <= 2) return a >> (b - 1);  // the usual strides and dilations, without a slow division
  return a / b - (a % b < 0);
}
inline int64_t ceil_divide(int64_t a, int64_t b) { return -floor_divide(-a, b); }

struct Source {
  int64_t at;   // position on the source's axis
  int64_t tap;  // k

  bool operator==(const Source&) const = default;
};

struct Axis {
  int64_t fine, coarse, kernel, stride, dilation, low;

  int64_t start(int64_t o) const { return o * stride - low; }
  int64_t extent() const { return (kernel - 1) * dilation + 1; }

  // The cells of window o that lie in [begin, end): their first tap, and the tap after their last.
  std::pair<int64_t, int64_t> taps(int64_t o, int64_t begin, int64_t end) const {
    int64_t first = ceil_divide(begin - start(o), dilation);
    int64_t last = ceil_divide(end - start(o), dilation);
    first = std::clamp(first, int64_t(0), kernel);
    return {first, std::clamp(last, first, kernel)};
  }

  // What belongs to a target position, in ascending order of the source position.
  void sources(bool adjoint, int64_t at, std::vector<Source>& found) const {
    found.clear();
    if (!adjoint) {
      auto [first, last] = taps(at, 0, fine);
      for (int64_t k = first; k < last; ++k) found.push_back({start(at) + k * dilation, k});
      return;
    }
    int64_t o = std::max(ceil_divide(at + low - (kernel - 1) * dilation, stride), int64_t(0));
    for (; o < coarse && start(o) <= at; ++o) {
      int64_t distance = at - start(o);
      int64_t k = floor_divide(distance, dilation);
      if (k * dilation == distance) found.push_back({o, k});
    }
  }

  // From the first source of the target positions [begin, end) to the one after their last.
  std::pair<int64_t, int64_t> sources(bool adjoint, int64_t begin, int64_t end) const {
    int64_t first = start(begin), last = start(end - 1) + extent();
    if (adjoint) {
      first = ceil_divide(begin + low - extent() + 1, stride);
      last = floor_divide(end - 1 + low, stride) + 1;
    }
    first = std::clamp(first, int64_t(0), adjoint ? coarse : fine);
    return {first, std::clamp(last, first, adjoint ? coarse : fine)};
  }
};

struct Windows {
  std::array<Axis, 3> axis;

  Triple size(bool fine) const {
    return {fine ? axis[0].fine : axis[0].coarse, fine ? axis[1].fine : axis[1].coarse,
            fine ? axis[2].fine : axis[2].coarse};
  }
  int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  // How far a tap is from its window's start, on each axis.
  Triple step(int64_t tap) const {
    return {tap / axis[2].kernel / axis[1].kernel * axis[0].dilation,
            tap / axis[2].kernel % axis[1].kernel * axis[1].dilation,
            tap % axis[2].kernel * axis[2].dilation};
  }
};

// What an operator is told of its windows, beside the size of its output. The last two may be left
// out, where there is none.
enum Told { told_size, told_kernel, told_stride, told_low, told_dilation, told_high, told };

inline Numbers numbers_of(const Ints& list, int64_t axes) {
  return {"windows", list, axes, told_dilation, told};
}

inline Windows windows(const Triple& fine, const Triple& coarse, const Numbers& numbers) {
  Triple k = numbers.of(told_kernel, 1), s = numbers.of(told_stride, 1),
         p = numbers.of(told_low, 0), d = numbers.of(told_dilation, 1);
  Windows made;
  for (int a = 0; a < 3; ++a) {
    STD_TORCH_CHECK(k[a] >= 1 && s[a] >= 1 && d[a] >= 1 && p[a] >= 0,
                    "kernel, stride and dilation must be at least 1 and padding at least 0");
    STD_TORCH_CHECK(fine[a] >= 1 && coarse[a] >= 1, "sizes must be at least 1");
    for (int64_t number : {k[a], s[a], d[a], p[a], fine[a], coarse[a]})
      STD_TORCH_CHECK(number < limit, "sizes and arguments must be below 2**31, got ", number);
    STD_TORCH_CHECK(d[a] * (k[a] - 1) < limit, "a window must be smaller than 2**31");
    made.axis[a] = {fine[a], coarse[a], k[a], s[a], d[a], p[a]};
  }
  checked_product({k[0], k[1], k[2]});
  return made;
}

// By what sums of windows are divided: a number for each coarse or each fine cell, the product of
// one for each axis.
struct Divisor {
  enum Kind { none, taps, windows, fixed } kind = none;  // windows: of windows without dilation
  Triple counted_low{}, counted_high{};  // taps: the padding whose cells count
  double number = 1;                     // fixed

  bool of_fine() const { return kind == windows; }

  double along(const Windows& w, int a, int64_t at) const {
    const Axis& axis = w.axis[a];
    if (kind == taps) {
      auto [first, last] = axis.taps(at, -counted_low[a], axis.fine + counted_high[a]);
      return double(last - first);
    }
    if (kind == windows) {
      int64_t reach = at + axis.low;
      int64_t first = std::max(ceil_divide(reach - axis.kernel + 1, axis.stride), int64_t(0));
      int64_t last = std::min(floor_divide(reach, axis.stride), axis.coarse - 1);
      return double(std::max(last - first + 1, int64_t(1)));
    }
    return a == 0 ? number : 1;
  }
};

}  // namespace
}  // namespace juanji
