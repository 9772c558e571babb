// What a call is cut into, remembered: working it out takes as long as a small convolution, and
// depends on shapes alone.
// Included by cpu.cpp.

struct Plan {
  Phases phases;
  std::vector<Work> works;
};

struct ShapeHash {
  size_t operator()(const Problem& problem) const {
    size_t hash = size_t(problem.backward);
    for (const View* view : {&problem.x, &problem.weight, &problem.out})
      for (int64_t number : {view->batch, view->channels, view->stride[2], view->size[0],
                             view->size[1], view->size[2]})
        hash = (hash ^ size_t(number)) * 0x9E3779B97F4A7C15u;  // 2**64 over the golden ratio
    return hash ^ hash >> 32;
  }
};

// Each thread that calls has its own few, small ones.
template <class S>
std::shared_ptr<const Plan> plan_of(const Problem& problem) {
  constexpr size_t most = 128;
  constexpr int64_t most_taps = 128;
  thread_local std::unordered_map<Problem, std::shared_ptr<const Plan>, ShapeHash> plans;
  Problem shape = problem;
  shape.x.data = shape.weight.data = shape.out.data = nullptr;
  if (const auto found = plans.find(shape); found != plans.end()) return found->second;
  const Phases phases = problem.phases();
  const auto made = std::make_shared<const Plan>(phases, works<S>(problem, phases));
  if (problem.weight.cells() * int64_t(made->works.size()) > most_taps) return made;
  if (plans.size() == most) plans.clear();
  plans.emplace(shape, made);
  return made;
}
