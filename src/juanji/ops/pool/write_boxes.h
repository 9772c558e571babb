// Fine cells of boxes written from coarse ones.
#pragma once

#include "boxes.h"
#include "rows.h"
#include "walk.h"

namespace juanji {
namespace {

// `make()` gives every thread its own `op`: `op.go_to(n, c, d, h)` is told of a coarse row, and
// false gives up; `at = op.begin(w, c, count)` reads a vector of it, of which `op.cell(at, i, j)`
// gives what goes to the cells at (i, j) in their boxes, i counting the rows of a box; `op.end(at)`
// follows. If it `spreads`, the same value goes to all, which need not lie in pairs. The target is
// dense, and zero where no box is.
template <class S, class Make>
void write_boxes(const Boxes& boxes, const View& target, bool innermost, bool pairs,
                 const Make& make) {
  using A = Compute<S>;
  constexpr int width = lanes<A>;
  constexpr bool spreads = decltype(make())::spreads;
  if (target.elements() == 0) return;
  const Triple coarse = boxes.coarse, fine = boxes.fine, box = boxes.box;
  const int64_t rows = boxes.rows(), channels = innermost ? target.channels : 1;
  const int64_t covered = coarse[2] * box[2] * channels, whole = fine[2] * channels;
  std::vector<int64_t> offset(rows);
  for (int64_t i = 0; i < rows; ++i) offset[i] = boxes.row_offset(target, i);

  auto zero_rows = [target, whole](S* plane, int64_t d, int64_t h0, int64_t h1) {
    for (int64_t h = h0; h < h1; ++h) {
      S* row = plane + d * target.stride[0] + h * target.stride[1];
      std::fill(row, row + whole, S{});
    }
  };
  const int64_t chunk = box_chunk(innermost || pairs ? channels : box[2]);
  const int64_t cost = (boxes.taps() + 1) * std::min(chunk, coarse[2]) * channels;
  each_part(target.batch, target.channels / channels, coarse, chunk, cost, [&] {
    // all copied: threads share no line of memory that one of them may write beside
    return [=, op = make()](int64_t n, int64_t c, int64_t d, int64_t h, int64_t w0,
                            int64_t many) mutable {
      S* plane = target.at<S>(n, c);
      S* to = plane + boxes.offset(target, d, h, w0);
      if (!op.go_to(n, c, d, h)) return;
      if (innermost) {
        if constexpr (spreads)  // in the order of memory
          for (int64_t i = 0; i < rows; ++i) {
            S* cell = to + offset[i];
            for (int64_t w = w0; w < w0 + many; ++w)
              for (int64_t j = 0; j < box[2]; ++j, cell += channels)
                each_vector<width>(channels, [&](int64_t k, int64_t count) {
                  store(cell + k, op.cell(op.begin(w, k, count), i, j), count);
                });
          }
        else
          for (int64_t w = w0; w < w0 + many; ++w, to += box[2] * channels)
            each_vector<width>(channels, [&](int64_t k, int64_t count) {
              auto at = op.begin(w, k, count);
              for (int64_t i = 0; i < rows; ++i)
                for (int64_t j = 0; j < box[2]; ++j)
                  store(to + offset[i] + j * channels + k, op.cell(at, i, j), count);
              op.end(at);
            });
      } else if (spreads && !pairs) {
        if constexpr (spreads) {  // one row of the boxes, then copies of it
          S *cell = to, *end = to + many * box[2];
          for (int64_t w = 0; w < many; ++w) {
            const auto value = op.value(w0 + w);
            S* next = cell + box[2];  // beyond it, the next boxes follow
            for (; cell < next && cell + width <= end; cell += width) store(cell, splat(value));
            std::fill(std::min(cell, next), next, narrow<S>(value));
            cell = next;
          }
          for (int64_t i = 1; i < rows; ++i) std::copy(to, end, to + offset[i]);
        }
      } else {
        each_vector<width>(many, [&](int64_t w, int64_t count) {
          auto at = op.begin(w0 + w, 0, count);
          for (int64_t i = 0; i < rows; ++i) {
            auto first = op.cell(at, i, 0), second = op.cell(at, i, 1);
            store_pairs(to + offset[i] + 2 * w, first, second, count);
          }
          op.end(at);
        });
      }
      if (w0 + many < coarse[2]) return;
      if (covered < whole)
        for (int64_t i = 0; i < rows; ++i) {
          S* row = plane + boxes.offset(target, d, h) + offset[i];
          std::fill(row + covered, row + whole, S{});
        }
      if (h == coarse[1] - 1 && coarse[1] * box[1] < fine[1])
        for (int64_t z = d * box[0]; z < (d + 1) * box[0]; ++z)
          zero_rows(plane, z, coarse[1] * box[1], fine[1]);
      if (h == coarse[1] - 1 && d == coarse[0] - 1)
        for (int64_t z = coarse[0] * box[0]; z < fine[0]; ++z) zero_rows(plane, z, 0, fine[1]);
    };
  });
}

// A value for all cells of its box.
template <class S>
struct Spread {
  using A = Compute<S>;
  static constexpr bool spreads = true;
  View source;
  Division<A> by;
  const S* row = nullptr;

  bool go_to(int64_t n, int64_t c, int64_t d, int64_t h) {
    row = row_of<S>(source, n, c, d, h);
    return true;
  }
  Vector<A> begin(int64_t w, int64_t c, int64_t count) const {
    return by(load(row + w * source.stride[2] + c, count));
  }
  Vector<A> cell(Vector<A> value, int64_t, int64_t) const { return value; }
  A value(int64_t w) const { return by(widen(row[w * source.stride[2]])); }
  void end(Vector<A>) const {}
};

// A value for the cell of its recorded tap.
template <class S>
struct AtTap {
  using A = Compute<S>;
  static constexpr bool spreads = false;
  View source, taps;
  int64_t wide;  // of a box
  const S* row = nullptr;
  const uint8_t* tap_row = nullptr;
  struct At {
    Vector<A> value;
    Mask<A> tap;
  };

  bool go_to(int64_t n, int64_t c, int64_t d, int64_t h) {
    row = row_of<S>(source, n, c, d, h);
    tap_row = row_of<uint8_t>(taps, n, c, d, h);
    return true;
  }
  At begin(int64_t w, int64_t c, int64_t count) const {
    return {load(row + w * source.stride[2] + c, count),
            load_bytes<A>(tap_row + w * taps.stride[2] + c, count)};
  }
  Vector<A> cell(const At& at, int64_t i, int64_t j) const {
    return keep<A>(at.tap == splat_integer<A>(i * wide + j), at.value);
  }
  void end(const At&) const {}
};

}  // namespace
}  // namespace juanji
