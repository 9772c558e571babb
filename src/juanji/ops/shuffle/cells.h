// The cells of a tensor: all positions of some of its axes, in order, and where they lie in memory.
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
  int64_t axes = like.dim(), step = 1;
  Ints shape(axes), strides(axes);
  auto lay = [&](int64_t axis) {
    shape[axis] = axis == 1 ? channels : like.size(axis);
    strides[axis] = step;
    step = checked_product({step, std::max<int64_t>(shape[axis], 1)});
  };
  if (innermost) lay(1);
  for (int64_t axis = axes - 1; axis >= 2; --axis) lay(axis);
  if (!innermost) lay(1);
  lay(0);
  AtenTensorHandle handle;
  auto error = aoti_torch_empty_strided(
      axes, shape.data(), strides.data(),
      torch::stable::detail::to<int32_t>(torch::stable::detail::from(like.scalar_type())),
      aoti_torch_device_type_cpu(), 0, &handle);
  STD_TORCH_CHECK(error == AOTI_TORCH_SUCCESS, "not enough memory for an output of ", step,
                  " elements");
  return Tensor(handle);
}

// `work(begin, end)` over parts of 0..units, in tasks of about `bytes_per_task`.
template <class Work>
inline void parallel_bytes(int64_t units, int64_t unit_bytes, const Work& work) {
  constexpr int64_t bytes_per_task = 32768;
  int64_t each = std::max<int64_t>(1, bytes_per_task / std::max<int64_t>(unit_bytes, 1));
  parallel((units + each - 1) / each, [&](int64_t begin, int64_t end) {
    work(begin * each, std::min(end * each, units));
  });
}

}  // namespace
}  // namespace juanji
