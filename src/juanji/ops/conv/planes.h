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
  const int64_t bundle = problem.bundle(block<A>);
  const bool transposed = problem.out.channel_stride == 1 && problem.out.stride[2] != 1;
  std::vector<A> panel, weights, collected;
  std::vector<int64_t> collected_to;
  Positions positions;
  int64_t packed_unit = -1, packed_work = -1;

  static int64_t rows_from(int64_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

  int64_t groups_of(int64_t unit) const {
    return std::min(bundle, problem.groups - unit * bundle);
  }

  // (group, rows of up to four output channels, tap, row)
  void pack_weights(const Work& work, int64_t unit) {
    const int64_t taps = int64_t(work.offsets.size());
    weights.resize(bundle * problem.outputs * taps);
    A* to = weights.data();
    for (int64_t group = 0; group < groups_of(unit); ++group)
      for (int64_t output = 0; output < problem.outputs;) {
        const int64_t rows = rows_from(problem.outputs - output);
        each_tap(work.part, problem.inputs, [&](int64_t, int64_t input, auto... tap) {
          for (int64_t j = 0; j < rows; ++j)
            *to++ = weight_at<S>(problem, unit * bundle + group, output + j, input, tap...);
        });
        output += rows;
      }
  }

  template <int rows>
  void compute(const Work& work, const A* cells, const A* weight, const A* biases, int64_t channel,
               S* out, A* collect) {
    constexpr int most = most_positions(rows, true);
    const int64_t taps = int64_t(work.offsets.size());
    auto run = [&](int64_t p, int64_t count, A* to, const int64_t* places, int64_t step) {
      accumulate_some<A, rows, true>(count, cells, &positions.at[p], work.offsets.data(), taps,
                                     weight, biases, to, places, step);
    };
    if (collect) {
      A* to = collect + channel * positions.count() * lanes<A>;
      return in_chunks(0, positions.count(), most, [&](int64_t p, int64_t count) {
        run(p, count, to, &collected_to[p], positions.count() * lanes<A>);
      });
    }
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    S* first = out + channel * problem.out.channel_stride;
    int64_t begin = 0;
    if constexpr (std::is_same_v<S, A>) {
      if (width_step == 1) {
        in_chunks(0, positions.whole, most, [&](int64_t p, int64_t count) {
          run(p, count, first, &positions.to[p], problem.out.channel_stride);
        });
        begin = positions.whole;
      }
    }
    in_chunks(begin, positions.count(), most, [&](int64_t p, int64_t count) {
      A scratch[most * rows * lanes<A>];
      int64_t places[most];
      for (int i = 0; i < most; ++i) places[i] = i * rows * lanes<A>;
      run(p, count, scratch, places, lanes<A>);
      for (int64_t q = 0; q < count; ++q)
        for (int j = 0; j < rows; ++j) {
          const A* from = scratch + places[q] + j * lanes<A>;
          S* to = first + positions.to[p + q] + j * problem.out.channel_stride;
          const int64_t valid = p + q < positions.whole ? lanes<A> : positions.tail;
          if (width_step == 1)
            store(to, load(from), valid);
          else
            for (int64_t lane = 0; lane < valid; ++lane) to[lane * width_step] = narrow<S>(from[lane]);
        }
    });
  }

  // Planes to channels: squares are transposed.
  void write_collected(const Work& work, S* out, int64_t channels) const {
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    const int64_t plane = positions.count() * lanes<A>;
    for (int64_t p = 0; p < positions.count(); ++p) {
      const int64_t columns = p < positions.whole ? lanes<A> : positions.tail;
      for (int64_t c = 0; c < channels; c += lanes<A>) {
        Vector<A> square[lanes<A>];
        for (int lane = 0; lane < lanes<A>; ++lane)
          square[lane] = c + lane < channels ? load(&collected[(c + lane) * plane + p * lanes<A>])
                                             : Vector<A>{};
        transpose<A>(square);
        for (int64_t column = 0; column < columns; ++column)
          store(out + positions.to[p] + column * width_step + c, square[column], channels - c);
      }
    }
  }

 public:
  Planes(const Problem& problem, const std::optional<View>& bias) : problem(problem), bias(bias) {}

  int64_t units() const { return (problem.groups + bundle - 1) / bundle; }

  void operator()(const Work& work, const Tasks::Task& task) {
    const int64_t taps = int64_t(work.offsets.size()), group = task.unit * bundle;
    const int64_t groups = groups_of(task.unit);
    if (task.work != packed_work) positions.length = {};
    if (task.unit != packed_unit || task.work != packed_work) pack_weights(work, task.unit);
    packed_unit = task.unit, packed_work = task.work;
    panel.resize(work.panel.cells);
    const Triple start = work.start(task.tile);
    fill_planes<S>(panel.data(), problem.x, task.n, group * problem.inputs, groups * problem.inputs,
                   work.part, work.tile, work.panel, start, work.tile.slots[2]);
    positions.fill(work, problem.out, start, lanes<A>, sizeof(A));
    if (transposed) {
      collected.resize(bundle * problem.outputs * positions.count() * lanes<A>);
      for (int64_t p = int64_t(collected_to.size()); p < positions.count(); ++p)
        collected_to.push_back(p * lanes<A>);
    }
    S* out = problem.out.at<S>(task.n, group * problem.outputs) + corner(work, problem.out, start);
    const A* weight = weights.data();
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t output = 0; output < problem.outputs;) {
        const int64_t rows = rows_from(problem.outputs - output);
        const int64_t channel = g * problem.outputs + output;
        A biases[4];
        for (int64_t j = 0; j < rows; ++j)
          biases[j] = bias_at<S>(bias, group * problem.outputs + channel + j);
        const A* cells = panel.data() + g * problem.inputs * work.panel.channel_step;
        A* collect = transposed ? collected.data() : nullptr;
        if (rows == 4) compute<4>(work, cells, weight, biases, channel, out, collect);
        else if (rows == 2) compute<2>(work, cells, weight, biases, channel, out, collect);
        else compute<1>(work, cells, weight, biases, channel, out, collect);
        weight += rows * taps, output += rows;
      }
    if (transposed) write_collected(work, out, groups * problem.outputs);
  }
};
