// The relation i = o * stride + k * dilation - pad, cut into parts that a kernel can run over.
//
// Forward, every output position `o` reads positions `o * stride + offset`. Backward, the positions
// `i` of one residue modulo the stride, a phase, read positions `o = j + offset` with taps of their
// own. Both are the same thing: outputs first + step * j that read j * advance + offset.
#pragma once

#include <algorithm>
#include <numeric>

#include "tensor.h"

namespace juanji {

struct Axis {
  int64_t fine, coarse, kernel, stride, dilation, pad;
  bool operator==(const Axis&) const = default;
};
using Axes = std::array<Axis, 3>;

struct Tap {
  int64_t k, offset;
  int64_t residue = 0;  // of the outputs that it serves
};

// Outputs first + step * j, and with more than one residue, those behind each of them.
struct Phase {
  int64_t first, step, count, advance;
  std::vector<Tap> taps;
  int64_t residues = 1;

  int64_t lowest() const {
    int64_t low = taps.empty() ? 0 : taps[0].offset;
    for (const Tap& tap : taps) low = std::min(low, tap.offset);
    return low;
  }
  int64_t reach() const {  // distance of the outermost taps
    int64_t high = lowest();
    for (const Tap& tap : taps) high = std::max(high, tap.offset);
    return high - lowest();
  }
  int64_t origin(int64_t start) const { return start * advance + lowest(); }
  // The distances that positions of `length` outputs have in common: cells between are not read.
  int64_t lattice(int64_t length) const {
    int64_t common = length > 1 ? advance : 0;
    for (const Tap& tap : taps) common = std::gcd(common, tap.offset - lowest());
    return std::max<int64_t>(common, 1);
  }
};

inline std::vector<Phase> forward_phases(const Axis& axis) {
  Phase phase{0, 1, axis.coarse, axis.stride, {}};
  for (int64_t k = 0; k < axis.kernel; ++k) phase.taps.push_back({k, k * axis.dilation - axis.pad});
  return {phase};
}

// So many residues may be together: a vector of each is kept.
inline constexpr int64_t most_together = 64;

// Of all residues, or where they are too many to be together, of those that taps meet.
inline std::vector<Phase> backward_phases(const Axis& axis) {
  const int64_t residues = std::min(axis.stride, axis.fine);
  std::vector<int64_t> firsts;
  if (residues <= most_together) {
    firsts.resize(residues);
    std::iota(firsts.begin(), firsts.end(), 0);
  } else {
    for (int64_t k = 0; k < axis.kernel; ++k) {
      const int64_t rest = (k * axis.dilation - axis.pad) % axis.stride;
      const int64_t first = rest < 0 ? rest + axis.stride : rest;
      if (first < residues) firsts.push_back(first);
    }
    std::sort(firsts.begin(), firsts.end());
    firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
  }
  std::vector<Phase> phases;
  for (int64_t first : firsts) {
    Phase phase{first, axis.stride, (axis.fine - first - 1) / axis.stride + 1, 1, {}};
    for (int64_t k = axis.kernel - 1; k >= 0; --k) {
      int64_t distance = first + axis.pad - k * axis.dilation;
      if (distance % axis.stride == 0) phase.taps.push_back({k, distance / axis.stride});
    }
    phases.push_back(phase);
  }
  return phases;
}

// All phases as one, so that their outputs, which lie side by side, can be written side by side.
inline Phase together(const std::vector<Phase>& phases) {
  Phase all = phases[0];  // the one of most outputs
  all.residues = int64_t(phases.size());
  for (int64_t residue = 1; residue < all.residues; ++residue)
    for (Tap tap : phases[residue].taps) tap.residue = residue, all.taps.push_back(tap);
  return all;
}

// Those of each axis.
using Phases = std::array<std::vector<Phase>, 3>;

// Without those that have no taps, unless they are together with others.
inline Phases phases_of(const Axes& axes, bool backward, bool residues_together) {
  Phases phases;
  for (int axis = 0; axis < 3; ++axis)
    phases[axis] = backward ? backward_phases(axes[axis]) : forward_phases(axes[axis]);
  if (backward && residues_together && std::min(axes[2].stride, axes[2].fine) <= most_together)
    phases[2] = {together(phases[2])};
  for (std::vector<Phase>& some : phases)
    std::erase_if(some, [](const Phase& phase) { return phase.taps.empty(); });
  return phases;
}

// One phase on each axis.
using Part = std::array<Phase, 3>;

inline std::vector<Part> parts(const Phases& phases) {
  std::vector<Part> product;
  for (const Phase& depth : phases[0])
    for (const Phase& height : phases[1])
      for (const Phase& width : phases[2]) product.push_back({depth, height, width});
  return product;
}

// Some of what is counted.
struct Range {
  int64_t begin, end;
  int64_t size() const { return std::max<int64_t>(end - begin, 0); }
  bool operator==(const Range&) const = default;
};

// The taps of output j that lie in 0..size; taps are in the order of their offsets.
inline Range met_taps(const Phase& phase, int64_t j, int64_t size) {
  Range taps{0, int64_t(phase.taps.size())};
  const int64_t origin = j * phase.advance;
  while (taps.size() && origin + phase.taps[taps.begin].offset < 0) ++taps.begin;
  while (taps.size() && origin + phase.taps[taps.end - 1].offset >= size) --taps.end;
  return taps;
}

// The outputs whose taps all lie in 0..size.
inline Range inside(const Phase& phase, int64_t size) {
  const int64_t lowest = phase.lowest(), room = size - lowest - phase.reach();
  const int64_t begin = lowest < 0 ? (-lowest + phase.advance - 1) / phase.advance : 0;
  const int64_t end = room > 0 ? (room - 1) / phase.advance + 1 : 0;
  return {std::min(begin, phase.count), std::max(std::min(begin, phase.count),
                                                 std::min(end, phase.count))};
}

// A tile of outputs, and the cells that it reads: `slots` of them along each axis, `lattice` apart,
// kept in a panel. Along the width, a panel of planes keeps the residues modulo the advance apart,
// so that outputs that follow each other read cells that do.
struct Tile {
  Triple length, lattice, slots;
  int64_t residues = 1;  // along the width
};

// Along an axis there are no more slots than `most`.
inline constexpr Triple unlimited{INT64_MAX, INT64_MAX, INT64_MAX};
inline Tile tile_of(const Part& part, const Triple& most, const Triple& length, bool planes,
                    int64_t lane_count) {
  Tile made{length, {}, {}, 1};
  for (int axis = 0; axis < 3; ++axis) {
    made.lattice[axis] = part[axis].lattice(length[axis]);
    int64_t span = (length[axis] - 1) * part[axis].advance + part[axis].reach();
    made.slots[axis] = std::min(span / made.lattice[axis] + 1, most[axis]);
  }
  if (planes) {
    const Phase& width = part[2];
    made.lattice[2] = 1;
    made.residues = std::min(width.advance, width.reach() + 1);
    made.slots[2] =
        rounded_up(std::max(length[2], lane_count) + width.reach() / width.advance, lane_count);
  }
  return made;
}

// Where the tiles of a part start: `length` apart along each axis.
struct Tiling {
  Triple length, count;
  int64_t tiles() const { return count[0] * count[1] * count[2]; }
};

// The largest tiles whose cells are about `budget`, as long as possible along the width. Tiles
// shorter than their windows read cells several times: rather they take twice as much. None has more
// than `most` outputs.
//
// Tiles `in_place` are not copied, and one deep: one behind the other, they share cells that a cache
// still holds. What two rows of them share is read again, so that windows with a depth take three
// times as much. Rather than have fewer rows than windows, they take four times as much, and then are
// less wide; those of windows of one row are some windows wide.
inline Tiling tiling(const Part& part, const Triple& most_slots, bool in_place, bool planes,
                     int64_t lane_count, int64_t budget, int64_t most) {
  Triple length{in_place ? 1 : part[0].count, part[1].count, part[2].count};
  auto cells = [&] {
    Tile made = tile_of(part, most_slots, length, planes, lane_count);
    // sizes near 2**31 make more than an integer tells
    return double(made.slots[0]) * double(made.slots[1]) * double(made.slots[2]) *
           double(made.residues);
  };
  const int64_t least = planes ? 8 * lane_count : 8;  // along the width
  const int64_t aim = in_place && part[0].reach() > 0 ? 3 * budget : budget;
  auto halve = [](int64_t& count) { count = (count + 1) / 2; };
  for (int axis : {0, 1})
    while (cells() > aim && length[axis] > part[axis].reach() && length[axis] > 1)
      halve(length[axis]);
  const int64_t row = std::clamp(8 * part[2].reach(), budget, 4 * budget);
  const int64_t room = !in_place ? 2 * budget : part[1].reach() > 0 ? 4 * budget : row;
  auto narrow_to = [&](int64_t multiple) { length[2] = rounded_up((length[2] + 1) / 2, multiple); };
  while (in_place && cells() > room && length[2] > 4 * least) narrow_to(least);
  for (int axis : {0, 1})
    while (cells() > room && length[axis] > 1) halve(length[axis]);
  auto outputs = [&] { return length[0] * length[1] * length[2]; };
  for (int axis : {0, 1})
    while (outputs() > most && length[axis] > 1) halve(length[axis]);
  while ((cells() > room || outputs() > most) && length[2] > least) narrow_to(least);
  const int64_t shortest = planes ? lane_count : 1;
  while (cells() > room && length[2] > shortest) narrow_to(shortest);
  Tiling cut{length, {}};
  for (int axis = 0; axis < 3; ++axis)
    cut.count[axis] = (part[axis].count + length[axis] - 1) / length[axis];
  return cut;
}

}  // namespace juanji
