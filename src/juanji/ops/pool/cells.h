// Channels innermost: vectors lie along the channels, and a cell's sources are read in place.
#pragma once

#include "job.h"
#include "walk.h"

namespace juanji {
namespace {

// A target cell in some planes, which lie side by side, and where its sources' offsets start.
template <class T>
struct Cell {
  int64_t plane, count;  // the first plane, n * C + c, and how many
  int64_t d, h, w;
  T* out;
  uint8_t* taps_out;
  const T* source;
  const uint8_t* numbers;  // recorded taps of the sources
  const Taps<Compute<T>>& taps;
  const Division<Compute<T>>& by;  // the divisor

  int64_t first_tap() const { return taps.empty() ? 0 : taps.front().number; }
};

// The sources of cells. Many cells have the same but for a shift, and share a list.
template <class A>
class CellSources {
 public:
  struct Row {
    int64_t d, h;
    size_t pattern;
    int64_t source_at, number_at;  // of the first source row
  };
  struct Column {
    int64_t w;
    size_t pattern;
    int64_t source_at, number_at;  // from the row to the first source
  };
  std::vector<Column> columns;

  explicit CellSources(const Job& job) : job(job) {}

  void find_columns(int64_t begin, int64_t count) {
    columns.clear(), column_patterns.clear();
    forget_rows();
    const Axis& last = job.windows.axis[2];
    ColumnPattern one;
    for (int64_t w = begin; w < begin + count; ++w) {
      last.sources(job.adjoint, w, one.sources);
      if (!numbered)
        for (Source& s : one.sources) s.tap = 0;  // so that more are alike
      one.divisors.clear();
      for (const Source& s : one.sources)
        one.divisors.push_back(job.divides_sources() ? job.divisor.along(job.windows, 2, s.at) : 1);
      one.own = job.divides_targets() ? job.divisor.along(job.windows, 2, w) : 1;
      const int64_t first = one.sources.empty() ? 0 : one.sources[0].at;
      for (Source& s : one.sources) s.at -= first;
      columns.push_back({w, number_of(column_patterns, one), first * job.source.stride[2],
                         job.numbers ? first * job.numbers->stride[2] : 0});
    }
  }

  Row find_row(int64_t d, int64_t h) {
    row_sources(job, d, h, found, one_row.rows);
    if (!numbered)
      for (RowSource& row : one_row.rows) row.number = 0;
    one_row.own = row_divisor(job, d, h);
    const RowSource first = one_row.rows.empty() ? RowSource{} : one_row.rows[0];
    for (RowSource& row : one_row.rows) row.d -= first.d, row.h -= first.h;
    const size_t pattern = number_of(row_patterns, one_row);
    if (lists.size() < row_patterns.size() * column_patterns.size()) {
      lists.resize(row_patterns.size() * column_patterns.size());
      kept += one_row.rows.size() + column_patterns.size();
    }
    return {d, h, pattern, offset(job.source, first), job.numbers ? offset(*job.numbers, first) : 0};
  }

  // Rows found before count no longer. To be called now and then: lists are kept.
  void forget_rows() {
    row_patterns.clear(), lists.clear();
    kept = 0;
  }
  bool too_many() const { return kept > 1 << 13; }

  // The taps' offsets are counted from a cell's first source on.
  struct List {
    Taps<A> taps;
    Division<A> by = 1;
    bool made = false;
  };
  const List& of(const Row& row, const Column& column) {
    List& list = lists[row.pattern * column_patterns.size() + column.pattern];
    if (list.made) return list;
    const ColumnPattern& along = column_patterns[column.pattern];
    const View& source = job.source;
    const std::vector<RowSource>& rows = row_patterns[row.pattern].rows;
    list.taps.reserve(rows.size() * along.sources.size());
    for (const RowSource& r : rows)
      for (size_t s = 0; s < along.sources.size(); ++s) {
        const Source& cell = along.sources[s];
        const int64_t number = r.number * job.windows.axis[2].kernel + cell.tap;
        list.taps.push_back(
            {offset(source, r) + cell.at * source.stride[2],
             job.numbers ? offset(*job.numbers, r) + cell.at * job.numbers->stride[2] : 0,
             int32_t(number), A(r.divisor * along.divisors[s])});
      }
    list.by = A(row_patterns[row.pattern].own * along.own);
    list.made = true;
    kept += list.taps.size();
    return list;
  }

 private:
  struct ColumnPattern {
    std::vector<Source> sources;   // `at` counted from the first one's
    std::vector<double> divisors;  // of the sources
    double own;                    // of the target

    bool operator==(const ColumnPattern&) const = default;
  };
  struct RowPattern {
    std::vector<RowSource> rows;  // `d` and `h` counted from the first one's
    double own;

    bool operator==(const RowPattern&) const = default;
  };

  const Job& job;
  const bool numbered = job.taps_out || job.numbers;  // taps are told apart
  std::vector<ColumnPattern> column_patterns;
  std::vector<RowPattern> row_patterns;
  std::vector<List> lists;     // of row patterns x column patterns
  size_t kept = 0;             // what all lists hold, about
  std::vector<Source> found[2];
  RowPattern one_row;

  template <class Pattern>
  static size_t number_of(std::vector<Pattern>& known, const Pattern& one) {
    for (size_t like = known.size(); like > 0; --like)
      if (known[like - 1] == one) return like - 1;
    known.push_back(one);
    return known.size() - 1;
  }
  static int64_t offset(const View& view, const RowSource& row) {
    return row.d * view.stride[0] + row.h * view.stride[1];
  }
};

// `make()` gives every thread its own `each(cell)`.
template <class S, class Make>
void cells(const Job& job, const Make& make) {
  // Columns of a task: their sources are known at once.
  double most = 1;  // sources of a cell
  for (const Axis& axis : job.windows.axis) {
    const double reach = double(axis.kernel - 1) * double(axis.dilation);
    most *= job.adjoint ? std::min(double(axis.kernel), reach / double(axis.stride) + 1)
                        : double(axis.kernel);
  }
  const View &source = job.source, &target = job.target;
  Triple size = job.windows.size(job.adjoint);
  const int64_t share = source.batch * size[0] * size[1] * size[2] / 8;  // so that threads have some
  const int64_t chunk = std::min(int64_t(std::clamp(8192 / most, 1.0, 256.0)),
                                 std::max(share, int64_t(16)));
  int64_t chunks = (size[2] + chunk - 1) / chunk;
  int64_t cost = source.channels * std::min(size[2], chunk) * (job.adjoint ? 1 : 4);
  each_row(chunks, source.batch, {size[0], size[1], 1}, cost, [&] {
    return [&, each = make(), sources = CellSources<Compute<S>>(job), known = int64_t(-1)](
               int64_t part, int64_t n, int64_t d, int64_t h) mutable {
      const int64_t first = part * chunk;
      if (part != known) sources.find_columns(first, std::min(chunk, size[2] - first));
      known = part;
      if (sources.too_many()) sources.forget_rows();
      const auto found = sources.find_row(d, h);
      const S* from = source.at<S>(n, 0) + found.source_at;
      const uint8_t* numbers =
          job.numbers ? job.numbers->template at<uint8_t>(n, 0) + found.number_at : nullptr;
      S* to = row_of<S>(target, n, 0, d, h);
      uint8_t* taps_out = job.taps_out ? row_of<uint8_t>(*job.taps_out, n, 0, d, h) : nullptr;
      for (const auto& column : sources.columns) {
        const auto& list = sources.of(found, column);
        each(Cell<S>{n * source.channels, source.channels, d, h, column.w,
                     to + column.w * target.stride[2],
                     taps_out ? taps_out + column.w * job.taps_out->stride[2] : nullptr,
                     from + column.source_at, numbers ? numbers + column.number_at : nullptr,
                     list.taps, list.by});
      }
    };
  });
}

}  // namespace
}  // namespace juanji
