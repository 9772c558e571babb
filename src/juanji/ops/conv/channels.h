// Convolution over channels that lie side by side in memory: vectors hold output channels. Included
// by cpu.cpp.
//
// A unit is some vectors of output channels. Where all channels are one unit, cells are read where
// they are. Where channels do not lie side by side, they do in the panel and in the tile of outputs
// that is collected: planes whose rows are short are computed so.

// Where the vectors of output channels find their inputs.
template <class A>
struct Inputs {
  Reading reading;
  int64_t inputs, outputs;  // per group
  int64_t per_vector;       // outputs: those of whole groups, which may leave lanes empty
  std::vector<Mask<A>> index;

  explicit Inputs(const Problem& problem)
      : reading(problem.inputs == 1 && problem.outputs == 1 ? Reading::plain
                : problem.outputs % lanes<A> == 0           ? Reading::same
                                                            : Reading::permuted),
        inputs(problem.inputs),
        outputs(problem.outputs),
        per_vector(reading == Reading::permuted ? permuted_outputs(problem) : lanes<A>),
        index(reading == Reading::permuted ? inputs : 0) {
    for (int64_t input = 0; input < int64_t(index.size()); ++input)
      for (int lane = 0; lane < per_vector; ++lane)
        index[input][lane] = lane / outputs * inputs + input;
  }
  // First input channel of the vector that starts at an output channel.
  int64_t channel(int64_t output) const { return output / outputs * inputs; }

  // Vectors that hold `count` outputs, and where each of them begins: if all lanes count, the last
  // one perhaps inside of the one before it, to compute the same again.
  int64_t vectors(int64_t count) const { return (count + per_vector - 1) / per_vector; }
  int64_t first_output(int64_t vector, int64_t count) const {
    if (per_vector < lanes<A>) return vector * per_vector;
    return std::max<int64_t>(std::min(vector * lanes<A>, count - lanes<A>), 0);
  }

  Cells<A> cells(const A* x, int64_t at, int64_t step, TileAhead* ahead = nullptr) const {
    return {reinterpret_cast<const char*>(x) + at, step, inputs,
            reading == Reading::permuted ? 0 : int64_t(sizeof(A)), index.data(), ahead};
  }
  // Calls `call` with the reading as a constant.
  template <class Call>
  void choose(Call call) const {
    if (reading == Reading::plain) call(std::integral_constant<Reading, Reading::plain>{});
    else if (reading == Reading::same) call(std::integral_constant<Reading, Reading::same>{});
    else call(std::integral_constant<Reading, Reading::permuted>{});
  }

  // Outputs of as many groups as have their inputs in lanes from which those of a vector can be
  // permuted: any number, if all lanes are near; or 0.
  static int64_t permuted_outputs(const Problem& problem) {
    if (near_lanes<A> == lanes<A> && vector_bytes == 64)
      return lanes<A> / std::max(problem.inputs, problem.outputs) * problem.outputs;
    return problem.inputs == problem.outputs && near_lanes<A> % problem.outputs == 0 ? lanes<A> : 0;
  }

  // Whether vectors of output channels meet their inputs in one of these ways.
  static bool serve(const Problem& problem) {
    if (problem.inputs == 1 && problem.outputs == 1) return problem.groups >= lanes<A>;
    if (problem.outputs % lanes<A> == 0) return true;
    return 2 * permuted_outputs(problem) >= lanes<A> && problem.out_channels() >= lanes<A>;
  }
};

template <class S>
class Channels {
  using A = Compute<S>;
  const Problem& problem;
  const std::optional<View>& bias;
  const Inputs<A> inputs{problem};
  const int64_t per_unit = problem.unit_channels<A>();
  // What a work needs at each of its tiles: remembered, since the works take turns.
  struct Prepared {
    int64_t unit = -1;
    Buffer<A> weights;  // (vector, input, tap, lane)
    Stacks stacks;
  };
  std::vector<Prepared> prepared;
  Buffer<A> panel, biases;
  Buffer<A> collected;  // (depth, position, channel)
  std::vector<int64_t> places;  // of a run of its cells
  TileAhead ahead;

  // Of the outputs from `first` on; beyond the last channel they are zero.
  void pack_weights(const Work& work, int64_t first, int64_t count, Buffer<A>& weights) {
    const int64_t taps = work.tap_count(), vectors = inputs.vectors(count);
    const int64_t valid = std::min(count, problem.out_channels() - first);
    weights.assign(vectors * problem.inputs * taps * lanes<A>, A{});
    biases.assign(vectors * lanes<A>, A{});
    const View& weight = problem.weight;
    // From an output channel to the next one of its group, and to that of the next group.
    const int64_t own_step = problem.backward ? weight.channel_stride : weight.batch_stride;
    const int64_t group_step = problem.backward ? problem.inputs * weight.batch_stride -
                                                      (problem.outputs - 1) * own_step
                                                : own_step;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      const int64_t output = first + inputs.first_output(vector, count);
      const int64_t own = output % problem.outputs;
      const int64_t some = std::min(inputs.per_vector, first + valid - output);
      each_tap(work.part, problem.inputs, [&](int64_t input, int64_t tap, auto... tap_k) {
        const int64_t place =
            vector * problem.inputs * taps + work.place(input, problem.inputs, tap);
        const S* from = weight_of<S>(problem, output / problem.outputs, own, input, tap_k...);
        A* to = &weights[place * lanes<A>];
        int64_t left = problem.outputs - own;  // of the group
        for (int64_t lane = 0; lane < some; ++lane) {
          to[lane] = widen(*from);
          from += --left ? own_step : group_step;
          if (!left) left = problem.outputs;
        }
      });
      for (int64_t lane = 0; lane < some; ++lane)
        biases[vector * lanes<A> + lane] = bias_at<S>(bias, output + lane);
    }
  }

  // A stack of some vectors of the unit's channels, whose cells' first channel is at x. The weights
  // of its runs come behind `before` numbers of a vector's weights.
  template <class T>
  void compute(const Work& work, const Prepared& own, const A* x, const Stack& stack,
               const Runs& runs, int64_t before, int64_t first, int64_t vector, int64_t count,
               T* out, int64_t vectors = 1) {
    const int64_t size = problem.inputs * work.tap_count() * lanes<A>;
    const int64_t output = inputs.first_output(vector, count);
    const int64_t channel = inputs.channel(first + output) - inputs.channel(first);
    const Cells<A> cells =
        inputs.cells(x + channel, stack.at, work.step, ahead.rests() ? &ahead : nullptr);
    auto run = [&](A* to, int64_t to_step) {
      inputs.choose([&](auto reading) {
        slide_stack<A, reading>(stack.count, cells, runs, stack.border,
                                own.weights.data() + vector * size + before,
                                &biases[vector * lanes<A>], to, to_step, vectors);
      });
    };
    // Empty lanes are written where the next vector will write its outputs.
    if constexpr (std::is_same_v<T, A>)
      if (count - output >= lanes<A>) return run(out + stack.to + output, own.stacks.out_step);
    A scratch[full_stack * lanes<A>];
    run(scratch, lanes<A>);
    for (int64_t p = 0; p < stack.count; ++p)
      store(out + stack.to + p * own.stacks.out_step + output, load(scratch + p * lanes<A>),
            count - output);
  }

  // Channels to planes: cells and channels are transposed, those of all rows at once that follow
  // each other in memory.
  void write_collected(const Work& work, const Triple& start, int64_t count, int64_t cell, S* out) {
    const Triple length = work.length(start), positions = work.positions(start);
    const int64_t residues = work.part[2].residues;
    Triple steps = output_steps(work, problem.out);
    if (residues > 1) steps[2] = problem.out.stride[2];
    const Phase& width = work.part[2];
    const int64_t left = problem.out.size[2] - width.first - width.step * start[2];
    const int64_t columns = residues > 1 ? std::min(length[2] * residues, left) : length[2];
    const bool one_run = steps[2] == 1 && steps[1] == columns;
    const int64_t rows = one_run ? length[1] : 1;
    const int64_t row = (work.pitch ? work.pitch : length[2]) * residues;
    places.clear();
    for (int64_t h = 0; h < rows; ++h)
      for (int64_t w = 0; w < columns; ++w) places.push_back((h * row + w) * cell);
    for (int64_t d = 0; d < length[0]; ++d)
      for (int64_t h = 0; h < length[1]; h += rows)
        for (int64_t c = 0; c < count; c += lanes<A>) {
          const int64_t first = d * positions[1] * positions[2] * residues + h * row;
          const A* from = &collected[first * cell + c];
          S* to = out + d * steps[0] + h * steps[1] + c * problem.out.channel_stride;
          turn_out<A>(starts<A>(to, problem.out.channel_stride, count - c), count - c,
                      steps[2] == 1, int64_t(places.size()),
                      [from, place = places.data()](int64_t at, auto) {
                        return load(from + place[at]);
                      },
                      [step = steps[2]](S* plane, int64_t at, int64_t many, Vector<A> value,
                                        auto whole) {
                        whole ? store(plane + at, value)
                              : store_strided(plane + at * step, step, value, many);
                      });
        }
  }

  // The tile's channels from `first` on. All residues of an output lie side by side, `count` numbers
  // each.
  template <class T>
  void compute_all(const Work& work, const Prepared& own, const A* x, int64_t first, int64_t count,
                   T* out) {
    if (work.skips) return compute_columns(work, own, x, first, count, out);
    // What is read stays in the first-level cache.
    for (int64_t vector = 0; vector < inputs.vectors(count); ++vector)
      for (const Stack& stack : own.stacks.all) {
        int64_t before = 0;
        for (int64_t residue = 0; residue < int64_t(work.taps.size()); ++residue) {
          const Runs& runs = work.taps[residue].runs;
          compute(work, own, x, stack, runs, before, first, vector, count, out + residue * count);
          before += problem.inputs * runs.taps * lanes<A>;
        }
      }
  }

  // Some vectors of channels at a time, unless those share one, and of these a column of stacks:
  // the rows that one of them reads are still in the first-level cache for the next.
  template <class T>
  void compute_columns(const Work& work, const Prepared& own, const A* x, int64_t first,
                       int64_t count, T* out) {
    const bool one = inputs.reading == Reading::same || !std::is_same_v<T, A>;
    const Stack *stack = own.stacks.all.data(), *end = stack + own.stacks.all.size();
    const int64_t whole = count / lanes<A>;  // vectors; perhaps one more begins inside of the last
    const int64_t rows = own.stacks.length[1];
    const int64_t most = one ? 1 : rows == 1 ? std::max<int64_t>(whole, 1) : in_place_vectors;
    for (; stack != end; stack += rows)
      for (int64_t vector = 0, vectors; vector * lanes<A> < count; vector += vectors) {
        vectors = std::clamp<int64_t>(whole - vector, 1, most);
        for (int64_t row = 0; row < rows; ++row)
          compute(work, own, x, stack[row], own.stacks.runs(work, stack[row]), 0, first, vector,
                  count, out, vectors);
      }
  }

 public:
  Channels(const Problem& problem, const std::optional<View>& bias)
      : problem(problem), bias(bias) {}

  int64_t units() const { return (problem.out_channels() + per_unit - 1) / per_unit; }

  // The task at hand; `next` is the one after it, if there is one.
  void operator()(const std::vector<Work>& all, const Tasks::Task& task, const Tasks::Task* next) {
    const Work& work = all[task.work];
    const int64_t first = task.unit * per_unit;
    const int64_t count = std::min(per_unit, problem.out_channels() - first);
    if (int64_t(prepared.size()) <= work.index) prepared.resize(work.index + 1);
    Prepared& own = prepared[work.index];
    const int64_t cell = rounded_up(per_unit, lanes<A>);  // of the collected tile
    if (own.unit != task.unit)
      pack_weights(work, first, problem.collects ? cell : count, own.weights);
    own.unit = task.unit;
    const Triple start = work.start(task.tile);
    const auto [depths, lines, positions] = work.positions(start);
    const int64_t residues = work.part[2].residues, line = positions * residues * cell;
    const Triple steps = problem.collects ? Triple{lines * line, line, residues * cell}
                                          : output_steps(work, problem.out);
    own.stacks.fill(work, problem, start, full_stack, 1, sizeof(A), steps);
    const A* cells = fill_or_find<S>(work, problem.x, task.n, inputs.channel(first), start, panel);
    S* out = problem.out.at<S>(task.n, first) + corner(work, problem.out, start);
    if (next && (work.direct || problem.collects)) {
      const int64_t unit = next->unit * per_unit;
      const int64_t beyond = std::min(unit + per_unit, problem.out_channels());
      look_ahead<S>(ahead, problem, all[next->work], all[next->work].start(next->tile), next->n,
                    {unit / problem.outputs, beyond / problem.outputs},
                    inputs.vectors(count) * int64_t(own.stacks.all.size() * work.taps.size()));
    }
    if (!problem.collects) return compute_all(work, own, cells, first, count, out);
    collected.resize(depths * lines * line + lanes<A> * cell);
    compute_all(work, own, cells, first, cell, collected.data());
    write_collected(work, start, count, cell, out);
  }
};
