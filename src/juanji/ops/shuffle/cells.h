// The cells of a tensor: all positions of some of its axes, in order, and where they lie in memory;
// where its channels go, and what is checked of both.
#pragma once

#include "tensor.h"

namespace juanji {
namespace {

struct Cells {
  Ints size, stride;  // axes that memory walks through as one are one
  int64_t count = 1;

  void add_axis(int64_t cells, int64_t step) {
    count *= cells;
    if (cells == 1) return;
    if (!size.empty() && stride.back() == cells * step) {
      size.back() *= cells;
      stride.back() = step;
    } else {
      size.push_back(cells);
      stride.push_back(step);
    }
  }

  bool dense() const { return size.empty() || (size.size() == 1 && stride[0] == 1); }

  int64_t operator[](int64_t cell) const {
    if (size.size() == 1) return cell * stride[0];
    int64_t offset = 0;
    for (size_t axis = size.size(); axis-- > 0; cell /= size[axis])
      offset += cell % size[axis] * stride[axis];
    return offset;
  }
};

// Of the spatial axes, and with `batch` of the batch before them.
inline Cells cells_of(const Tensor& tensor, bool batch) {
  Cells cells;
  if (batch) cells.add_axis(tensor.size(0), tensor.stride(0));
  for (int64_t axis = 2; axis < tensor.dim(); ++axis)
    cells.add_axis(tensor.size(axis), tensor.stride(axis));
  return cells;
}

// Where the channels of shuffle(x, groups) stand in x.
inline Ints dealt(int64_t channels, int64_t groups) {
  Ints before(channels);
  for (int64_t j = 0; j < channels; ++j)
    before[j] = j % groups * (channels / groups) + j / groups;
  return before;
}

// A new tensor (N, channels, *spatial) as large as `like` apart from its channels, not initialized.
inline Tensor empty_with(const Tensor& like, int64_t channels, bool innermost) {
  Ints shape(like.dim());
  for (int64_t axis = 0; axis < like.dim(); ++axis)
    shape[axis] = axis == 1 ? channels : like.size(axis);
  return empty(shape, like.scalar_type(), innermost);
}

inline void check_feature_maps(const char* name, const Tensor& tensor, int64_t axes) {
  STD_TORCH_CHECK(tensor.dim() >= axes, name, " must have at least ", axes, " dimensions, got ",
                  tensor.dim());
  STD_TORCH_CHECK(tensor.is_cpu(), name, " must be on the CPU");
}

inline void check_divides(const char* name, int64_t groups, int64_t channels) {
  STD_TORCH_CHECK(groups >= 1 && channels % groups == 0, name,
                  " must be at least 1 and divide the channels, got ", groups, " for ", channels,
                  " channels");
}

}  // namespace
}  // namespace juanji
