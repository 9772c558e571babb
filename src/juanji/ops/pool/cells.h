// Channels innermost: vectors lie along the channels, and a cell's sources are read in place.
#pragma once

#include "job.h"

namespace juanji {
namespace {

struct Place {
  int64_t n, d, h, w;
  double divisor;               // of the target
  int64_t source_at, number_at;  // to what the taps' offsets are added
};

template <class T>
inline T* place_in(const View& view, const Place& place) {
  return view.at<T>(place.n, 0) + place.d * view.stride[0] + place.h * view.stride[1] +
         place.w * view.stride[2];
}

// The columns of a chunk. Many have the same sources but for a shift: they share a pattern.
template <class A>
struct Columns {
  struct Pattern {
    std::vector<Source> sources;   // `at` counted from the first one's
    std::vector<double> divisors;  // of the sources
    double own;                    // of the column

    bool operator==(const Pattern& other) const {
      return sources == other.sources && divisors == other.divisors && own == other.own;
    }
  };
  std::vector<Pattern> patterns;
  std::vector<Taps<A>> taps;     // of a pattern, for
  std::vector<int64_t> made;     // this row of the target
  std::vector<size_t> pattern;   // of a column
  std::vector<int64_t> first;    // where a column's first source is

  void find(const Job& job, int64_t begin, int64_t count) {
    const Axis& last = job.windows.axis[2];
    patterns.clear(), pattern.clear(), first.clear();
    Pattern one;
    for (int64_t w = begin; w < begin + count; ++w) {
      last.sources(job.adjoint, w, one.sources);
      one.divisors.clear();
      for (const Source& s : one.sources)
        one.divisors.push_back(job.divides_sources() ? job.divisor.along(job.windows, 2, s.at) : 1);
      one.own = job.divides_targets() ? job.divisor.along(job.windows, 2, w) : 1;
      first.push_back(one.sources.empty() ? 0 : one.sources[0].at);
      for (Source& s : one.sources) s.at -= first.back();
      size_t like = patterns.size();
      while (like > 0 && !(patterns[like - 1] == one)) --like;
      pattern.push_back(like > 0 ? like - 1 : patterns.size());
      if (like == 0) patterns.push_back(one);
    }
    taps.resize(std::max(taps.size(), patterns.size()));
    made.assign(patterns.size(), -1);
  }

  const Taps<A>& of(size_t index, const Job& job, const std::vector<RowSource>& rows, int64_t row) {
    Taps<A>& found = taps[index];
    if (made[index] == row) return found;
    made[index] = row;
    const Pattern& columns = patterns[index];
    const View& source = job.source;
    found.clear(int64_t(rows.size() * columns.sources.size()));
    for (const RowSource& r : rows) {
      int64_t at = r.d * source.stride[0] + r.h * source.stride[1], number_at = 0;
      if (job.numbers) number_at = r.d * job.numbers->stride[0] + r.h * job.numbers->stride[1];
      for (size_t s = 0; s < columns.sources.size(); ++s) {
        const Source& column = columns.sources[s];
        found.add(at + column.at * source.stride[2],
                  job.numbers ? number_at + column.at * job.numbers->stride[2] : 0,
                  r.number * job.windows.axis[2].kernel + column.tap,
                  A(r.divisor * columns.divisors[s]));
      }
    }
    return found;
  }
};

// `make()` gives every thread its own `each(place, taps)`.
template <class A, class Make>
void cells(const Job& job, const Make& make) {
  constexpr int64_t chunk = 256;
  const View& source = job.source;
  Triple size = job.windows.size(job.adjoint);
  int64_t chunks = (size[2] + chunk - 1) / chunk;
  int64_t cost = source.channels * std::min(size[2], chunk) * (job.adjoint ? 1 : 4);
  parallel(source.batch * size[0] * size[1] * chunks, [&](int64_t begin, int64_t end) {
    auto each = make();
    std::vector<Source> found[2];
    std::vector<RowSource> rows;
    Columns<A> columns;
    int64_t known = -1;  // the chunk whose columns are known
    for (int64_t task = begin; task < end; ++task) {
      int64_t row = task, h = row % size[1];
      row /= size[1];
      int64_t d = row % size[0];
      row /= size[0];
      int64_t n = row % source.batch, part = row / source.batch;
      int64_t w0 = part * chunk, count = std::min(chunk, size[2] - w0);
      if (part != known) columns.find(job, w0, count);
      known = part;
      row_sources(job, d, h, found, rows);
      double by = row_divisor(job, d, h);
      for (int64_t w = 0; w < count; ++w) {
        size_t index = columns.pattern[size_t(w)];
        int64_t first = columns.first[size_t(w)];
        const Taps<A>& taps = columns.of(index, job, rows, task);
        each(Place{n, d, h, w0 + w, by * columns.patterns[index].own, first * source.stride[2],
                   job.numbers ? first * job.numbers->stride[2] : 0},
             taps);
      }
    }
  }, cost);
}

}  // namespace
}  // namespace juanji
