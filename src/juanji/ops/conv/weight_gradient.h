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
  const int64_t taps = int64_t(work.offsets.size());
  std::vector<A> panel, gradient, sums;  // sums: (group, rows of outputs, tap, row, lane)
  Positions positions;
  std::vector<int64_t> sources;  // where the gradient of each position is

  template <int rows, bool shared>
  void correlate_rows(const A* cells, const A* source, A* sum) {
    in_chunks(0, taps, most_taps(rows), [&](int64_t tap, int64_t count) {
      correlate_some<A, rows, shared, false>(count, cells, positions.at.data(), &work.offsets[tap],
                                             source, sources.data(),
                                             own_panel.channel_step * sizeof(A), 0, positions.whole,
                                             sum + tap * rows * lanes<A>);
      const int64_t left = positions.count() - positions.whole;
      if (shared && left > 0)
        correlate_some<A, rows, true, true>(
            count, cells, &positions.at[positions.whole], &work.offsets[tap], source,
            &sources[positions.whole], own_panel.channel_step * sizeof(A), positions.tail, left,
            sum + tap * rows * lanes<A>);
    });
  }

  void place(const Triple& start) {
    if (work.length(start) == positions.length) return;
    positions.fill(work, problem.out, start, planes ? lanes<A> : 1, sizeof(A));
    sources.clear();
    const Triple& length = positions.length;
    const int64_t vector = planes ? lanes<A> : 1;
    auto add = [&](int64_t begin, int64_t end) {
      for (int64_t d = 0; d < length[0]; ++d)
        for (int64_t h = 0; h < length[1]; ++h)
          for (int64_t w = begin; w < end; w += vector)
            sources.push_back(int64_t(sizeof(A)) * (d * own_panel.step[0] + h * own_panel.step[1] +
                                                    w * own_panel.step[2]));
    };
    add(0, length[2] - positions.tail), add(length[2] - positions.tail, length[2]);
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
      place(start);
      if (!planes) {
        const int64_t first = unit * block<A>;
        const int64_t valid = std::min(block<A>, problem.out_channels() - first);
        fill_blocks<S>(panel.data(), problem.x, n, first, valid, problem.outputs, work.part,
                       work.tile, start, work.tile.slots[2]);
        fill_blocks<S>(gradient.data(), problem.out, n, first, valid, 1, own, own_tile, start,
                       columns);
        correlate_rows<block_vectors<A>, false>(panel.data(), gradient.data(), sums.data());
        continue;
      }
      const int64_t group = unit * bundle, groups = std::min(bundle, problem.groups - group);
      fill_planes<S>(panel.data(), problem.x, n, group * problem.inputs, groups * problem.inputs,
                     work.part, work.tile, work.panel, start, work.tile.slots[2]);
      fill_planes<S>(gradient.data(), problem.out, n, group * problem.outputs,
                     groups * problem.outputs, own, own_tile, own_panel, start, columns);
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t output = 0; output < problem.outputs; output += 2) {
          const A* cells = &panel[g * problem.inputs * work.panel.channel_step];
          const int64_t row = g * problem.outputs + output;
          const A* source = &gradient[row * own_panel.channel_step];
          A* sum = &sums[row * taps * lanes<A>];
          if (output + 1 < problem.outputs) correlate_rows<2, true>(cells, source, sum);
          else correlate_rows<1, true>(cells, source, sum);
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
                 A total;
                 if (planes) {
                   const int64_t output = f % problem.outputs, pair = output % 2;
                   const int64_t rows = output - pair + 1 < problem.outputs ? 2 : 1;
                   total = sum<A>(load(&sums[((f - pair) * taps + tap * rows + pair) * lanes<A>]));
                 } else {
                   total = sums[tap * block<A> + f];
                 }
                 weights[(first + f) * problem.inputs * kernel + place] = total;
               }
             });
  }
};

template <class S>
void weight_gradient_of(const Problem& problem) {
  using A = Compute<S>;
  const std::vector<Work> all = works<A>(problem);
  const Work& work = all[0];  // forward, there is one part
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
