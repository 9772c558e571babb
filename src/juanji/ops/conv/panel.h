// Panels: the cells that a tile reads, copied into a small buffer of zeros, in the numbers that the
// kernel computes in. All that is irregular (borders, strides, dilation, storage types, strides of
// the tensor) ends here; the loops of kernel.h know offsets only.
//
// There are two arrangements:
//   planes    (C, depth, height, residue, width)   vectors hold neighbours along the width
//   channels  (depth, height, width, C)            vectors hold channels
#pragma once

#include "geometry.h"

namespace juanji {

struct Panel {
  Triple step;  // distance of neighbouring slots
  int64_t channels, channel_step, residue_step, cells;
  static constexpr int64_t most_lanes = 16;

  Panel(const Tile& tile, int64_t channels, bool planes) : channels(channels) {
    const auto& [depth, height, width] = tile.slots;
    residue_step = planes ? width : 0;
    const int64_t cell = planes ? 1 : channels, row = tile.residues * width * cell;
    step = {height * row, row, cell};
    channel_step = planes ? depth * height * row : 1;
    // Vectors of whole groups may reach beyond the last cell.
    cells = planes ? channels * channel_step : depth * height * row + most_lanes;
  }

  // Of the cells that each tap reads, in bytes, for the first output of the tile.
  std::vector<int64_t> tap_offsets(const Part& part, const Tile& tile, int64_t bytes) const {
    std::vector<int64_t> offsets;
    auto slot = [&](int axis, const Tap& tap) {
      int64_t along = tap.offset - part[axis].lowest();
      if (axis == 2 && residue_step)
        return along % part[2].advance * residue_step + along / part[2].advance;
      return along / tile.lattice[axis] * step[axis];
    };
    for (const Tap& depth : part[0].taps)
      for (const Tap& height : part[1].taps)
        for (const Tap& width : part[2].taps)
          offsets.push_back(bytes * (slot(0, depth) + slot(1, height) + slot(2, width)));
    return offsets;
  }
};

// A panel of planes, and what it was last filled for.
template <class A>
struct PlanesPanel {
  Buffer<A> cells;
  std::array<int64_t, 5> tile{-1};  // the work, where it starts, how many channels

  // Makes room; says whether zeros are in place.
  bool prepare(int64_t size, int64_t work, const Triple& start, int64_t channels) {
    const std::array<int64_t, 5> wanted{work, start[0], start[1], start[2], channels};
    const bool same = tile == wanted;
    cells.resize(size), tile = wanted;
    return same;
  }
};

}  // namespace juanji
