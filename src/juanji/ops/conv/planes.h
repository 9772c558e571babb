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
  PlanesPanel<A> panel;
  Buffer<A> weights, scratch, collected;
  Stacks stacks;
  TileAhead ahead;
  int64_t packed_unit = -1, packed_work = -1;
  int64_t left = 0;   // where the tile starts along the width
  int64_t plane = 0;  // numbers that a channel of the collected tile takes

  static int64_t rows_from(int64_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

  int64_t groups_of(int64_t unit) const {
    return std::min(bundle, problem.groups - unit * bundle);
  }

  // (group, rows of up to four output channels, residue, input, tap, row)
  void pack_weights(const Work& work, int64_t unit) {
    weights.resize(bundle * problem.outputs * problem.inputs * work.tap_count());
    A* to = weights.data();
    for (int64_t group = 0; group < groups_of(unit); ++group)
      for (int64_t output = 0; output < problem.outputs;) {
        const int64_t rows = rows_from(problem.outputs - output);
        for (const Order& taps : work.taps) {
          each_tap(work.part, problem.inputs, [&](int64_t input, int64_t tap, auto... tap_k) {
            if (taps.place[tap] < 0) return;
            for (int64_t j = 0; j < rows; ++j)
              to[(input * taps.runs.taps + taps.place[tap]) * rows + j] =
                  widen(*weight_of<S>(problem, unit * bundle + group, output + j, input, tap_k...));
          });
          to += rows * problem.inputs * taps.runs.taps;
        }
        output += rows;
      }
  }

  // Some output channels of a group, from its cells; into the output, or into `collected`.
  template <int rows>
  void compute(const Work& work, const A* cells, const A* weight, const A* biases, int64_t channel,
               S* out) {
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    const int64_t channel_step = problem.out.channel_stride, residues = work.part[2].residues;
    constexpr int64_t scratch_size = highest_stack(rows) * rows * lanes<A>;
    if (!transposed) scratch.resize(residues * scratch_size);
    int64_t vectors = 0;
    for (const Stack& stack : stacks.all) {
      ahead.ask<true>();
      const Cells<A> read{reinterpret_cast<const char*>(cells) + stack.at, work.step,
                          problem.inputs, work.panel.channel_step * int64_t(sizeof(A)), nullptr,
                          nullptr};
      const A* of_residue = weight;
      auto run = [&](int64_t residue, A* to, int64_t step, int64_t row_step) {
        const Order& taps = work.taps[residue];
        accumulate_stack<A, rows>(stack.count, read, taps, of_residue, biases, to, step, row_step);
        of_residue += rows * problem.inputs * taps.runs.taps;
      };
      S* first = out + channel * channel_step + stack.to;
      if (transposed) {
        for (int64_t residue = 0; residue < residues; ++residue)
          run(residue, &collected[(residue * channels() + channel) * plane + vectors * lanes<A>],
              lanes<A>, plane);
        vectors += stack.count;
        continue;
      }
      if constexpr (std::is_same_v<S, A>)
        if (width_step == 1 && stack.columns == lanes<A>) {
          run(0, first, stacks.out_step, channel_step);
          continue;
        }
      for (int64_t residue = 0; residue < residues; ++residue)
        run(residue, &scratch[residue * scratch_size], rows * lanes<A>, lanes<A>);
      write_stack<rows>(work, stack, scratch_size, first);
    }
  }

  // From the scratch to the output, rows of all positions.
  template <int rows>
  void write_stack(const Work& work, const Stack& stack, int64_t scratch_size, S* first) const {
    const int64_t residues = work.part[2].residues, count = stack.count;
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    const int64_t channel_step = problem.out.channel_stride, out_step = stacks.out_step;
    const A *even = scratch.data(), *odd = even + scratch_size;
    const bool pairs = residues == 2 && width_step == 2;
    if (pairs && columns_of(work, stack, count - 1) == 2 * lanes<A>) {  // the last has the fewest
      for (int64_t p = 0; p < count; ++p)
        for (int j = 0; j < rows; ++j, even += lanes<A>, odd += lanes<A>)
          store_pairs(first + p * out_step + j * channel_step, load(even), load(odd));
      return;
    }
    for (int64_t p = 0; p < count; ++p)
      for (int j = 0; j < rows; ++j)
        write_line(even + (p * rows + j) * lanes<A>, scratch_size, residues,
                   first + p * out_step + j * channel_step, width_step, columns_of(work, stack, p),
                   stack.columns);
  }

  // Of a vector's outputs with all their residues, those that the output has.
  int64_t columns_of(const Work& work, const Stack& stack, int64_t p) const {
    const Phase& width = work.part[2];
    if (width.residues == 1) return stack.columns;
    const int64_t column = left + stack.column + (work.axis == 2 ? p * work.stride : 0);
    const int64_t end = width.first + width.step * (column + stack.columns - 1) + width.residues;
    return stack.columns * width.residues - std::max<int64_t>(end - problem.out.size[2], 0);
  }

  // The vectors of all residues, from_step apart, side by side; `columns` numbers in all.
  void write_line(const A* from, int64_t from_step, int64_t residues, S* to, int64_t width_step,
                  int64_t columns, int64_t outputs) const {
    if (residues == 1 && width_step == 1) return store(to, load(from), columns);
    if (residues == 2 && width_step == 2) {
      const Vector<A> even = load(from), odd = load(from + from_step);
      constexpr auto all = std::make_index_sequence<lanes<A>>{};
      store(to, interleave<false>(even, odd, all), columns);
      return store(to + lanes<A>, interleave<true>(even, odd, all), columns - lanes<A>);
    }
    const int64_t stride = problem.out.stride[2];
    for (int64_t lane = 0; lane < outputs; ++lane)
      for (int64_t residue = 0; residue < residues && lane * residues + residue < columns; ++residue)
        to[lane * width_step + residue * stride] =
            narrow<S>(from[residue * from_step + lane]);
  }

  int64_t channels() const { return bundle * problem.outputs; }

  // Planes to channels: squares are transposed.
  void write_collected(const Work& work, S* out, int64_t count) const {
    const int64_t width_step = work.part[2].step * problem.out.stride[2];
    for (int64_t residue = 0; residue < work.part[2].residues; ++residue) {
      const A* from = &collected[residue * channels() * plane];
      for (const Stack& stack : stacks.all) {
        for (int64_t p = 0; p < stack.count; ++p, from += lanes<A>) {
          const int64_t last = columns_of(work, stack, p), residues = work.part[2].residues;
          const int64_t columns = last > residue ? (last - residue + residues - 1) / residues : 0;
          S* to = out + stack.to + p * stacks.out_step + residue * problem.out.stride[2];
          if (are_few(count)) {
            for (int64_t c = 0; c < count; ++c)
              for (int64_t column = 0; column < columns; ++column)
                to[column * width_step + c] = narrow<S>(from[c * plane + column]);
            continue;
          }
          // Cells of all channels, one after the other: what is behind one is written by the next.
          const int64_t most = width_step == count ? followed<A>(columns, count, count) : 0;
          for (int64_t c = 0; c < count; c += lanes<A>) {
            Vector<A> square[lanes<A>];
            for (int lane = 0; lane < lanes<A>; ++lane)
              square[lane] = c + lane < count ? load(from + (c + lane) * plane) : Vector<A>{};
            transpose<A>(square);
            for (int64_t column = 0; column < columns; ++column) {
              S* cell = to + column * width_step + c;
              if (c == 0 && column < most) store(cell, square[column]);
              else store(cell, square[column], count - c);
            }
          }
        }
      }
    }
  }

 public:
  Planes(const Problem& problem, const std::optional<View>& bias) : problem(problem), bias(bias) {}

  int64_t units() const { return (problem.groups + bundle - 1) / bundle; }

  // The task at hand; `next` is the one after it, if there is one.
  void operator()(const std::vector<Work>& all, const Tasks::Task& task, const Tasks::Task* next) {
    const Work& work = all[task.work];
    const int64_t taps = problem.inputs * work.tap_count(), group = task.unit * bundle;
    const int64_t groups = groups_of(task.unit);
    if (task.work != packed_work) stacks.length = {};
    if (task.unit != packed_unit || task.work != packed_work) pack_weights(work, task.unit);
    packed_unit = task.unit, packed_work = task.work;
    const Triple start = work.start(task.tile);
    const bool zeroed = panel.prepare(work.panel.cells, work.index, start, groups);
    fill_planes<S>(panel.cells.data(), zeroed, problem.x, task.n, group * problem.inputs,
                   groups * problem.inputs, work.part[2].advance, work.tile, work.panel,
                   work.origin(problem.x, start), work.tile.slots[2]);
    // Stacks as high as the narrowest kernel that serves this many output channels takes.
    const int most = problem.outputs >= 4   ? highest_stack(4)
                     : problem.outputs >= 2 ? highest_stack(2)
                                            : highest_stack(1);
    left = start[2];
    stacks.fill(work, problem, start, most, lanes<A>, sizeof(A), output_steps(work, problem.out));
    if (next) {
      const Work& later = all[next->work];
      const int64_t group = next->unit * bundle;
      look_ahead<S>(ahead, problem, later, later.start(next->tile), next->n,
                    {group, group + groups_of(next->unit)},
                    int64_t(stacks.all.size()) * groups * ((problem.outputs + 3) / 4));
    }
    if (transposed) {
      plane = 0;
      for (const Stack& stack : stacks.all) plane += stack.count * lanes<A>;
      collected.resize(work.part[2].residues * channels() * plane);
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
        const A* cells = panel.cells.data() + g * problem.inputs * work.panel.channel_step;
        if (rows == 4) compute<4>(work, cells, weight, biases, channel, out);
        else if (rows == 2) compute<2>(work, cells, weight, biases, channel, out);
        else compute<1>(work, cells, weight, biases, channel, out);
        weight += rows * taps, output += rows;
      }
    if (transposed) write_collected(work, out, groups * problem.outputs);
  }
};
