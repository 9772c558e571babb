// What kernels see of a tensor: a pointer, sizes and strides, always with three spatial axes.
//
// Everything goes through the stable interface of torch, so that one build serves many versions.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "vector.h"

namespace juanji {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Ints = std::vector<int64_t>;
using Triple = std::array<int64_t, 3>;

// Numbers that vectors are read from: none of those at whole vectors straddles a cache line.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T* at, size_t) { ::operator delete(at, std::align_val_t(64)); }
  bool operator==(const Aligned&) const { return true; }
};
template <class T>
using Buffer = std::vector<T, Aligned<T>>;

// (N, C, *spatial), spatial axes filled up with ones in front: 1-D is (1, 1, W), 2-D is (1, H, W).
// Strides are counted in elements.
struct View {
  void* data;
  int64_t batch, channels;
  int64_t batch_stride, channel_stride;
  Triple size, stride;

  template <class S>
  S* at(int64_t n, int64_t c) const {
    return static_cast<S*>(data) + n * batch_stride + c * channel_stride;
  }
  int64_t cells() const { return size[0] * size[1] * size[2]; }
  int64_t elements() const { return batch * channels * cells(); }
  bool operator==(const View&) const = default;
};

// What an operator is told of its axes: numbers of several kinds, of every kind one for each axis.
// They come in one list, because each list takes long to be read; the last kinds may be left out.
struct Numbers {
  const Ints& list;
  int64_t axes;

  Numbers(const char* name, const Ints& list, int64_t axes, int64_t least, int64_t most)
      : list(list), axes(axes) {
    const int64_t given = int64_t(list.size());
    STD_TORCH_CHECK(given % axes == 0 && least <= given / axes && given / axes <= most, name,
                    " must have ", least, least < most ? " to " + std::to_string(most) : "",
                    " numbers for each of ", axes, " axes, got ", given);
  }
  // Filled up in front with what a missing axis has.
  Triple of(int64_t kind, int64_t missing) const {
    Triple filled{missing, missing, missing};
    if (kind * axes < int64_t(list.size()))
      for (int64_t axis = 0; axis < axes; ++axis) filled[3 - axes + axis] = list[kind * axes + axis];
    return filled;
  }
};

inline int64_t spatial_axes(const char* name, const Tensor& tensor) {
  int64_t axes = tensor.dim() - 2;
  STD_TORCH_CHECK(1 <= axes && axes <= 3, name, " must have shape (N, C, *spatial) with 1 to 3 ",
                  "spatial axes, got ", tensor.dim(), " dimensions");
  STD_TORCH_CHECK(tensor.is_cpu(), name, " must be on the CPU");
  return axes;
}

inline int64_t rounded_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

inline int64_t checked_product(std::initializer_list<int64_t> factors) {
  int64_t product = 1, empty = 1;
  for (int64_t factor : factors) {  // of an empty tensor too: steps are products of its sizes
    STD_TORCH_CHECK(!__builtin_mul_overflow(product, factor ? factor : 1, &product),
                    "a tensor would have more than 2**63 elements");
    if (!factor) empty = 0;
  }
  return product * empty;
}

inline View view(const char* name, const Tensor& tensor) {
  int64_t axes = spatial_axes(name, tensor);
  View seen{tensor.data_ptr(), tensor.size(0),  tensor.size(1), tensor.stride(0),
            tensor.stride(1),  {1, 1, 1},       {0, 0, 0}};
  for (int64_t axis = 0; axis < axes; ++axis) {
    seen.size[3 - axes + axis] = tensor.size(2 + axis);
    seen.stride[3 - axes + axis] = tensor.stride(2 + axis);
  }
  checked_product({seen.batch, seen.channels, seen.size[0], seen.size[1], seen.size[2], 8});
  return seen;
}

// Whether memory holds (N, *spatial, C): the rule of ops/layout.py.
inline bool channels_innermost(const Tensor& tensor) {
  return tensor.stride(1) == 1 && tensor.stride(tensor.dim() - 1) > 1;
}

// A new tensor of a shape (N, C, *) with the channels innermost or outermost, not initialized.
inline Tensor empty(const Ints& shape, ScalarType dtype, bool innermost) {
  const int64_t axes = int64_t(shape.size());
  Ints strides(axes);
  int64_t step = 1;
  auto lay = [&](int64_t axis) {
    strides[axis] = step;
    step = checked_product({step, shape[axis] > 1 ? shape[axis] : 1});
  };
  if (innermost) lay(1);
  for (int64_t axis = axes - 1; axis >= 2; --axis) lay(axis);
  if (!innermost) lay(1);
  lay(0);
  AtenTensorHandle handle;
  const auto failed = aoti_torch_empty_strided(
      axes, shape.data(), strides.data(),
      torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype)),
      aoti_torch_device_type_cpu(), 0, &handle);
  STD_TORCH_CHECK(!failed, "not enough memory for an output of ", step, " elements");
  return Tensor(handle);
}

// The same with the last `axes` sizes of three.
inline Tensor empty(int64_t batch, int64_t channels, const Triple& size, int64_t axes,
                    ScalarType dtype, bool innermost) {
  checked_product({batch, channels, size[0], size[1], size[2], 8});
  Ints shape{batch, channels};
  shape.insert(shape.end(), size.end() - axes, size.end());
  return empty(shape, dtype, innermost);
}

// Calls `kernel(S{})` for the storage type of a dtype.
template <class Kernel>
inline void for_storage(ScalarType dtype, Kernel kernel) {
  if (dtype == ScalarType::Float) return kernel(float{});
  if (dtype == ScalarType::Double) return kernel(double{});
  if (dtype == ScalarType::BFloat16) return kernel(bfloat16{});
  STD_TORCH_CHECK(false, "dtype must be float32, float64 or bfloat16");
}

// Runs `work(begin, end)` on parts of 0..tasks, on torch's threads; tasks of little `cost` (in
// multiply-adds or elements touched) stay together. What a task computes must not depend on the
// parts: then results do not depend on the number of threads.
template <class Work>
inline void parallel(int64_t tasks, const Work& work, int64_t cost = 1 << 20) {
  constexpr int64_t worth_a_thread = 1 << 16;
  if (tasks > 0)
    torch::stable::parallel_for(0, tasks, 1 + worth_a_thread / (cost > 0 ? cost : 1), work);
}

}  // namespace juanji
