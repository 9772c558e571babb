// What a tile is computed in: stacks of neighbouring positions.
// Included by cpu.cpp.

// Asks ahead for the tile at `start` of these groups of element n, in `parts` parts.
template <class S>
void look_ahead(TileAhead& ahead, const Problem& problem, const Work& work, const Triple& start,
                int64_t n, const Range& groups, int64_t parts) {
  constexpr int64_t cached = (1 << 20) / sizeof(S);  // the second-level cache may hold it all
  if (problem.x.elements() + problem.out.elements() < cached) return;
  const auto [low, high] = work.reads(start);
  const auto [first, last] = work.writes(start);
  ahead.x.aim<S>(problem.x, n, groups.begin * problem.inputs, groups.end * problem.inputs - 1, low,
                 high, parts);
  ahead.out.aim<S>(problem.out, n, groups.begin * problem.outputs,
                   groups.end * problem.outputs - 1, first, last, parts);
}

// Between neighbouring outputs of a work.
inline Triple output_steps(const Work& work, const View& out) {
  Triple steps;
  for (int axis = 0; axis < 3; ++axis) steps[axis] = work.part[axis].step * out.stride[axis];
  return steps;
}

// The stacks of a tile in the order in which they are computed.
struct Stacks {
  std::vector<Stack> all;
  int64_t whole = 0;                      // of sums: so many have all lanes, the others not
  std::vector<Runs> met;                  // if cells outside are left out: by rows of the output
  int64_t out_step = 0;                   // between the outputs, or gradients, of a stack
  Triple length{};
  Triple corner{};     // then also: where the tile starts,
  Range met_depths{};  // and what it meets there

  const Runs& runs(const Work& work, const Stack& stack) const {
    return work.skips ? met[stack.row] : work.taps[0].runs;
  }

  // Pieces of a line of positions: where outputs are made, stacks that have a kernel, which those
  // that cross the border have at any height; sums must not count a position twice, but may have
  // any number of them.
  template <class Visit>
  static void cut(int64_t count, int most, bool sums, bool crossed, Visit visit) {
    if (!sums) return cut_into_stacks(count, most, crossed, visit);
    for (int64_t first = 0; first < count;) {
      const int64_t pieces = (count - first + most - 1) / most;
      const int64_t size = (count - first + pieces - 1) / pieces;
      visit(first, size);
      first += size;
    }
  }

  // Of at most `most` positions; neighbouring outputs, or for sums their gradients, are `to_step`
  // apart.
  void fill(const Work& work, const Problem& problem, const Triple& start, int most,
            int64_t vector, int64_t bytes, const Triple& to_step) {
    if (work.skips) return fill_inside(work, problem, start, most, bytes, to_step);
    const Triple wanted = work.positions(start);
    if (wanted == length) return;
    length = wanted, all.clear();
    Triple in_step;
    for (int axis = 0; axis < 3; ++axis) in_step[axis] = work.in_step(axis) * bytes;
    const int along = work.axis, across = 3 - along;
    const Triple stride{1, 1, vector};
    out_step = to_step[along] * work.stride;
    auto add = [&](const Triple& from, int64_t count, int64_t columns) {
      Stack stack{0, 0, count, from[2], columns};
      for (int axis = 0; axis < 3; ++axis) {
        stack.at += from[axis] * in_step[axis];
        stack.to += from[axis] * to_step[axis];
      }
      all.push_back(stack);
    };
    // A last vector starts so early that it is a whole one. Outputs may be computed again; of sums,
    // `columns` are those that the vector before it did not count.
    const bool overlap = length[2] > vector, again = overlap && !problem.sums;
    const int64_t tail = length[2] % vector;
    for (int64_t d = 0; d < length[0]; ++d)
      for (int64_t a = 0; a < length[across]; a += stride[across]) {
        Triple from{d, a, a};
        const int64_t whole = along == 2 ? length[2] - tail : length[1];
        const int64_t columns = along == 1 ? std::min(vector, length[2] - a) : vector;
        if (overlap && columns < vector) from[2] = length[2] - vector;
        // Of planes along the width, neighbours are vectors; otherwise they may be some apart.
        const int64_t phases = stride[along] == work.stride ? 1 : work.stride;
        for (int64_t phase = 0; phase < phases; ++phase) {
          const int64_t positions = stride[along] == work.stride
                                        ? whole / work.stride
                                        : (whole - phase + work.stride - 1) / work.stride;
          cut(positions, most, problem.sums, false, [&](int64_t first, int64_t count) {
            from[along] = phase + first * work.stride;
            add(from, count, again ? vector : columns);
          });
        }
        if (along == 2 && tail) {
          from[2] = length[2] - (overlap ? vector : tail);
          add(from, 1, again ? vector : tail);
        }
      }
    if (!problem.sums) return;
    whole = std::stable_partition(all.begin(), all.end(),
                                  [&](const Stack& stack) { return stack.columns == vector; }) -
            all.begin();
  }

  // The same where cells outside are left out: cells from the first of the input on, outputs from the
  // tile's first on. Tiles are one deep: at depths that meet the same taps they have the same stacks.
  void fill_inside(const Work& work, const Problem& problem, const Triple& start, int most,
                   int64_t bytes, const Triple& to_step) {
    const Part& part = work.part;
    const View& x = problem.x;
    const Triple wanted = work.length(start);
    const Range depths = met_taps(part[0], start[0], x.size[0]);
    if (wanted == length && start[1] == corner[1] && start[2] == corner[2] && depths == met_depths)
      return;
    length = wanted, corner = start, met_depths = depths, all.clear(), met.clear();
    out_step = to_step[2] * work.stride;
    const Range whole = inside(part[2], x.size[2]);
    // Behind the cells of a panel there are none: stacks at a border read for all their positions.
    const int64_t end =
        work.direct ? x.size[2] : work.origin(x, start)[2] + work.tile.slots[2];
    std::vector<int64_t> row_of;  // Stack::row of each row; most are alike
    Range before{};
    for (int64_t h = 0; h < length[1]; ++h) {
      const Range heights = met_taps(part[1], start[1] + h, x.size[1]);
      if (met.empty() || heights != before) met.push_back(work.rows.met(depths, heights));
      before = heights;
      row_of.push_back(int64_t(met.size()) - 1);
    }
    auto add = [&](int64_t h, int64_t w, int64_t count) {
      Stack stack{0, 0, count, w, 1, row_of[h], {}};
      for (const auto& [axis, at] : {std::pair{1, h}, std::pair{2, w}}) {
        const int64_t position = start[axis] + at;
        stack.at += position * part[axis].advance * work.cell_step[axis] * bytes;
        stack.to += at * to_step[axis];
      }
      const int64_t from = start[2] + w, last = from + (count - 1) * work.stride;
      const int64_t cell = work.cell_step[2] * bytes;
      stack.border = {from * part[2].advance * cell, end * cell,
                      from < whole.begin || last >= whole.end};
      all.push_back(stack);
    };
    for (int64_t phase = 0; phase < std::min(work.stride, length[2]); ++phase) {
      const int64_t positions = (length[2] - phase + work.stride - 1) / work.stride;
      const int64_t last = start[2] + phase + (positions - 1) * work.stride;
      cut(positions, most, problem.sums, last >= whole.end, [&](int64_t first, int64_t count) {
        for (int64_t h = 0; h < length[1]; ++h) add(h, phase + first * work.stride, count);
      });
    }
  }
};
