// Channels not innermost: vectors lie along the last axis, over whole blocks of rows.
//
// The source rows of a block are copied to a small buffer: padded, converted, and split into phases
// along both axes, so that the sources of neighbours are neighbours. All rows have one pitch there;
// so a block of target rows is one run of vectors, with some cells between the rows that are
// dropped. The first axis of three stays outside: its taps are further blocks of source rows.
#pragma once

#include "job.h"
#include "rows.h"
#include "walk.h"

namespace juanji {
namespace {

// One axis of a block, counted in places: target cells of a phase, and likewise the source's.
struct Split {
  Axis axis;
  bool adjoint;
  std::vector<int64_t> phases;                // that taps reach, ascending
  std::vector<int64_t> tap_phase, tap_place;  // of a tap: in `phases`, and in the phase
  int64_t begin, end;                         // places of the target
  int64_t reach;                              // places from a window's first tap to its last
  int64_t chunk = 1;                          // places of a block

  Split(const Axis& axis, bool adjoint) : axis(axis), adjoint(adjoint) {
    begin = adjoint ? axis.low / axis.stride : 0;
    end = adjoint ? (axis.fine - 1 + axis.low) / axis.stride + 1 : axis.coarse;
    reach = (axis.kernel - 1) * axis.dilation / axis.stride;
    for (int64_t k = 0; k < axis.kernel; ++k) phases.push_back(k * axis.dilation % axis.stride);
    std::sort(phases.begin(), phases.end());
    phases.erase(std::unique(phases.begin(), phases.end()), phases.end());
    for (int64_t k = 0; k < axis.kernel; ++k) {
      auto found = std::lower_bound(phases.begin(), phases.end(), k * axis.dilation % axis.stride);
      tap_phase.push_back(found - phases.begin());
      tap_place.push_back(k * axis.dilation / axis.stride);
    }
  }
  int64_t places() const { return end - begin; }
  int64_t source_phases() const { return adjoint ? 1 : int64_t(phases.size()); }
  int64_t target_phases() const { return adjoint ? int64_t(phases.size()) : 1; }
  int64_t source_size() const { return adjoint ? axis.coarse : axis.fine; }
  int64_t target_size() const { return adjoint ? axis.fine : axis.coarse; }
  int64_t source_step() const { return adjoint ? 1 : axis.stride; }
  int64_t target_step() const { return adjoint ? axis.stride : 1; }
  // The source position at the first place of a block, and the target's.
  int64_t source(int64_t place, int64_t phase) const {
    return adjoint ? place - reach : axis.start(place) + phases[phase];
  }
  int64_t target(int64_t place, int64_t phase) const {
    return adjoint ? axis.start(place) + phases[phase] : place;
  }
};

// Tells beforehand what is too large for a buffer; native.py declines it.
inline void check_room(const Windows& windows) {
  constexpr int64_t room = 1 << 15;
  double needed = double(windows.axis[0].kernel);
  for (int a : {1, 2}) {
    const Axis& axis = windows.axis[a];
    double reach = double((axis.kernel - 1) * axis.dilation / axis.stride);
    needed *= double(std::min(axis.kernel, axis.stride)) * (reach + (a == 2 ? 16 : 1));
  }
  STD_TORCH_CHECK(needed <= room, "the window is too large for this kernel");
}

struct Blocks {
  Split rows, columns;
  int64_t pitch, phase, slot;  // cells of a row, of a phase, of a depth in the source buffer

  Blocks(const Job& job, int64_t width)
      : rows(job.windows.axis[1], job.adjoint), columns(job.windows.axis[2], job.adjoint) {
    constexpr int64_t aim = 1 << 13;  // elements that a first cache holds
    int64_t depths = job.windows.axis[0].kernel;
    int64_t phases = rows.source_phases() * columns.source_phases();
    columns.chunk = std::clamp(columns.places(), int64_t(1), int64_t(512));
    int64_t written = rows.target_phases() * columns.target_phases();
    auto size = [&] {
      return std::max(depths * phases * (rows.chunk + rows.reach), written * rows.chunk) *
             (columns.chunk + columns.reach);
    };
    while (columns.chunk > width && size() > aim) columns.chunk = (columns.chunk + 1) / 2;
    while (rows.chunk < rows.places() && 2 * size() <= aim) rows.chunk *= 2;
    rows.chunk = std::min(rows.chunk, std::max(rows.places(), int64_t(1)));
    pitch = columns.chunk + columns.reach;
    phase = (rows.chunk + rows.reach) * pitch;
    slot = phases * phase;
  }
  int64_t count() const { return parts(rows) * parts(columns); }
  static int64_t parts(const Split& split) {
    return (split.places() + split.chunk - 1) / split.chunk;
  }
};

// The part of a plane that is computed at once, and what belongs to it.
template <class A>
struct Block {
  int64_t n, c, d;
  int64_t row, column, row_count, column_count;  // places
  int64_t pitch;
  double divisor;               // of the target's first axis
  const A* divisors;            // of the target's other axes, cell by cell; or null
  const Lane<A>* first;         // first taps, cell by cell; or null
  int64_t first_depth;          // the first tap along the first axis
  void* out;                    // the target's first cell
  uint8_t* taps_out;
};

// Everything a thread needs; what depends on the block's place alone is found once for all planes.
template <class S>
struct PlaneBuffer {
  using A = Compute<S>;
  const Job& job;
  const Blocks& blocks;
  A padding;
  std::unique_ptr<A[]> values, source_divisors, target_divisors, phases;
  std::unique_ptr<Lane<A>[]> first;
  std::unique_ptr<S[]> out;
  std::unique_ptr<uint8_t[]> taps_out;
  Block<A> block{};
  std::vector<std::pair<int64_t, int64_t>> columns_inside;  // of a source phase, in the source
  int64_t target_phase;  // cells of a target phase
  bool in_place;         // the target's rows have the buffer's pitch

  PlaneBuffer(const Job& job, const Blocks& blocks, A padding)
      : job(job), blocks(blocks), padding(padding) {
    const Split &rows = blocks.rows, &columns = blocks.columns;
    int64_t spare = 2 * lanes<A>;  // vectors are read as a whole
    int64_t sources = job.windows.axis[0].kernel * blocks.slot + spare;
    target_phase = rows.chunk * blocks.pitch + spare;
    int64_t targets = rows.target_phases() * columns.target_phases() * target_phase;
    in_place = !job.adjoint && columns.reach == 0 && columns.chunk == columns.places();
    values.reset(new A[sources]());
    if (job.divides_sources()) source_divisors.reset(new A[blocks.slot + spare]());
    if (job.divides_targets()) target_divisors.reset(new A[targets]());
    if (job.taps_out) first.reset(new Lane<A>[target_phase]());
    if (job.adjoint) phases.reset(new A[targets]);
    else if (!in_place) out.reset(new S[target_phase]);
    if (job.taps_out && !in_place) taps_out.reset(new uint8_t[target_phase]);
    block.pitch = blocks.pitch;
  }

  void go_to(int64_t part) {
    const Split &rows = blocks.rows, &columns = blocks.columns;
    int64_t parts = Blocks::parts(columns);
    block.row = rows.begin + part / parts * rows.chunk;
    block.column = columns.begin + part % parts * columns.chunk;
    block.row_count = std::min(rows.chunk, rows.end - block.row);
    block.column_count = std::min(columns.chunk, columns.end - block.column);
    find_inside();
    fill_outside();
    if (source_divisors)
      each_source_row([&](int64_t at, int64_t h) {
        each_source_phase(at, [&](int64_t to, int64_t w, int64_t step) {
          for (int64_t j = 0; j < width(); ++j, w += step)
            source_divisors[to + j] = inside(h, rows.source_size()) &&
                                              inside(w, columns.source_size())
                                          ? divisor(h, w) : 1;
        });
      });
    if (target_divisors)
      each_target_phase([&](int64_t at, int64_t p, int64_t q) {
        for (int64_t r = 0; r < block.row_count; ++r)
          for (int64_t j = 0; j < block.column_count; ++j) {
            int64_t h = rows.target(block.row + r, p), w = columns.target(block.column + j, q);
            target_divisors[at + r * blocks.pitch + j] =
                inside(h, rows.target_size()) && inside(w, columns.target_size()) ? divisor(h, w)
                                                                                  : 1;
          }
      });
    if (first)
      for (int64_t r = 0; r < block.row_count; ++r)
        for (int64_t j = 0; j < block.column_count; ++j) {
          int64_t h = rows.axis.taps(block.row + r, 0, rows.axis.fine).first;
          int64_t w = columns.axis.taps(block.column + j, 0, columns.axis.fine).first;
          first[r * blocks.pitch + j] = Lane<A>(h * columns.axis.kernel + w);
        }
    block.first = first.get();
  }

  void find_inside() {
    columns_inside.clear();
    each_source_phase(0, [&](int64_t, int64_t w, int64_t step) {
      int64_t begin = std::clamp(ceil_divide(-w, step), int64_t(0), width());
      int64_t end = std::clamp(ceil_divide(blocks.columns.source_size() - w, step), begin, width());
      columns_inside.emplace_back(begin, end);
    });
  }

  // What lies beside the source is the same for all depths and planes: it is written once.
  void fill_outside() {
    for (int64_t slot = 0; slot < job.windows.axis[0].kernel; ++slot)
      each_source_row([&](int64_t at, int64_t h) {
        const bool row_inside = inside(h, blocks.rows.source_size());
        auto phase = columns_inside.begin();
        each_source_phase(slot * blocks.slot + at, [&](int64_t to, int64_t, int64_t) {
          const auto [begin, end] = row_inside ? *phase++ : std::pair(width(), width());
          std::fill_n(values.get() + to, begin, padding);
          std::fill_n(values.get() + to + end, width() - end, padding);
        });
      });
  }

  // The source rows at position d of the first axis, to the buffer's given depth.
  void fetch(int64_t index, int64_t d) {
    const View& source = job.source;
    const S* plane = source.at<S>(block.n, block.c) + d * source.stride[0];
    const Split& columns = blocks.columns;
    double by = source_divisors ? job.divisor.along(job.windows, 0, d) : 1;
    int64_t size = columns.source_size(), step = columns.source_step(), pitch = source.stride[2];
    each_source_row([&](int64_t at, int64_t h) {
      if (!inside(h, blocks.rows.source_size())) return;
      const S* row = plane + h * source.stride[1];
      A* rows = values.get() + index * blocks.slot;
      if (!job.adjoint && step == 2 && columns.phases.size() == 2 && pitch == 1) {
        A* even = rows + at;
        split_row(even, even + blocks.phase, row, columns.source(block.column, 0), size, width(),
                  padding);
      } else {
        auto phase = columns_inside.begin();
        each_source_phase(at, [&](int64_t to, int64_t w, int64_t) {
          const auto [begin, end] = *phase++;
          if (begin == end) return;
          copy_strided(rows + to + begin, row + (w + begin * step) * pitch, step * pitch,
                       end - begin);
        });
      }
      if (source_divisors)
        each_source_phase(at, [&](int64_t to, int64_t, int64_t) {
          A* put = rows + to;
          const A* divisors = source_divisors.get() + to;
          for (int64_t j = 0; j < width(); j += lanes<A>)
            store(put + j, load(put + j) / (load(divisors + j) * splat(A(by))), width() - j);
        });
    });
  }

  // Calls `visit(at, h)`: where the source row h goes, for all rows that the block needs.
  template <class Visit>
  void each_source_row(const Visit& visit) const {
    const Split& rows = blocks.rows;
    for (int64_t r = 0; r < block.row_count + rows.reach; ++r)
      for (int64_t p = 0; p < rows.source_phases(); ++p)
        visit(p * blocks.columns.source_phases() * blocks.phase + r * blocks.pitch,
              rows.source(block.row, p) + r * rows.source_step());
  }
  template <class Visit>
  void each_source_phase(int64_t at, const Visit& visit) const {
    const Split& columns = blocks.columns;
    for (int64_t q = 0; q < columns.source_phases(); ++q)
      visit(at + q * blocks.phase, columns.source(block.column, q), columns.source_step());
  }
  template <class Visit>
  void each_target_phase(const Visit& visit) const {
    int64_t many = blocks.columns.target_phases();
    for (int64_t p = 0; p < blocks.rows.target_phases(); ++p)
      for (int64_t q = 0; q < many; ++q) visit((p * many + q) * target_phase, p, q);
  }

  int64_t width() const { return block.column_count + blocks.columns.reach; }
  // Cells from the first target cell of the block to its last.
  int64_t span() const { return (block.row_count - 1) * blocks.pitch + block.column_count; }
  static bool inside(int64_t at, int64_t size) { return 0 <= at && at < size; }
  A divisor(int64_t h, int64_t w) const {
    return A(job.divisor.along(job.windows, 1, h) * job.divisor.along(job.windows, 2, w));
  }

  // The taps of a phase of the target, in the order of the sources; `depths`: those of the buffer.
  void find_taps(const std::vector<Source>& depths, int64_t p, int64_t q, Taps<A>& taps) const {
    const Split &rows = blocks.rows, &columns = blocks.columns;
    int64_t kernel_h = rows.axis.kernel, kernel_w = columns.axis.kernel;
    taps.clear();
    for (size_t depth = 0; depth < depths.size(); ++depth)
      for (int64_t i = 0; i < kernel_h; ++i)
        for (int64_t j = 0; j < kernel_w; ++j) {
          int64_t h = job.adjoint ? kernel_h - 1 - i : i, w = job.adjoint ? kernel_w - 1 - j : j;
          int64_t at = int64_t(depth) * blocks.slot;
          if (job.adjoint) {
            if (rows.tap_phase[h] != p || columns.tap_phase[w] != q) continue;
            at += (rows.reach - rows.tap_place[h]) * blocks.pitch + columns.reach -
                  columns.tap_place[w];
          } else {
            at += (rows.tap_phase[h] * columns.source_phases() + columns.tap_phase[w]) *
                      blocks.phase +
                  rows.tap_place[h] * blocks.pitch + columns.tap_place[w];
          }
          const int64_t number = (depths[depth].tap * kernel_h + h) * kernel_w + w;
          taps.push_back({at, at, int32_t(number), 1});
        }
  }

  template <class T>
  T* target_row(const View& view, int64_t h) const {
    return view.at<T>(block.n, block.c) + block.d * view.stride[0] + h * view.stride[1];
  }

  void write_forward() const {
    if (in_place) return;
    for (int64_t r = 0; r < block.row_count; ++r) {
      const S* from = out.get() + r * blocks.pitch;
      std::copy(from, from + block.column_count,
                target_row<S>(job.target, block.row + r) + block.column);
      if (!taps_out) continue;
      const uint8_t* taps = taps_out.get() + r * blocks.pitch;
      std::copy(taps, taps + block.column_count,
                target_row<uint8_t>(*job.taps_out, block.row + r) + block.column);
    }
  }

  void write_adjoint() const {
    const Split &rows = blocks.rows, &columns = blocks.columns;
    const Axis &height = rows.axis, &last = columns.axis;
    int64_t first = last.start(block.column), many = columns.target_phases();
    int64_t from = std::clamp(first, int64_t(0), last.fine);
    int64_t to = std::clamp(first + block.column_count * last.stride, from, last.fine);
    // Rows in the order of memory: each is next to the one before.
    for (int64_t r = 0; r < block.row_count; ++r) {
      auto next = rows.phases.begin();
      int64_t h = height.start(block.row + r);
      for (int64_t p = 0; p < height.stride; ++p, ++h) {
        const bool reached = next != rows.phases.end() && *next == p;
        const int64_t index = next - rows.phases.begin();
        if (reached) ++next;
        if (!inside(h, height.fine)) continue;
        S* row = target_row<S>(job.target, h);
        if (!reached || many < last.stride) std::fill(row + from, row + to, S{});
        if (!reached) continue;
        const A* phase = phases.get() + index * many * target_phase + r * blocks.pitch;
        if (last.stride == 2 && many == 2)
          write_two_phases(row, last.fine, first, block.column_count, phase, phase + target_phase);
        else
          for (int64_t q = 0; q < many; ++q)
            write_phase(row, last.fine, first + columns.phases[q], last.stride, block.column_count,
                        phase + q * target_phase);
      }
    }
  }
};

// `make(cells)` gives every thread its own `operation(block)`, for blocks of at most so many cells.
template <class S, class Make>
void planes(const Job& job, Compute<S> padding, const Make& make) {
  using A = Compute<S>;
  check_room(job.windows);
  if (job.source.elements() == 0) return;
  const Blocks blocks(job, lanes<A>);
  const Axis& first_axis = job.windows.axis[0];
  int64_t depth = job.adjoint ? first_axis.fine : first_axis.coarse;
  int64_t slices = job.source.batch * job.source.channels * depth;
  int64_t cost = blocks.rows.chunk * blocks.columns.chunk * 4;
  parallel(slices * blocks.count(), [&](int64_t begin, int64_t end) {
    PlaneBuffer<S> buffer(job, blocks, padding);
    auto operation = make(buffer.target_phase);
    Block<A>& block = buffer.block;
    std::vector<Source> depths;
    Taps<A> taps;
    int64_t known = -1;
    for (int64_t task = begin; task < end; ++task) {
      int64_t part = task / slices, slice = task % slices;
      if (part != known) buffer.go_to(known = part);
      block.d = slice % depth, slice /= depth;
      block.c = slice % job.source.channels, block.n = slice / job.source.channels;
      first_axis.sources(job.adjoint, block.d, depths);
      for (size_t index = 0; index < depths.size(); ++index)
        buffer.fetch(int64_t(index), depths[index].at);
      block.divisor = job.divides_targets() ? job.divisor.along(job.windows, 0, block.d) : 1;
      block.first_depth = depths.empty() ? 0 : depths.front().tap;
      buffer.each_target_phase([&](int64_t at, int64_t p, int64_t q) {
        buffer.find_taps(depths, p, q, taps);
        block.divisors = buffer.target_divisors ? buffer.target_divisors.get() + at : nullptr;
        if (job.adjoint) block.out = buffer.phases.get() + at;
        else block.out = buffer.in_place ? buffer.template target_row<S>(job.target, block.row)
                                         : buffer.out.get();
        if (job.taps_out)
          block.taps_out = buffer.in_place
                               ? buffer.template target_row<uint8_t>(*job.taps_out, block.row)
                               : buffer.taps_out.get();
        reduce<true>(operation(block), buffer.values.get(), taps, buffer.span());
      });
      if (job.adjoint) buffer.write_adjoint();
      else buffer.write_forward();
    }
  }, cost);
}

}  // namespace
}  // namespace juanji
