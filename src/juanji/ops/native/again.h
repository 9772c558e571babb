// Calls that are known again. To look up what a call is to do, and to read its lists of numbers from
// Python, takes longer than a small convolution. So an operator may be told of a call once, by
// `remember`; `again` does the same to other tensors that lie alike, and declines all others.
#pragma once

#include <memory>
#include <mutex>
#include <tuple>
#include <variant>

#include "tensor.h"

namespace juanji {

// What a call's numbers depend on of a tensor; the dispatcher brings only those of the CPU that lie
// with strides.
inline void describe(const Tensor& tensor, Ints& layout) {
  layout.push_back(tensor.dim()), layout.push_back(int64_t(tensor.scalar_type()));
  for (int64_t axis = 0; axis < tensor.dim(); ++axis)
    layout.push_back(tensor.size(axis)), layout.push_back(tensor.stride(axis));
}

inline void describe(const std::optional<Tensor>& tensor, Ints& layout) {
  if (tensor) describe(*tensor, layout);
  else layout.push_back(-1);
}

// Of an operator whose first one to three arguments are tensors and the others numbers.
template <auto operate>
class Again;

template <class... Args, Tensor (*operate)(Args...)>
class Again<operate> {
  template <class T>
  static constexpr bool is_tensor =
      std::is_same_v<T, const Tensor&> || std::is_same_v<T, const std::optional<Tensor>&>;
  static constexpr int tensors = (0 + ... + is_tensor<Args>);
  static_assert(1 <= tensors && tensors <= 3);

  template <class T>
  using Number = std::conditional_t<is_tensor<T>, std::monostate, std::decay_t<T>>;
  struct Call {
    Ints layout;
    std::tuple<Number<Args>...> numbers;
  };
  // Those of a handle are told apart by the layouts of their tensors; no more are known than these.
  static constexpr size_t most = 64;
  static inline std::mutex mutex;
  static inline std::vector<std::vector<std::shared_ptr<const Call>>> known;

  static std::shared_ptr<const Call> find(int64_t handle, const Ints& layout) {
    const std::lock_guard lock(mutex);
    if (handle < 0 || handle >= int64_t(known.size())) return nullptr;
    for (const auto& call : known[handle])
      if (call->layout == layout) return call;
    return nullptr;
  }

  template <class T>
  static Number<T> number(const std::decay_t<T>& argument) {
    if constexpr (is_tensor<T>) return {};
    else return argument;
  }

  // An argument: one of the tensors given, or of the numbers known.
  template <size_t index, class T>
  static T argument(const Call& call, const Tensor& first, const std::optional<Tensor>& second,
                    const std::optional<Tensor>& third) {
    if constexpr (!is_tensor<T>) return std::get<index>(call.numbers);
    else if constexpr (index == 0) return first;
    else if constexpr (std::is_same_v<T, const Tensor&>) return index == 1 ? *second : *third;
    else return index == 1 ? second : third;
  }

 public:
  // Under a handle that was returned before, or a new one; returns it.
  static int64_t remember(Args... args, int64_t handle) {
    auto call = std::make_shared<Call>(Call{{}, {number<Args>(args)...}});
    ([&] { if constexpr (is_tensor<Args>) describe(args, call->layout); }(), ...);
    for (int absent = tensors; absent < 3; ++absent) call->layout.push_back(-1);
    const std::lock_guard lock(mutex);
    if (handle < 0 || handle >= int64_t(known.size())) {
      handle = int64_t(known.size());
      known.emplace_back();
    }
    if (known[handle].size() < most) known[handle].push_back(std::move(call));
    return handle;
  }

  // Not inlined: into torch's code, compilers would warn of what they do not follow.
  [[gnu::noinline]] static std::optional<Tensor> again(int64_t handle, const Tensor& first,
                                                       const std::optional<Tensor>& second,
                                                       const std::optional<Tensor>& third) {
    thread_local Ints layout;
    layout.clear();
    describe(first, layout), describe(second, layout), describe(third, layout);
    const std::shared_ptr<const Call> call = find(handle, layout);
    if (!call) return {};
    return [&]<size_t... index>(std::index_sequence<index...>) {
      return operate(argument<index, Args>(*call, first, second, third)...);
    }(std::index_sequence_for<Args...>{});
  }
};

// Registers both for an operator; `arguments` is its schema's.
template <class Library>
void define_again(Library& library, const std::string& name, const std::string& arguments) {
  library.def(("remember_" + name + "(" + arguments + ", int handle) -> int").c_str());
  library.def(("again_" + name + "(int handle, Tensor first, Tensor? second=None, "
                                 "Tensor? third=None) -> Tensor?").c_str());
}

template <auto operate, class Library>
void implement_again(Library& library, const std::string& name) {
  library.impl(("remember_" + name).c_str(), TORCH_BOX(&Again<operate>::remember));
  library.impl(("again_" + name).c_str(), TORCH_BOX(&Again<operate>::again));
}

}  // namespace juanji
