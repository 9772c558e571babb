// Depthwise convolution over panels of blocks: vectors along the channels, which lie side by side
// in memory. Included by cpu.cpp.
//
// A unit is a block of output channels.

template <class S>
class Blocks {
  using A = Compute<S>;
  static constexpr int rows = block_vectors<A>;
  const Problem& problem;
  const std::optional<View>& bias;
  std::vector<A> panel, weights;  // weights: (tap, lane)
  A biases[block<A>];
  Positions positions;
  int64_t packed_unit = -1, packed_work = -1;

  void pack_weights(const Work& work, int64_t channel, int64_t valid) {
    weights.assign(work.offsets.size() * block<A>, A{});
    each_tap(work.part, 1, [&](int64_t tap, int64_t, auto... tap_k) {
      for (int64_t lane = 0; lane < valid; ++lane)
        weights[tap * block<A> + lane] =
            weight_at<S>(problem, (channel + lane) / problem.outputs,
                         (channel + lane) % problem.outputs, 0, tap_k...);
    });
    for (int64_t lane = 0; lane < block<A>; ++lane)
      biases[lane] = lane < valid ? bias_at<S>(bias, channel + lane) : A{};
  }

 public:
  Blocks(const Problem& problem, const std::optional<View>& bias) : problem(problem), bias(bias) {}

  int64_t units() const { return (problem.out_channels() + block<A> - 1) / block<A>; }

  void operator()(const Work& work, const Tasks::Task& task) {
    constexpr int most = most_positions(rows, false);
    const int64_t channel = task.unit * block<A>, taps = int64_t(work.offsets.size());
    const int64_t valid = std::min(block<A>, problem.out_channels() - channel);
    if (task.work != packed_work) positions.length = {};
    if (task.unit != packed_unit || task.work != packed_work) pack_weights(work, channel, valid);
    packed_unit = task.unit, packed_work = task.work;
    panel.resize(work.panel.cells);
    const Triple start = work.start(task.tile);
    fill_blocks<S>(panel.data(), problem.x, task.n, channel, valid, problem.outputs, work.part,
                   work.tile, start, work.tile.slots[2]);
    positions.fill(work, problem.out, start, 1, sizeof(A));
    S* out = problem.out.at<S>(task.n, channel) + corner(work, problem.out, start);
    in_chunks(0, positions.count(), most, [&](int64_t p, int64_t count) {
      auto run = [&](A* to, const int64_t* places) {
        accumulate_some<A, rows, false>(count, panel.data(), &positions.at[p], work.offsets.data(),
                                        taps, weights.data(), biases, to, places, lanes<A>);
      };
      if constexpr (std::is_same_v<S, A>)
        if (valid == block<A>) return run(out, &positions.to[p]);
      A scratch[most * block<A>];
      int64_t places[most];
      for (int i = 0; i < most; ++i) places[i] = i * block<A>;
      run(scratch, places);
      for (int64_t q = 0; q < count; ++q)
        for (int64_t lane = 0; lane < valid; lane += lanes<A>)
          store(out + positions.to[p + q] + lane, load(scratch + q * block<A> + lane), valid - lane);
    });
  }
};
