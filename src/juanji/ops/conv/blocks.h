// Depthwise convolution over panels of blocks: vectors along the channels, which lie side by side
// in memory. Included by cpu.cpp.
//
// A unit is some blocks of output channels. Inside of the input they are read where they are; each
// few positions are computed for all blocks, so that memory is walked through in its order.

template <class S>
class Blocks {
  using A = Compute<S>;
  static constexpr int most = most_sliding;
  const Problem& problem;
  const std::optional<View>& bias;
  const int64_t all = (problem.out_channels() + block<A> - 1) / block<A>;
  const int64_t per_unit;
  std::vector<A> panel, weights, biases;  // weights: (block, tap, lane)
  Stacks stacks;
  int64_t packed_unit = -1, packed_work = -1;

  // As many blocks as have their weights in half of a first-level cache, eight at most.
  static int64_t blocks_per_unit(const Problem& problem) {
    int64_t taps = problem.weight.cells();
    return std::clamp<int64_t>((16 << 10) / (taps * 64), 1, 8);
  }

  int64_t valid(int64_t block_index) const {
    return std::min(block<A>, problem.out_channels() - block_index * block<A>);
  }

  void pack_weights(const Work& work, int64_t first, int64_t end) {
    const int64_t taps = work.runs.taps();
    weights.assign((end - first) * taps * block<A>, A{});
    biases.assign((end - first) * block<A>, A{});
    for (int64_t b = first; b < end; ++b)
      for (int64_t lane = 0; lane < valid(b); ++lane) {
        const int64_t channel = b * block<A> + lane, group = channel / problem.outputs;
        A* to = &weights[(b - first) * taps * block<A> + lane];
        each_tap(work.part, 1, [&](int64_t tap, int64_t, auto... tap_k) {
          to[work.runs.rank[tap] * block<A>] =
              weight_at<S>(problem, group, channel % problem.outputs, 0, tap_k...);
        });
        biases[(b - first) * block<A> + lane] = bias_at<S>(bias, channel);
      }
  }

  // A stack of one block, from the cells at x.
  void compute(const Work& work, const A* x, const Stack& stack, int64_t index, int64_t valid,
               S* out) {
    auto run = [&](A* to, int64_t to_step) {
      for (int64_t lane = 0; lane < block<A>; lane += lanes<A>)
        slide_some<A, false>(stack.count, reinterpret_cast<const char*>(x + lane) + stack.at,
                             work.step, work.runs,
                             &weights[index * work.runs.taps() * block<A> + lane], block<A>,
                             &biases[index * block<A> + lane], to + lane, to_step);
    };
    if constexpr (std::is_same_v<S, A>)
      if (valid == block<A>) return run(out + stack.to, stacks.out_step);
    A scratch[most * block<A>];
    run(scratch, block<A>);
    for (int64_t p = 0; p < stack.count; ++p)
      for (int64_t lane = 0; lane < valid; lane += lanes<A>)
        store(out + stack.to + p * stacks.out_step + lane, load(scratch + p * block<A> + lane),
              valid - lane);
  }

 public:
  Blocks(const Problem& problem, const std::optional<View>& bias)
      : problem(problem), bias(bias), per_unit(blocks_per_unit(problem)) {}

  int64_t units() const { return (all + per_unit - 1) / per_unit; }

  void operator()(const Work& work, const Tasks::Task& task) {
    const int64_t first = task.unit * per_unit, end = std::min(first + per_unit, all);
    if (task.work != packed_work) stacks.length = {};
    if (task.unit != packed_unit || task.work != packed_work) pack_weights(work, first, end);
    packed_unit = task.unit, packed_work = task.work;
    const Triple start = work.start(task.tile);
    stacks.fill(work, problem.out, start, most, 1, sizeof(A));
    S* out = problem.out.at<S>(task.n, first * block<A>) + corner(work, problem.out, start);
    if (work.direct) {
      const A* x = problem.x.at<A>(task.n, first * block<A>);
      for (int axis = 0; axis < 3; ++axis)
        x += work.part[axis].origin(start[axis]) * problem.x.stride[axis];
      for (const Stack& stack : stacks.all)
        for (int64_t b = 0; b < end - first; ++b)
          compute(work, x + b * block<A>, stack, b, block<A>, out + b * block<A>);
      return;
    }
    panel.resize(work.panel.cells);
    for (int64_t b = 0; b < end - first; ++b) {
      fill_blocks<S>(panel.data(), problem.x, task.n, (first + b) * block<A>, valid(first + b),
                     problem.outputs, work.part, work.tile, start, work.tile.slots[2]);
      for (const Stack& stack : stacks.all)
        compute(work, panel.data(), stack, b, valid(first + b), out + b * block<A>);
    }
  }
};
