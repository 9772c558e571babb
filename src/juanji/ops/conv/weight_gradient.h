// dL/dweight[f, c, k] = sum over (n, o) of gradient[n, f, o] * x[n, c, i]: included by cpu.cpp.
//
// A unit (a bundle of groups, or some vectors of channels) sums its weights in vectors over its
// share of the tiles; how many shares there are depends on the sizes alone, and they are added in
// their order, so that any number of threads gives the same bits.

// The gradient's own tiles: each output reads itself.
inline Part itself(const Part& part) {
  Part same = part;
  for (Phase& phase : same) phase = {0, 1, phase.count, 1, {{0, 0}}};
  return same;
}

template <class S>
class Summation {
  using A = Compute<S>;
  const Problem& problem;
  const bool planes = problem.planes;
  const int64_t bundle = planes ? problem.bundle<A>() : 1;
  const int64_t unit_outputs = planes ? bundle * problem.outputs : problem.unit_channels<A>();
  const Inputs<A> inputs{problem};
  const std::vector<Work>& works;
  PlanesPanel<A> panel, gradient;  // of channels, if vectors hold those
  TileAhead ahead;
  Buffer<A> sums;    // of a work: (output channel or vector, input, tap, lane)
  std::vector<Stacks> placed;  // of each work: they take turns

  int64_t valid(int64_t unit) const {
    return std::min(unit_outputs, problem.out_channels() - unit * unit_outputs);
  }

  // The gradient of a part is read like an input: where its first position is, outputs start.
  View gradient_of(const Work& work) const {
    View part = problem.out;
    int64_t offset = 0;
    for (int axis = 0; axis < 3; ++axis) {
      offset += work.part[axis].first * part.stride[axis];
      part.size[axis] = work.part[axis].count;
    }
    part.data = static_cast<S*>(part.data) + offset;
    return part;
  }

  void add_planes(const Work& work, int64_t unit, int64_t n, const Triple& start, const Part& own,
                  const Tile& tile, const Panel& own_panel) {
    const int64_t rows = valid(unit), group = unit * bundle, groups = rows / problem.outputs;
    const bool zeroed = panel.prepare(work.panel.cells, work.index, start, groups);
    gradient.prepare(own_panel.cells, work.index, start, groups);
    const Stacks& stacks = placed[work.index];
    const Runs& runs = work.taps[0].runs;
    fill_planes<S>(panel.cells.data(), zeroed, problem.x, n, group * problem.inputs,
                   groups * problem.inputs, work.part, work.tile, work.panel, start,
                   work.tile.slots[2]);
    fill_planes<S>(gradient.cells.data(), zeroed, problem.out, n, group * problem.outputs, rows,
                   own, tile, own_panel, start, stacks.length[2]);
    for (int64_t row = 0; row < rows; ++row) {
      const A* x = &panel.cells[row / problem.outputs * problem.inputs * work.panel.channel_step];
      const A* source = &gradient.cells[row * own_panel.channel_step];
      for (const Stack& stack : stacks.all) {
        ahead.ask<false>();
        const Cells<A> cells{reinterpret_cast<const char*>(x) + stack.at, work.step, problem.inputs,
                             work.panel.channel_step * int64_t(sizeof(A)), nullptr};
        const char* g = reinterpret_cast<const char*>(source) + stack.source;
        A* sum = &sums[row * problem.inputs * work.tap_count() * lanes<A>];
        if (stack.columns == lanes<A>)
          correlate_stack<A, Reading::line, Outside::nothing>(
              cells, runs, g, stacks.source_step, stack.count, lanes<A>, sum);
        else
          correlate_stack<A, Reading::line, Outside::lanes>(
              cells, runs, g, stacks.source_step, stack.count, stack.columns, sum);
      }
    }
  }

  void add_channels(const Work& work, int64_t unit, int64_t n, const Triple& start, const Part& own,
                    const Tile& tile, const Panel& own_panel) {
    const int64_t first = unit * unit_outputs;
    const Stacks& stacks = placed[work.index];
    const A* x = fill_or_find<S>(work, problem.x, n, inputs.channel(first), start, panel.cells);
    const View part = gradient_of(work);
    const A* source = nullptr;
    if (work.direct) {
      if constexpr (std::is_same_v<S, A>) source = part.at<S>(n, first);
    } else {
      gradient.cells.resize(own_panel.cells);
      fill_channels<S>(gradient.cells.data(), part, n, first, own, tile, own_panel, start,
                       stacks.length[2]);
      source = gradient.cells.data();
    }
    auto add = [&](const Stack& stack, int64_t output) {
      const int64_t channel = inputs.channel(first + output) - inputs.channel(first);
      const Cells<A> cells = inputs.cells(x + channel, stack.at, work.step);
      const char* g = reinterpret_cast<const char*>(source + output) + stack.source;
      A* sum = &sums[output * problem.inputs * work.tap_count()];
      inputs.choose([&](auto reading) {
        const Runs& runs = stacks.runs(work, stack);
        if (stack.border.crossed)
          correlate_stack<A, reading, Outside::cells>(cells, runs, g, stacks.source_step,
                                                      stack.count, lanes<A>, sum, stack.border);
        else
          correlate_stack<A, reading, Outside::nothing>(cells, runs, g, stacks.source_step,
                                                        stack.count, lanes<A>, sum);
      });
    };
    if (work.direct)  // in the order of memory
      for (const Stack& stack : stacks.all)
        for (int64_t output = 0; output < valid(unit); output += lanes<A>) {
          ahead.ask<false>();
          add(stack, output);
        }
    else
      for (int64_t output = 0; output < valid(unit); output += lanes<A>)
        for (const Stack& stack : stacks.all) add(stack, output);
  }

  void look_ahead(const Work& work, int64_t unit, int64_t index) {
    if (!planes && !work.direct) return;
    const int64_t n = index / work.cut.tiles(), first = unit * unit_outputs;
    const Range groups{first / problem.outputs, (first + valid(unit)) / problem.outputs};
    const int64_t stacks = int64_t(placed[work.index].all.size());
    const int64_t parts = stacks * (planes ? valid(unit) : valid(unit) / lanes<A>);
    ahead.aim<S>(problem, work, work.start(index % work.cut.tiles()), n, groups, parts);
  }

 public:
  Summation(const Problem& problem, const std::vector<Work>& works)
      : problem(problem), works(works), placed(works.size()) {}

  int64_t units() const { return (problem.out_channels() + unit_outputs - 1) / unit_outputs; }

  // A share of the tiles of every work, of one unit; to its place in (F, C / groups, *kernel).
  void add_share(int64_t unit, int64_t share, int64_t shares, A* weights) {
    const int64_t kernel = problem.weight.cells(), first = unit * unit_outputs * problem.inputs;
    std::fill_n(weights + first * kernel, valid(unit) * problem.inputs * kernel, A{});
    for (const Work& work : works) {
      if (work.tap_count() == 0) continue;
      sums.assign(rounded_up(unit_outputs, lanes<A>) * problem.inputs * work.tap_count() *
                      (planes ? lanes<A> : 1), A{});
      const Part own = itself(work.part);
      const Tile tile = tile_of(own, work.cut.length, planes, lanes<A>);
      const Panel own_panel(tile, unit_outputs, planes);
      const int64_t tiles = problem.x.batch * work.cut.tiles();
      const int64_t end = (share + 1) * tiles / shares;
      for (int64_t index = share * tiles / shares; index < end; ++index) {
        const int64_t n = index / work.cut.tiles();
        const Triple start = work.start(index % work.cut.tiles());
        placed[work.index].fill(work, problem, start, 64,
                                planes ? lanes<A> : 1, sizeof(A), &own_panel);
        if (index + 1 < end) look_ahead(work, unit, index + 1);
        else if (unit + 1 < units()) look_ahead(work, unit + 1, share * tiles / shares);
        if (planes) add_planes(work, unit, n, start, own, tile, own_panel);
        else add_channels(work, unit, n, start, own, tile, own_panel);
      }
      add_sums(work, unit, weights + first * kernel);
    }
  }

  // The sums of a work to those of the unit.
  void add_sums(const Work& work, int64_t unit, A* weights) const {
    const auto& [depths, heights, widths] = problem.weight.size;
    const int64_t kernel = depths * heights * widths, taps = problem.inputs * work.tap_count();
    each_tap(work.part, problem.inputs,
             [&](int64_t input, int64_t tap, const Tap& d, const Tap& h, const Tap& w) {
               const int64_t place = input * kernel + (d.k * heights + h.k) * widths + w.k;
               const int64_t from = input * work.tap_count() + work.place(tap);
               for (int64_t f = 0; f < valid(unit); ++f)
                 weights[f * problem.inputs * kernel + place] +=
                     planes ? sum<A>(load(&sums[(f * taps + from) * lanes<A>]))
                            : sums[(f / lanes<A> * taps + from) * lanes<A> + f % lanes<A>];
             });
  }
};

template <class S>
void weight_gradient_of(const Problem& problem) {
  using A = Compute<S>;
  const std::vector<Work> all = works<S>(problem);
  const int64_t size = problem.weight.elements();
  const int64_t units = Summation<S>(problem, all).units();
  const int64_t tiles = problem.x.batch * all[0].cut.tiles();
  const int64_t room = (512 << 10) / std::max<int64_t>(size * int64_t(sizeof(A)), 1);
  const int64_t most = std::min<int64_t>(16 / units, room);
  const int64_t shares = std::clamp<int64_t>(most, 1, std::max<int64_t>(tiles, 1));
  Buffer<A> partial(shares * size);
  parallel(units * shares, [&](int64_t begin, int64_t end) {
    Summation<S> summation(problem, all);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t unit = index / shares, share = index % shares;
      summation.add_share(unit, share, shares, &partial[share * size]);
    }
  });
  S* to = static_cast<S*>(problem.weight.data);
  for (int64_t i = 0; i < size; ++i) {
    A total = partial[i];
    for (int64_t share = 1; share < shares; ++share) total += partial[share * size + i];
    to[i] = narrow<S>(total);
  }
}

void weight_gradient(const Problem& problem, ScalarType dtype) {
  for_storage(dtype, [&](auto kind) { weight_gradient_of<decltype(kind)>(problem); });
}
