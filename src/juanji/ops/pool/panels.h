// Rows of few cells, channels not innermost: vectors lie across planes.
//
// As many planes as a vector has lanes are copied to a small buffer, a panel, where they lie side
// by side in every cell. They are computed there as channels are (cells.h), and copied back.
#pragma once

#include "cells.h"
#include "walk.h"

namespace juanji {
namespace {

struct Range {
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};

// How planes are cut into blocks: some target rows at some depths, and all source rows and depths
// that they may need.
struct PanelBlocks {
  static constexpr int64_t aim = 512, most = 4096;  // cells of a panel, each of them a vector
  const Job& job;
  Triple target, source;
  Triple chunk{1, 1, 1};

  explicit PanelBlocks(const Job& job)
      : job(job), target(job.windows.size(job.adjoint)), source(job.windows.size(!job.adjoint)) {
    chunk[2] = target[2];
    for (int a : {1, 0})
      while (chunk[a] < target[a]) {
        const int64_t before = chunk[a];
        chunk[a] = std::min(2 * before, target[a]);
        if (cells() <= aim && listed() <= 2 * most) continue;
        chunk[a] = before;
        return;
      }
  }
  int64_t source_cells() const { return needed(0) * needed(1) * source[2]; }
  int64_t target_cells() const { return chunk[0] * chunk[1] * target[2]; }
  int64_t cells() const { return source_cells() + target_cells(); }
  // More sources are not listed for a block.
  int64_t listed() const { return target_cells() * source_cells(); }
  bool fit() const { return cells() <= most && listed() <= 2 * most; }

  int64_t count() const { return parts(0) * parts(1); }
  std::array<Range, 2> targets(int64_t part) const {
    std::array<Range, 2> found;
    for (int a : {1, 0}) {
      const int64_t begin = part % parts(a) * chunk[a];
      found[a] = {begin, std::min(begin + chunk[a], target[a])};
      part /= parts(a);
    }
    return found;
  }
  Range sources(int a, const Range& targets) const {
    const auto [begin, end] = job.windows.axis[a].sources(job.adjoint, targets.begin, targets.end);
    return {begin, end};
  }

 private:
  int64_t parts(int a) const { return ceil_divide(target[a], chunk[a]); }
  int64_t needed(int a) const {  // at most
    const Axis& axis = job.windows.axis[a];
    const int64_t reach = job.adjoint ? (chunk[a] + axis.extent() - 2) / axis.stride + 1
                                      : (chunk[a] - 1) * axis.stride + axis.extent();
    return std::min(reach, source[a]);
  }
};

// Everything a thread needs; what depends on the block alone is found once for all planes.
template <class S>
class Panel {
 public:
  using A = Compute<S>;
  static constexpr int width = lanes<A>;

  explicit Panel(const PanelBlocks& blocks)
      : job(blocks.job), blocks(blocks), inside(blocks.job), sources(inside),
        values(size_t((blocks.source_cells() + width) * width)),
        made(size_t((blocks.target_cells() + width) * width)),
        made_taps(size_t(job.taps_out ? (blocks.target_cells() + width) * width : 0)) {
    inside.divisor.kind = job.divides_sources() ? Divisor::none : job.divisor.kind;
    inside.source.stride[2] = width;
    sources.find_columns(0, blocks.target[2]);
  }

  void go_to(int64_t part) {
    block = blocks.targets(part);
    depths = blocks.sources(0, block[0]), heights = blocks.sources(1, block[1]);
    const int64_t row = blocks.source[2] * width;
    inside.source.stride = {heights.count() * row, row, width};
    sources.forget_rows();
    rows.clear();
    for (int64_t d = block[0].begin; d < block[0].end; ++d)
      for (int64_t h = block[1].begin; h < block[1].end; ++h) rows.push_back(sources.find_row(d, h));
    divisors.clear();
    for (int64_t d = depths.begin; job.divides_sources() && d < depths.end; ++d)
      for (int64_t h = heights.begin; h < heights.end; ++h)
        for (int64_t w = 0; w < blocks.source[2]; ++w)
          divisors.emplace_back(A(job.divisor.along(job.windows, 0, d) *
                                  job.divisor.along(job.windows, 1, h) *
                                  job.divisor.along(job.windows, 2, w)));
  }

  // The planes from `plane` on.
  template <class Each>
  void compute(int64_t plane, Each& each) {
    first = plane, planes = std::min(int64_t(width), job.source.batch * job.source.channels - plane);
    fetch();
    const int64_t skipped =  // source cells before the block
        depths.begin * inside.source.stride[0] + heights.begin * inside.source.stride[1];
    int64_t at = 0;
    for (const auto& row : rows)
      for (const auto& column : sources.columns) {
        const auto& list = sources.of(row, column);
        each(Cell<A>{plane, width, row.d, row.h, column.w, made.data() + at,
                     job.taps_out ? made_taps.data() + at : nullptr,
                     values.data() + row.source_at + column.source_at - skipped, nullptr,
                     list.taps, list.by});
        at += width;
      }
    write();
  }

 private:
  const Job& job;
  const PanelBlocks& blocks;
  Job inside;  // the same, of the panel
  CellSources<A> sources;
  Buffer<A> values, made;
  Buffer<uint8_t> made_taps;
  std::vector<Division<A>> divisors;  // of the source cells
  std::vector<typename CellSources<A>::Row> rows;
  std::array<Range, 2> block{};
  Range depths{}, heights{};
  int64_t first = 0, planes = 0;

  template <class T>
  Starts<A, T> starts_of(const View& view, int64_t d, int64_t h) const {
    Starts<A, T> from;
    for (int i = 0; i < width; ++i) {  // lanes beyond the last plane have it again
      const int64_t plane = first + std::min(int64_t(i), planes - 1);
      from[i] = row_of<T>(view, plane / view.channels, plane % view.channels, d, h);
    }
    return from;
  }

  void fetch() {
    const View& source = job.source;
    const int64_t many = heights.count() * source.size[2], step = source.stride[2];
    const bool dense = step == 1 && (heights.count() == 1 || source.stride[1] == source.size[2]);
    A* to = values.data();
    for (int64_t d = depths.begin; d < depths.end; ++d) {
      auto from = starts_of<const S>(source, d, heights.begin);
      for (int64_t h = 0; h < (dense ? 1 : heights.count()); ++h) {
        const int64_t cells = dense ? many : source.size[2], skip = h * source.stride[1];
        turn_in<A>(from, width, step == 1, cells,
                   [=](const S* plane, int64_t at, int64_t count, auto whole) {
                     return whole ? load(plane + skip + at)
                                  : load_strided(plane + skip + at * step, step, count);
                   },
                   [to](int64_t cell, Vector<A> value, auto) { store(to + cell * width, value); });
        to += cells * width;
      }
    }
    to = values.data();
    for (const Division<A>& by : divisors) {
      store(to, by(load(to)));
      to += width;
    }
  }

  void write() const {
    const int64_t many = block[1].count() * blocks.target[2];
    const A* from = made.data();
    const uint8_t* taps = made_taps.data();
    for (int64_t d = block[0].begin; d < block[0].end; ++d) {
      auto to = starts_of<S>(job.target, d, block[1].begin);
      turn_out<A>(to, planes, true, many,
                  [from](int64_t cell, auto) { return load(from + cell * width); },
                  [](S* plane, int64_t at, int64_t count, Vector<A> value, auto) {
                    store(plane + at, value, count);
                  });
      from += many * width;
      if (!job.taps_out) continue;
      auto taps_to = starts_of<uint8_t>(*job.taps_out, d, block[1].begin);
      turn_out<A>(taps_to, planes, true, many, [taps](int64_t cell, auto) {
        return std::bit_cast<Vector<A>>(load_bytes<A>(taps + cell * width, width));
      }, [](uint8_t* plane, int64_t at, int64_t count, Vector<A> value, auto) {
        store_bytes<A>(plane + at, std::bit_cast<Mask<A>>(value), count);
      });
      taps += many * width;
    }
  }
};

// Whether panels serve a job: vectors along longer rows are faster, as they are along the rows of
// so few planes that panels are mostly empty, and along pairs that nearly fill one.
template <class A>
inline bool in_panels(const Job& job) {
  const Axis& last = job.windows.axis[2];
  const int64_t planes = job.source.batch * job.source.channels;
  const int64_t used = std::min(planes, int64_t(lanes<A>));
  const bool pairs = last.kernel == 2 && last.stride == 2;
  const int64_t few = job.adjoint ? used : !pairs ? 3 * used / 2 : masked_moves ? 3 * used / 4 : used;
  return last.coarse < few && PanelBlocks(job).fit();
}

// `make()` gives every thread its own `each(cell)`.
template <class S, class Make>
void panels(const Job& job, const Make& make) {
  constexpr int width = lanes<Compute<S>>;
  if (job.source.elements() == 0) return;
  const PanelBlocks blocks(job);
  const int64_t groups = ceil_divide(job.source.batch * job.source.channels, width);
  parallel(groups * blocks.count(), [&](int64_t begin, int64_t end) {
    Panel<S> panel(blocks);
    auto each = make();
    int64_t known = -1;
    for (int64_t task = begin; task < end; ++task) {
      if (task / groups != known) panel.go_to(known = task / groups);
      panel.compute(task % groups * width, each);
    }
  }, width * (blocks.source_cells() + 4 * blocks.target_cells()));
}

}  // namespace
}  // namespace juanji
