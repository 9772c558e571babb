// What a call is cut into: works and their tiles, and tasks.
// Included by cpu.cpp.

// Of outputs that are collected.
constexpr int64_t collected_numbers = 64 << 10;

// Threads share the work evenly if there are so many tasks, each worth so many multiply-adds.
constexpr int64_t enough_tasks = 16, worth_a_task = 1 << 17;

// The tiles of a part, once for every element of the batch. Offsets are in bytes.
struct Work {
  Part part;
  int64_t index;  // among the works of the problem
  bool direct;    // cells are read where they are, not from a panel
  bool skips;     // cells outside are left out; otherwise the panel has zeros in their place
  Tiling cut;
  Tile tile;
  Panel panel;
  Triple cell_step;   // if cells outside are left out: from one of the input's to its neighbours
  int64_t pitch = 0;  // if not 0: rows are one line of positions, so many from one to the next
  int axis;        // along which positions are stacked,
  int64_t stride;  // this many apart
  int64_t step;    // between the cells of neighbours in a stack
  std::vector<Order> taps;  // of each residue of the outputs, mostly one; or of one row of
  Rows rows;                // these, if cells outside are left out

  template <class A>
  Work(const Problem& problem, const Part& part, int64_t index, A)
      : part(part),
        index(index),
        direct(problem.direct),
        skips(problem.skips()),
        cut(tiling(part, most_slots(problem), direct, problem.planes, lanes<A>,
                   panel_bytes / (problem.tile_channels<A>() * int64_t(sizeof(A))),
                   most_outputs(problem, problem.panel_channels<A>()))),
        tile(tile_of(part, most_slots(problem), cut.length, problem.planes, lanes<A>)),
        panel(tile, problem.panel_channels<A>(), problem.planes),
        cell_step(direct ? problem.x.stride : panel.step),
        pitch(problem.collects && problem.inputs == 1 && !skips ? row_pitch() : 0),
        axis(skips || pitch ? 2 : stack_axis(lanes<A>)),
        stride(stack_stride(problem, lanes<A>)),
        step((skips ? part[2].advance * cell_step[2] : in_step(axis)) * stride *
             int64_t(sizeof(A))) {
    if (skips) {
      find_rows(sizeof(A));
      return;
    }
    const std::vector<int64_t> offsets = panel.tap_offsets(part, tile, sizeof(A));
    std::vector<std::vector<int64_t>> chosen(part[2].residues);
    const std::vector<Tap>& width = part[2].taps;
    for (int64_t tap = 0; tap < int64_t(offsets.size()); ++tap)
      chosen[width[tap % width.size()].residue].push_back(tap);
    for (const auto& of_residue : chosen) taps.emplace_back(offsets, of_residue, step);
  }

  void find_rows(int64_t bytes) {
    std::array<std::vector<int64_t>, 3> offsets;
    for (int axis = 0; axis < 3; ++axis)
      for (const Tap& tap : part[axis].taps)
        offsets[axis].push_back(tap.offset * cell_step[axis] * bytes);
    std::vector<int64_t> all(offsets[2].size());
    std::iota(all.begin(), all.end(), 0);
    taps.emplace_back(offsets[2], all, step);
    rows = {taps[0].runs, offsets[0], offsets[1]};
  }

  // Where the weight of a tap lies among those of an input, and its sum.
  int64_t place(int64_t tap) const {
    const int64_t along = int64_t(taps[0].place.size());
    return tap / along * along + taps[0].place[tap % along];
  }

  // Where it lies among the weights of all inputs: those of each residue together.
  int64_t place(int64_t input, int64_t inputs, int64_t tap) const {
    if (taps.size() == 1) return input * tap_count() + place(tap);
    int64_t before = 0;
    const Order* own = taps.data();
    while (own->place[tap] < 0) before += own++->runs.taps;  // a tap is one residue's
    return inputs * before + input * own->runs.taps + own->place[tap];
  }

  // Without zeros around, a tile has no more cells than the input.
  Triple most_slots(const Problem& problem) const { return skips ? problem.x.size : unlimited; }

  // That a tile may have. From panels there are tasks enough: they hold few channels.
  int64_t most_outputs(const Problem& problem, int64_t channels) const {
    if (problem.collects)
      return std::max<int64_t>(collected_numbers / (channels / problem.inputs * problem.outputs *
                                                    part[2].residues), 1);
    if (!direct) return std::numeric_limits<int64_t>::max();
    const int64_t units = (problem.groups * problem.inputs + channels - 1) / channels;
    const int64_t positions = part[0].count * part[1].count * part[2].count;
    return std::max(positions * units * problem.x.batch / enough_tasks,
                    worth_a_task / (channels * problem.outputs * tap_count()));
  }

  // Weights that an input has for an output, of all residues.
  int64_t tap_count() const {
    return int64_t(part[0].taps.size() * part[1].taps.size() * part[2].taps.size());
  }

  // If cells go on from row to row at the steps of positions: low stacks at the end of each row
  // would take longer than outputs of the few cells between them, unless those have many inputs.
  int64_t row_pitch() const {
    if (tile.length[1] == 1 || tile.length[2] == 1) return 0;  // no steps
    const int64_t rows = in_step(1), cells = in_step(2);
    return rows % cells == 0 && 3 * rows <= 4 * cells * tile.length[2] ? rows / cells : 0;
  }

  // The longer one of the last two; of planes, the width counts in vectors.
  int stack_axis(int64_t lane_count) const {
    const int64_t width = tile.length[2], vectors = (width + lane_count - 1) / lane_count;
    return tile.length[1] > (panel.residue_step ? vectors : width) ? 1 : 2;
  }

  // So that taps slide from one position to the next: their distance, if it is one of outputs.
  int64_t stack_stride(const Problem& problem, int64_t lane_count) const {
    if (problem.planes && axis == 2) return lane_count;
    if (axis == 2 && part[2].residues > 1) return 1;
    const std::vector<Tap>& taps = part[axis].taps;
    const int64_t apart = taps.size() > 1 ? std::abs(taps[1].offset - taps[0].offset) : 0;
    return apart > part[axis].advance && apart % part[axis].advance == 0
               ? apart / part[axis].advance
               : 1;
  }

  // Cells between the inputs of neighbouring outputs.
  int64_t in_step(int along) const {
    if (along == 2 && panel.residue_step) return 1;  // residues are apart
    return part[along].advance / tile.lattice[along] * panel.step[along];
  }

  // The order of the tiles: along the width first, or where they are one deep, along the depth.
  Triple start(int64_t index) const {
    Triple at{};
    for (int64_t axis : skips ? Triple{0, 2, 1} : Triple{2, 1, 0}) {
      at[axis] = index % cut.count[axis] * cut.length[axis];
      index /= cut.count[axis];
    }
    return at;
  }
  // Where the first cell of a tile is in the input, or outside of it if there are zeros around.
  Triple origin(const View& x, const Triple& start) const {
    Triple position;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t first = part[axis].origin(start[axis]), last = x.size[axis] - tile.slots[axis];
      position[axis] = skips ? std::clamp<int64_t>(first, 0, last) : first;
    }
    return position;
  }
  // The first and the last cell that a tile reads and the one before it did not, which may lie
  // outside of the input; and the first and the last output.
  std::array<Triple, 2> reads(const Triple& start) const {
    std::array<Triple, 2> corners;
    for (int axis = 0; axis < 3; ++axis) {
      corners[0][axis] = part[axis].origin(start[axis]);
      const int64_t last = start[axis] + tile.length[axis] - 1;
      corners[1][axis] = part[axis].origin(last) + part[axis].reach();
    }
    if (direct) corners[0][0] = corners[1][0];  // tiles follow each other in depth
    return corners;
  }
  std::array<Triple, 2> writes(const Triple& start) const {
    std::array<Triple, 2> corners;
    const Triple size = length(start);
    for (int axis = 0; axis < 3; ++axis) {
      corners[0][axis] = part[axis].first + part[axis].step * start[axis];
      corners[1][axis] = corners[0][axis] + part[axis].step * (size[axis] - 1);
    }
    return corners;
  }
  Triple length(const Triple& start) const {
    Triple clipped;
    for (int axis = 0; axis < 3; ++axis)
      clipped[axis] = std::min(cut.length[axis], part[axis].count - start[axis]);
    return clipped;
  }
  // The same in positions, of which rows may be one line.
  Triple positions(const Triple& start) const {
    const Triple size = length(start);
    return pitch ? Triple{size[0], 1, (size[1] - 1) * pitch + size[2]} : size;
  }
};

template <class S>
std::vector<Work> works(const Problem& problem, const Phases& phases) {
  std::vector<Work> made;
  for (const Part& part : parts(phases))
    made.emplace_back(problem, part, int64_t(made.size()), Compute<S>{});
  return made;
}

// The first cell of a tile in a panel that is filled with it; or if cells outside are left out, the
// first of the input at the tile's depth, be it there or not.
template <class S>
const Compute<S>* fill_or_find(const Work& work, const View& x, int64_t n, int64_t channel,
                               const Triple& start, Buffer<Compute<S>>& panel) {
  if constexpr (std::is_same_v<S, Compute<S>>)
    if (work.direct)
      return x.at<S>(n, channel) + start[0] * work.part[0].advance * x.stride[0];
  panel.resize(work.panel.cells);
  const Triple origin = work.origin(x, start);
  fill_channels<S>(panel.data(), x, n, channel, work.tile, work.panel, origin, work.tile.slots[2]);
  if (!work.skips) return panel.data();
  return panel.data() - origin[1] * work.cell_step[1] - origin[2] * work.cell_step[2];
}

// The tiles of all works, for every unit and element of the batch. Large maps are walked through in
// the order of memory, units innermost; for small ones, packing weights again would cost more.
struct Tasks {
  int64_t units, batch, tiles = 0;
  bool units_innermost;
  std::vector<int64_t> first;  // tiles of the works before each
  int64_t taps;

  Tasks(const std::vector<Work>& works, int64_t units, int64_t batch, bool units_innermost)
      : units(units), batch(batch), units_innermost(units_innermost), taps(works[0].tap_count()) {
    for (const Work& work : works) {
      first.push_back(tiles);
      tiles += work.cut.tiles();
    }
  }
  int64_t count() const { return units * batch * tiles; }
  struct Task {
    int64_t unit, work, n, tile;
  };
  Task operator[](int64_t index) const {
    const int64_t outer = units_innermost ? index / units : index;
    const int64_t unit = units_innermost ? index % units : index / (batch * tiles);
    const int64_t tile = outer % tiles;
    const int64_t work = std::upper_bound(first.begin(), first.end(), tile) - first.begin() - 1;
    return {unit, work, outer / tiles % batch, tile - first[work]};
  }
  // Multiply-adds of one, about.
  int64_t cost(const Problem& problem) const {
    return problem.out.elements() / std::max<int64_t>(count(), 1) * (taps * problem.inputs + 8);
  }
};

// Where the weight is that takes input `input` to output `output` of a group.
template <class S>
const S* weight_of(const Problem& problem, int64_t group, int64_t output, int64_t input,
                   const Tap& d, const Tap& h, const Tap& w) {
  const View& weight = problem.weight;
  const S* found = problem.backward ? weight.at<S>(group * problem.inputs + input, output)
                                    : weight.at<S>(group * problem.outputs + output, input);
  return found + d.k * weight.stride[0] + h.k * weight.stride[1] + w.k * weight.stride[2];
}

// Calls `visit(input, tap, depth, height, width)`, taps in the order of Panel::tap_offsets.
template <class Visit>
void each_tap(const Part& part, int64_t inputs, Visit visit) {
  for (int64_t input = 0; input < inputs; ++input) {
    int64_t tap = 0;
    for (const Tap& depth : part[0].taps)
      for (const Tap& height : part[1].taps)
        for (const Tap& width : part[2].taps) visit(input, tap++, depth, height, width);
  }
}

template <class S>
Compute<S> bias_at(const std::optional<View>& bias, int64_t channel) {
  return bias ? widen(static_cast<const S*>(bias->data)[channel * bias->batch_stride])
              : Compute<S>{};
}

inline int64_t corner(const Work& work, const View& out, const Triple& start) {
  int64_t offset = 0;
  for (int axis = 0; axis < 3; ++axis)
    offset += (work.part[axis].first + work.part[axis].step * start[axis]) * out.stride[axis];
  return offset;
}
