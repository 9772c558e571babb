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
  const Work& work;
  const bool planes = problem.planes;
  const int64_t bundle = planes ? problem.bundle<A>() : 1;
  const int64_t unit_outputs = planes ? bundle * problem.outputs : problem.unit_channels<A>();
  const Inputs<A> inputs{problem};
  const Part own = itself(work.part);
  const Tile own_tile = tile_of(own, unlimited, work.cut.length, planes, lanes<A>);
  const Panel own_panel{own_tile, unit_outputs, planes};
  PlanesPanel<A> panel, gradient;  // of channels, if vectors hold those
  TileAhead ahead;
  Stacks stacks;
  Buffer<A> sums;  // (output channel or vector, input, tap, lane)
  const int64_t most_summed = problem.summed_positions<A>();

  int64_t valid(int64_t unit) const {
    return std::min(unit_outputs, problem.out_channels() - unit * unit_outputs);
  }

  // The first output of a vector of channels; panels have room for a whole last one.
  int64_t vector_begin(int64_t vector, int64_t unit) const {
    return work.direct ? inputs.first_output(vector, valid(unit)) : vector * inputs.per_vector;
  }

  Passage<A> passage(const Stack* begin, const Stack* end, const A* source) {
    return {begin, end, work.step, stacks.out_step, source, Mask<A>{}, ahead};
  }

  // Behind the first stacks that meet the same rows of taps: few, so that memory is read about in
  // its order, but enough of them to be worth loading the sums.
  const Stack* end_of_alike(const Stack* begin, const Stack* end) const {
    const Stack* next = begin;
    for (int64_t positions = 0; next != end && next->row == begin->row; ++next)
      if ((positions += next->count) > most_summed) break;
    return std::max(next, begin + 1);
  }

  void add_planes(int64_t unit, int64_t n, const Triple& start) {
    const int64_t rows = valid(unit), group = unit * bundle, groups = rows / problem.outputs;
    const bool zeroed = panel.prepare(work.panel.cells, work.index, start, groups);
    fill_planes<S>(panel.cells.data(), zeroed, problem.x, n, group * problem.inputs,
                   groups * problem.inputs, work.part[2].advance, work.tile, work.panel,
                   work.origin(problem.x, start), work.tile.slots[2]);
    // Rows of the gradient that have whole vectors are read where they are.
    const View& out = problem.out;
    const A* source = nullptr;
    int64_t channel_step = out.channel_stride;
    Triple source_step = out.stride;
    if constexpr (std::is_same_v<S, A>)
      if (out.stride[2] == 1 && work.length(start)[2] >= lanes<A>)
        source = out.at<S>(n, group * problem.outputs) + corner(work, out, start);
    if (!source) {
      const bool zeroed = gradient.prepare(own_panel.cells, work.index, start, groups);
      fill_planes<S>(gradient.cells.data(), zeroed, out, n, group * problem.outputs, rows, 1,
                     own_tile, own_panel, start, work.length(start)[2]);
      source = gradient.cells.data();
      channel_step = own_panel.channel_step, source_step = own_panel.step;
    }
    stacks.fill(work, problem, start, most_summed, lanes<A>, sizeof(A), source_step);
    const Stack *begin = stacks.all.data(), *whole = begin + stacks.whole,
                *end = begin + stacks.all.size();
    for (int64_t row = 0; row < rows; ++row, source += channel_step) {
      const A* x = &panel.cells[row / problem.outputs * problem.inputs * work.panel.channel_step];
      const Cells<A> cells{reinterpret_cast<const char*>(x), work.step, problem.inputs,
                           work.panel.channel_step * int64_t(sizeof(A)), nullptr, nullptr};
      A* sum = &sums[row * problem.inputs * work.tap_count() * lanes<A>];
      correlate_stacks<A, Reading::plain, false>(passage(begin, whole, source), cells,
                                                           work.taps[0].runs, sum);
      if (whole == end) continue;
      Passage<A> some = passage(whole, end, source);
      // What counts of the last vector along the width is behind what the one before it counted.
      const Mask<A> before = first_lanes<A>(lanes<A> - whole->columns);
      some.inside = stacks.length[2] > lanes<A> ? ~before : first_lanes<A>(whole->columns);
      correlate_stacks<A, Reading::plain, true>(some, cells, work.taps[0].runs, sum);
    }
  }

  void add_channels(int64_t unit, int64_t n, const Triple& start) {
    const int64_t first = unit * unit_outputs;
    stacks.fill(work, problem, start, most_summed, 1, sizeof(A),
                work.direct ? problem.out.stride : own_panel.step);
    const A* x = fill_or_find<S>(work, problem.x, n, inputs.channel(first), start, panel.cells);
    const A* source = nullptr;
    if (work.direct) {
      if constexpr (std::is_same_v<S, A>)
        source = problem.out.at<S>(n, first) + corner(work, problem.out, start);
    } else {
      gradient.cells.resize(own_panel.cells);
      fill_channels<S>(gradient.cells.data(), problem.out, n, first, own_tile, own_panel, start,
                       stacks.length[2]);
      source = gradient.cells.data();
    }
    auto add = [&](const Stack* begin, const Stack* end, int64_t vector) {
      const int64_t output = vector_begin(vector, unit);
      const int64_t channel = inputs.channel(first + output) - inputs.channel(first);
      const Cells<A> cells = inputs.cells(x + channel, 0, work.step);
      A* sum = &sums[vector * lanes<A> * problem.inputs * work.tap_count()];
      inputs.choose([&](auto reading) {
        const Passage<A> all = passage(begin, end, source + output);
        const Runs& runs = stacks.runs(work, *begin);
        correlate_stacks<A, reading, false>(all, cells, runs, sum);
      });
    };
    const Stack *begin = stacks.all.data(), *end = begin + stacks.all.size();
    const int64_t vectors = inputs.vectors(valid(unit));
    while (begin != end) {
      const Stack* next = work.direct ? end_of_alike(begin, end) : end;
      for (int64_t vector = 0; vector < vectors; ++vector) add(begin, next, vector);
      begin = next;
    }
  }

  // Before a tile is added: the one after it, in as many parts as there will be asked for.
  void look_at(int64_t unit, int64_t index) {
    if (!planes && !work.direct && problem.x.channel_stride == 1) return;
    const int64_t n = index / work.cut.tiles(), first = unit * unit_outputs;
    const Range groups{first / problem.outputs, (first + valid(unit)) / problem.outputs};
    const Triple start = work.start(index % work.cut.tiles());
    const Triple size = work.length(start);
    const int64_t positions = size[0] * size[1] * size[2] / (planes ? lanes<A> : 1);
    const int64_t passes = problem.inputs * (planes ? valid(unit) : valid(unit) / lanes<A>);
    look_ahead<S>(ahead, problem, work, start, n, groups,
                  std::max<int64_t>(positions * passes / Passage<A>::few, 1));
  }

 public:
  Summation(const Problem& problem, const Work& work) : problem(problem), work(work) {}

  int64_t units() const { return (problem.out_channels() + unit_outputs - 1) / unit_outputs; }

  // Sums of a unit, those of a vector added: (output, input, tap), or (vector, input, tap, lane).
  int64_t unit_sums() const {
    return (planes ? unit_outputs : inputs.vectors(unit_outputs) * lanes<A>) * problem.inputs *
           work.tap_count();
  }

  // Those of a share of the tiles.
  void add_share(int64_t unit, int64_t share, int64_t shares, A* to) {
    sums.assign(unit_sums() * (planes ? lanes<A> : 1), A{});
    const int64_t tiles = problem.x.batch * work.cut.tiles();
    const int64_t end = (share + 1) * tiles / shares;
    for (int64_t index = share * tiles / shares; index < end; ++index) {
      const int64_t n = index / work.cut.tiles();
      const Triple start = work.start(index % work.cut.tiles());
      if (index + 1 < tiles) look_at(unit, index + 1);
      else if (unit + 1 < units()) look_at(unit + 1, 0);
      if (planes) add_planes(unit, n, start);
      else add_channels(unit, n, start);
    }
    if (!planes) std::copy_n(sums.data(), unit_sums(), to);
    else
      for (int64_t i = 0; i < unit_sums(); ++i) to[i] = sum<A>(load(&sums[i * lanes<A>]));
  }

  // The sums of a unit to their places in (F, C / groups, *kernel).
  void write(int64_t unit, const A* from) const {
    const auto& [depths, heights, widths] = problem.weight.size;
    const int64_t kernel = depths * heights * widths, taps = problem.inputs * work.tap_count();
    S* to = problem.weight.at<S>(unit * unit_outputs, 0);
    each_tap(work.part, problem.inputs,
             [&](int64_t input, int64_t tap, const Tap& d, const Tap& h, const Tap& w) {
               const int64_t place = input * kernel + (d.k * heights + h.k) * widths + w.k;
               const int64_t at = input * work.tap_count() + work.place(tap);
               for (int64_t f = 0; f < valid(unit); ++f) {
                 int64_t sum = f * taps + at;
                 if (!planes) {
                   const int64_t vector = f / inputs.per_vector;
                   sum = (vector * taps + at) * lanes<A> + f - vector_begin(vector, unit);
                 }
                 to[f * problem.inputs * kernel + place] = narrow<S>(from[sum]);
               }
             });
  }
};

template <class S>
void weight_gradient_of(const Problem& problem) {
  using A = Compute<S>;
  const auto plan = plan_of<S>(problem);
  const Work& work = plan->works[0];  // forward, there is one
  const Summation<S> whole(problem, work);
  const int64_t units = whole.units(), size = whole.unit_sums();
  const int64_t tiles = problem.x.batch * work.cut.tiles();
  // With the sums of a thread they take less than 1 MiB; as a power of two, threads share them evenly.
  const int64_t room = (640 << 10) / (units * size * int64_t(sizeof(A)));
  const int64_t worth = problem.x.batch * problem.out.cells() / 64;
  const int64_t most = std::min({16 / units, room, worth, tiles});
  const int64_t shares = int64_t(std::bit_floor(uint64_t(std::max<int64_t>(most, 1))));
  Buffer<A> partial(units * shares * size);
  parallel(units * shares, [&](int64_t begin, int64_t end) {
    Summation<S> summation(problem, work);
    for (int64_t index = begin; index < end; ++index)
      summation.add_share(index / shares, index % shares, shares, &partial[index * size]);
  });
  for (int64_t unit = 0; unit < units; ++unit) {
    A* total = &partial[unit * shares * size];
    for (int64_t share = 1; share < shares; ++share)
      for (int64_t i = 0; i < size; ++i) total[i] += total[share * size + i];
    whole.write(unit, total);
  }
}

void weight_gradient(const Problem& problem, ScalarType dtype) {
  for_storage(dtype, [&](auto kind) { weight_gradient_of<decltype(kind)>(problem); });
}
