// Runs: taps that follow each other at the distance of a stack's positions, so that a cell that is
// loaded once meets all of them.
#pragma once

#include "panel.h"

namespace juanji {

struct Run {
  int64_t offset;  // of its first cell, in bytes
  int64_t along;   // the part of it that lies along the row
  int64_t place;   // of its first tap among the weights of an input, or among their sums
};

// The taps of an input as runs, the longest first.
struct Runs {
  static constexpr int longest = 5;
  static constexpr std::array<int, 4> lengths{5, 3, 2, 1};

  std::vector<Run> all;
  std::array<int64_t, longest + 1> count{};  // of runs, by their length
  int64_t taps = 0;                          // places that an input has
  // Of one length, so many that follow each other lie at the same place along the row.
  int64_t alike = std::numeric_limits<int64_t>::max();

  void add(int length, const Run& run) { all.push_back(run), ++count[length]; }
};

// Those chosen of the taps given, which are offsets in bytes, in the order of their runs.
struct Order {
  Runs runs;
  std::vector<int64_t> offsets, place;  // of each tap in this order; of each tap given, or -1

  Order(const std::vector<int64_t>& given, std::vector<int64_t> chosen, int64_t step)
      : place(given.size(), -1) {
    auto before = [&](int64_t a, int64_t b) { return given[a] < given[b]; };
    if (!std::is_sorted(chosen.begin(), chosen.end(), before))
      std::sort(chosen.begin(), chosen.end(), before);
    for (int length : Runs::lengths) {
      if (length > 1 && step == 0) continue;
      // Where the members of the run that starts at a tap are looked for: further on for each tap,
      // since they are sorted.
      std::array<size_t, Runs::longest> at{};
      for (int64_t tap : chosen) {
        int64_t members[Runs::longest];
        int found = 0;
        for (; found < length; ++found) {
          const int64_t offset = given[tap] + found * step;
          size_t& next = at[found];
          while (next < chosen.size() && given[chosen[next]] < offset) ++next;
          if (next == chosen.size() || given[chosen[next]] != offset) break;
          if (place[members[found] = chosen[next]] >= 0) break;  // in a run already
        }
        if (found < length) continue;
        runs.add(length, {given[tap], given[tap], int64_t(offsets.size())});
        for (int r = 0; r < length; ++r) {
          place[members[r]] = int64_t(offsets.size());
          offsets.push_back(given[members[r]]);
        }
      }
    }
    runs.taps = int64_t(offsets.size());
  }
};

// Rows of taps, each with the same runs along it; their places follow each other, row by row.
struct Rows {
  Runs runs;                                // of one row
  std::vector<int64_t> outer, inner;        // offsets of the rows in bytes, on the axes before it

  // The runs of the rows that are met.
  Runs met(const Range& outers, const Range& inners) const {
    Runs some;
    const int64_t rows = outers.size() * inners.size();
    some.all.reserve(runs.all.size() * rows);
    for (const Run& run : runs.all)
      for (int64_t a = outers.begin; a < outers.end; ++a)
        for (int64_t b = inners.begin; b < inners.end; ++b)
          some.all.push_back({outer[a] + inner[b] + run.offset, run.offset,
                              (a * int64_t(inner.size()) + b) * runs.taps + run.place});
    for (int length : Runs::lengths) some.count[length] = runs.count[length] * rows;
    some.taps = runs.taps * int64_t(outer.size() * inner.size());
    some.alike = rows;
    return some;
  }
};

}  // namespace juanji
