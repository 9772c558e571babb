// Convolution over panels of planes: vectors along the width, any number of channels per group.
// Included by cpu.cpp.
//
// A unit is a bundle of groups. Where the output has its channels innermost, a tile of it is
// collected in planes and transposed at the end.

template <class S>
class Planes {
  using A = Compute<S>;
  const Problem& problem;
  const std::optional<View>& bias;
  const int64_t bundle = problem.bundle<A>();
  const bool transposed = problem.out.channel_stride == 1 && problem.out.stride[2] != 1;
  std::vector<A> panel, weights, collected;
  Stacks stacks;
  int64_t packed_unit = -1, packed_work = -1;

  static int64_t rows_from(int64_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

  int64_t groups_of(int64_t unit) const {
    return std::min(bundle, problem.groups - unit * bundle);
  }

  // (group, rows of up to four output channels, input, tap, row)
  void pack_weights(const Work& work, int64_t unit) {
    const int64_t taps = work.runs.taps();
    weights.resize(bundle * problem.outputs * problem.inputs * taps);
    A* to = weights.data();
    for (int64_t group = 0; group < groups_of(unit); ++group)
      for (int64_t output = 0; output < problem.outputs;) {
        const int64_t rows = rows_from(problem.outputs - output);
        each_tap(work.part, problem.inputs, [&](int64_t input, int64_t tap, auto... tap_k) {
          for (int64_t j = 0; j < rows; ++j)
            to[(input * taps + work.runs.rank[tap]) * rows + j] =
                weight_at<S>(problem, unit * bundle + group, output + j, input, tap_k...);
        });
        to += rows * problem.inputs * taps, output += rows;
      }
  }

  // Some output channels of a group, from its cells; into the output, or into `collect`.
  template <int rows>
  void compute(const Work& work, const A* cells, const A* weight, const A* biases, int64_t channel,
               S* out, A* collect, Ahead& ahead) {
    auto run = [&](const Stack& stack, A* to, int64_t step, int64_t row_step) {
      const Cells<A> read{reinterpret_cast<const char*>(cells) + stack.at, work.step, problem.inputs,
                          work.panel.channel_step * int64_t(sizeof(A)), nullptr};
      accumulate_some<A, rows>(stack.count, read, work.runs, weight, biases, to, step, row_step);
    };
    if (collect) {
      A* to = collect + channel * plane();
      for (const Stack& stack : stacks.all)
        run(stack, to, lanes<A>, plane()), to += stack.count * lanes<A>;
      return;
    }
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    const int64_t channel_step = problem.out.channel_stride;
    for (const Stack& stack : stacks.all) {
      ahead.next();
      S* first = out + channel * channel_step + stack.to;
      if constexpr (std::is_same_v<S, A>)
        if (width_step == 1 && stack.columns == lanes<A>) {
          run(stack, first, stacks.out_step, channel_step);
          continue;
        }
      A scratch[most_positions(rows) * rows * lanes<A>];
      run(stack, scratch, rows * lanes<A>, lanes<A>);
      for (int64_t p = 0; p < stack.count; ++p)
        for (int j = 0; j < rows; ++j) {
          const A* from = scratch + (p * rows + j) * lanes<A>;
          S* to = first + p * stacks.out_step + j * channel_step;
          if (width_step == 1)
            store(to, load(from), stack.columns);
          else
            for (int64_t lane = 0; lane < stack.columns; ++lane)
              to[lane * width_step] = narrow<S>(from[lane]);
        }
    }
  }

  // Numbers that a channel of the collected tile takes.
  int64_t plane() const {
    int64_t vectors = 0;
    for (const Stack& stack : stacks.all) vectors += stack.count;
    return vectors * lanes<A>;
  }

  // Planes to channels: squares are transposed.
  void write_collected(const Work& work, S* out, int64_t channels) const {
    const int64_t width_step = work.part[2].step * problem.out.stride[2], size = plane();
    const A* from = collected.data();
    for (const Stack& stack : stacks.all)
      for (int64_t p = 0; p < stack.count; ++p, from += lanes<A>)
        for (int64_t c = 0; c < channels; c += lanes<A>) {
          Vector<A> square[lanes<A>];
          for (int lane = 0; lane < lanes<A>; ++lane)
            square[lane] = c + lane < channels ? load(from + (c + lane) * size) : Vector<A>{};
          transpose<A>(square);
          S* to = out + stack.to + p * stacks.out_step + c;
          for (int64_t column = 0; column < stack.columns; ++column)
            store(to + column * width_step, square[column], channels - c);
        }
  }

 public:
  Planes(const Problem& problem, const std::optional<View>& bias) : problem(problem), bias(bias) {}

  int64_t units() const { return (problem.groups + bundle - 1) / bundle; }

  void operator()(const Work& work, const Tasks::Task& task) {
    const int64_t taps = problem.inputs * work.runs.taps(), group = task.unit * bundle;
    const int64_t groups = groups_of(task.unit);
    if (task.work != packed_work) stacks.length = {};
    if (task.unit != packed_unit || task.work != packed_work) pack_weights(work, task.unit);
    packed_unit = task.unit, packed_work = task.work;
    panel.resize(work.panel.cells);
    const Triple start = work.start(task.tile);
    fill_planes<S>(panel.data(), problem.x, task.n, group * problem.inputs, groups * problem.inputs,
                   work.part, work.tile, work.panel, start, work.tile.slots[2]);
    // Stacks as high as the narrowest kernel that serves this many output channels takes.
    const int64_t most = problem.outputs >= 4   ? most_positions(4)
                         : problem.outputs >= 2 ? most_positions(2)
                                                : most_positions(1);
    stacks.fill(work, problem.out, start, most, lanes<A>, sizeof(A));
    if (transposed) collected.resize(bundle * problem.outputs * plane());
    S* out = problem.out.at<S>(task.n, group * problem.outputs) + corner(work, problem.out, start);
    const A* weight = weights.data();
    // While this is computed, the planes behind it can come.
    const int64_t bytes = groups * problem.inputs * problem.x.channel_stride * int64_t(sizeof(S));
    Ahead ahead(problem.x.at<S>(task.n, (group + groups) * problem.inputs), transposed ? 0 : bytes,
                int64_t(stacks.all.size()) * groups * problem.outputs);
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t output = 0; output < problem.outputs;) {
        const int64_t rows = rows_from(problem.outputs - output);
        const int64_t channel = g * problem.outputs + output;
        A biases[4];
        for (int64_t j = 0; j < rows; ++j)
          biases[j] = bias_at<S>(bias, group * problem.outputs + channel + j);
        const A* cells = panel.data() + g * problem.inputs * work.panel.channel_step;
        A* collect = transposed ? collected.data() : nullptr;
        if (rows == 4) compute<4>(work, cells, weight, biases, channel, out, collect, ahead);
        else if (rows == 2) compute<2>(work, cells, weight, biases, channel, out, collect, ahead);
        else compute<1>(work, cells, weight, biases, channel, out, collect, ahead);
        weight += rows * taps, output += rows;
      }
    if (transposed) write_collected(work, out, groups * problem.outputs);
  }
};
