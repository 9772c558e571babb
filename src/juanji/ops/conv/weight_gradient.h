// dL/dweight[f, c, k] = sum over (n, o) of gradient[n, f, o] * x[n, c, i]: included by cpu.cpp.
//
// A unit (a bundle of groups, or a block of channels) sums its weights in vectors over its share of
// the tiles; how many shares there are depends on the sizes alone, and they are added in their
// order, so that any number of threads gives the same bits.

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
  const int64_t bundle = planes ? problem.bundle(block<A>) : 1;
  const Part own = itself(work.part);  // of the gradient
  const Tile own_tile = tile_of(own, work.cut.length, planes, lanes<A>);
  const Panel own_panel{own_tile, bundle * problem.outputs, planes, block<A>};
  const int64_t taps = work.runs.taps();
  const int64_t sum_step = planes ? lanes<A> : block<A>;
  std::vector<A> panel, gradient, sums;  // sums: (output channel or none, tap, lane)
  Stacks stacks;

  // One vector of one output channel or block: all runs, of one length after the other.
  template <int run, bool masked>
  void correlate_runs(const Stack& stack, const char* cells, const char* source, const int64_t* first,
                      A* sum) {
    const Mask<A> inside = first_lanes<A>(stack.columns);
    in_chunks(0, work.runs.count[run], most_columns(run), [&](int64_t c, int64_t count) {
      correlate_some<A, run, masked>(count, cells + stack.at, work.step, first + c,
                                     source + stack.source, stacks.source_step, stack.count, inside,
                                     sum + c * run * sum_step, sum_step);
    });
  }

  template <bool masked>
  void correlate_stack(const Stack& stack, const A* cells, const A* source, A* sum) {
    const char* x = reinterpret_cast<const char*>(cells);
    const char* g = reinterpret_cast<const char*>(source);
    const int64_t* first = work.runs.first.data();
    const auto& count = work.runs.count;
    correlate_runs<3, masked>(stack, x, g, first, sum);
    correlate_runs<2, masked>(stack, x, g, first + count[3], sum + 3 * count[3] * sum_step);
    correlate_runs<1, masked>(stack, x, g, first + count[3] + count[2],
                              sum + (3 * count[3] + 2 * count[2]) * sum_step);
  }

 public:
  Summation(const Problem& problem, const Work& work)
      : problem(problem),
        work(work),
        panel(work.panel.cells),
        gradient(own_panel.cells),
        sums(planes ? bundle * problem.outputs * taps * lanes<A> : taps * block<A>) {}

  static int64_t units(const Problem& problem) {
    const int64_t size = problem.planes ? problem.bundle(block<A>) : block<A>;
    return ((problem.planes ? problem.groups : problem.out_channels()) + size - 1) / size;
  }

  void add_tiles(int64_t unit, int64_t begin, int64_t end) {
    std::fill(sums.begin(), sums.end(), A{});
    for (int64_t index = begin; index < end; ++index) {
      const int64_t n = index / work.cut.tiles();
      const Triple start = work.start(index % work.cut.tiles());
      const int64_t columns = work.length(start)[2];
      stacks.fill(work, problem.out, start, 64, planes ? lanes<A> : 1, sizeof(A), &own_panel);
      if (!planes) {
        const int64_t first = unit * block<A>;
        const int64_t valid = std::min(block<A>, problem.out_channels() - first);
        fill_blocks<S>(panel.data(), problem.x, n, first, valid, problem.outputs, work.part,
                       work.tile, start, work.tile.slots[2]);
        fill_blocks<S>(gradient.data(), problem.out, n, first, valid, 1, own, own_tile, start,
                       columns);
        for (const Stack& stack : stacks.all)
          for (int64_t lane = 0; lane < block<A>; lane += lanes<A>)
            correlate_stack<false>(stack, &panel[lane], &gradient[lane], &sums[lane]);
        continue;
      }
      const int64_t group = unit * bundle, groups = std::min(bundle, problem.groups - group);
      fill_planes<S>(panel.data(), problem.x, n, group * problem.inputs, groups * problem.inputs,
                     work.part, work.tile, work.panel, start, work.tile.slots[2]);
      fill_planes<S>(gradient.data(), problem.out, n, group * problem.outputs,
                     groups * problem.outputs, own, own_tile, own_panel, start, columns);
      for (int64_t row = 0; row < groups * problem.outputs; ++row) {
        const A* cells = &panel[row / problem.outputs * problem.inputs * work.panel.channel_step];
        const A* source = &gradient[row * own_panel.channel_step];
        for (const Stack& stack : stacks.all)
          if (stack.columns == lanes<A>)
            correlate_stack<false>(stack, cells, source, &sums[row * taps * lanes<A>]);
          else
            correlate_stack<true>(stack, cells, source, &sums[row * taps * lanes<A>]);
      }
    }
  }

  // To the place of this unit's weights in (F, C / groups, *kernel).
  void write(int64_t unit, A* weights) const {
    const auto& [depths, heights, widths] = problem.weight.size;
    const int64_t kernel = depths * heights * widths;
    const int64_t first = planes ? unit * bundle * problem.outputs : unit * block<A>;
    const int64_t size = planes ? bundle * problem.outputs : block<A>;
    const int64_t valid = std::min(size, problem.out_channels() - first);
    each_tap(work.part, problem.inputs,
             [&](int64_t tap, int64_t input, const Tap& d, const Tap& h, const Tap& w) {
               const int64_t place = input * kernel + (d.k * heights + h.k) * widths + w.k;
               for (int64_t f = 0; f < valid; ++f) {
                 const int64_t rank = work.runs.rank[tap];
                 weights[(first + f) * problem.inputs * kernel + place] =
                     planes ? sum<A>(load(&sums[(f * taps + rank) * lanes<A>]))
                            : sums[rank * block<A> + f];
               }
             });
  }
};

template <class S>
void weight_gradient_of(const Problem& problem) {
  using A = Compute<S>;
  const Work work(problem, parts(problem.axes, false)[0], false, A{});  // forward, there is one
  const int64_t size = problem.weight.elements(), tiles = problem.x.batch * work.cut.tiles();
  const int64_t units = Summation<S>::units(problem);
  const int64_t shares = std::clamp<int64_t>(16 / units, 1, std::max<int64_t>(tiles, 1));
  std::vector<A> partial(shares * size);
  parallel(units * shares, [&](int64_t begin, int64_t end) {
    Summation<S> summation(problem, work);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t unit = index / shares, share = index % shares;
      summation.add_tiles(unit, share * tiles / shares, (share + 1) * tiles / shares);
      summation.write(unit, &partial[share * size]);
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
