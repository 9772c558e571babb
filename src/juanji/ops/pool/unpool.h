// Reading and writing single cells, at recorded taps and at flat indices.
#pragma once

#include <atomic>
#include <memory>

#include "unpool_boxes.h"

namespace juanji {
namespace {

// Calls `each(n, c, d, h, w)` for all cells, in the order in which they lie in memory.
template <class Each>
void each_cell(const View& view, const Each& each) {
  bool innermost = view.channel_stride == 1 && view.channels > 1;
  int64_t planes = innermost ? 1 : view.channels, channels = innermost ? view.channels : 1;
  int64_t rows = view.batch * planes * view.size[0] * view.size[1];
  const int64_t row = std::max(view.size[2] * channels, int64_t(1));
  int64_t together = std::max(4096 / row, int64_t(1));
  parallel((rows + together - 1) / together, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * together; row < std::min(end * together, rows); ++row) {
      int64_t h = row % view.size[1], d = row / view.size[1] % view.size[0];
      int64_t plane = row / view.size[1] / view.size[0];
      for (int64_t w = 0; w < view.size[2]; ++w)
        for (int64_t c = 0; c < channels; ++c)
          each(plane / planes, plane % planes + c, d, h, w);
    }
  });
}

inline int64_t offset(const View& view, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w) {
  return n * view.batch_stride + c * view.channel_stride + d * view.stride[0] +
         h * view.stride[1] + w * view.stride[2];
}

// The distances of all taps from their window's start; of what is no tap, none.
inline std::vector<Triple> tap_steps(const Windows& windows) {
  std::vector<Triple> steps(256, {0, 0, 0});
  for (int64_t tap = 0; tap < windows.taps(); ++tap) steps[tap] = windows.step(tap);
  return steps;
}

// False if a tap leads out of the input; nothing is read there.
template <class S>
bool take(const Windows& windows, const View& source, const View& taps, const View& out) {
  std::vector<Triple> steps = tap_steps(windows);
  std::atomic<bool> inside = true;
  each_cell(out, [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t w) {
    uint8_t tap = static_cast<const uint8_t*>(taps.data)[offset(taps, n, c, d, h, w)];
    Triple cell{d, h, w};
    bool in = true;
    for (int a = 0; a < 3; ++a) {
      cell[a] = windows.axis[a].start(cell[a]) + steps[tap][a];
      in &= 0 <= cell[a] && cell[a] < source.size[a];
    }
    S value{};
    if (in)
      value = static_cast<const S*>(source.data)[offset(source, n, c, cell[0], cell[1], cell[2])];
    else
      inside = false;
    static_cast<S*>(out.data)[offset(out, n, c, d, h, w)] = value;
  });
  return inside;
}

inline void find_indices(const Windows& windows, const View& taps, const View& out) {
  const auto& axis = windows.axis;
  std::vector<Triple> steps = tap_steps(windows);
  std::array<int64_t, 256> flat;
  for (int tap = 0; tap < 256; ++tap)
    flat[tap] = (steps[tap][0] * axis[1].fine + steps[tap][1]) * axis[2].fine + steps[tap][2];
  each_cell(out, [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t w) {
    int64_t start = (axis[0].start(d) * axis[1].fine + axis[1].start(h)) * axis[2].fine +
                    axis[2].start(w);
    uint8_t tap = static_cast<const uint8_t*>(taps.data)[offset(taps, n, c, d, h, w)];
    static_cast<int64_t*>(out.data)[offset(out, n, c, d, h, w)] = start + flat[tap];
  });
}

inline void check_indices(const Tensor& input, const Tensor& indices) {
  STD_TORCH_CHECK(indices.scalar_type() == ScalarType::Long && indices.is_cpu() &&
                      indices.dim() == input.dim(),
                  "indices must be int64 on the CPU, of the shape of input");
  for (int64_t axis = 0; axis < input.dim(); ++axis)
    STD_TORCH_CHECK(indices.size(axis) == input.size(axis), "indices must have the shape of input");
}

// The planes of one task: one, or as many channels as lie side by side in a cell. Where it is one,
// the compiler knows.
inline constexpr int64_t group = 32;

template <class Work>
void each_group(const View& view, bool innermost, const Work& work) {
  int64_t step = innermost ? group : 1, groups = (view.channels + step - 1) / step;
  parallel(view.batch * groups, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / groups, c = task % groups * step;
      if (innermost) work(n, c, std::min(step, view.channels - c));
      else work(n, c, std::integral_constant<int64_t, 1>{});
    }
  });
}

// Writes each value to the cell of its index; of several, the last in C order stays. False if an
// index is none; nothing is written for it.
template <class S>
bool write_indices(const View& source, const View& where, const View& out, bool innermost) {
  if (write_own<S>(source, where, out, innermost)) return true;
  int64_t cells = out.cells();
  std::atomic<bool> inside = true;
  each_group(out, innermost, [&](int64_t n, int64_t c, auto channels) {
    S* to = out.at<S>(n, c);
    if (!innermost) std::fill(to, to + cells, S{});
    else
      for (int64_t cell = 0; cell < cells; ++cell)
        std::fill(to + cell * out.channels, to + cell * out.channels + channels, S{});
    const int64_t step = innermost ? out.channels : 1, many = cells;
    const int64_t value_step = source.channel_stride, index_step = where.channel_stride;
    const S* from = source.at<S>(n, c);
    const int64_t* index = where.at<int64_t>(n, c);
    bool good = true;
    for (int64_t d = 0; d < source.size[0]; ++d)
      for (int64_t h = 0; h < source.size[1]; ++h)
        for (int64_t w = 0; w < source.size[2]; ++w) {
          const S* value = from + d * source.stride[0] + h * source.stride[1] + w * source.stride[2];
          const int64_t* at = index + d * where.stride[0] + h * where.stride[1] + w * where.stride[2];
          for (int64_t k = 0; k < int64_t(channels); ++k) {
            int64_t cell = at[k * index_step];
            if (uint64_t(cell) < uint64_t(many))
              to[cell * step + k] = value[k * value_step];
            else
              good = false;
          }
        }
    if (!good) inside = false;
  });
  return inside;
}

// Whether the cells of a plane lie side by side.
inline bool side_by_side(const View& view) {
  const Triple &size = view.size, &stride = view.stride;
  return (size[2] == 1 || stride[2] == 1) && (size[1] == 1 || stride[1] == size[2]) &&
         (size[0] == 1 || stride[0] == size[1] * size[2]);
}

// The adjoint for one such plane; `last` has room for its cells. False if an index is none.
template <class S>
inline bool read_plane(const S* from, int64_t cells, const int64_t* where, S* __restrict to,
                       int64_t count, int64_t* __restrict last) {
  for (int64_t output = 0; output < count; ++output) {
    if (uint64_t(where[output]) >= uint64_t(cells)) return false;
    last[where[output]] = output;
  }
  for (int64_t output = 0; output < count; ++output) {
    const int64_t cell = where[output];
    to[output] = last[cell] == output ? from[cell] : S{};
  }
  return true;
}

// The adjoint: each value is read from the cell of its index if it was the last for it, else it is
// zero. Who was the last is written down first, for as many cells at a time as a cache holds.
template <class S>
bool read_indices(const View& source, const View& where, const View& out, bool innermost) {
  if (read_own<S>(source, where, out, innermost)) return true;
  constexpr int64_t most = 1 << 16;  // cells at a time
  int64_t cells = source.cells();
  std::atomic<bool> inside = true;
  if (!innermost && cells <= most && side_by_side(source) && side_by_side(where)) {
    parallel(out.batch * out.channels, [&](int64_t begin, int64_t end) {
      std::unique_ptr<int64_t[]> last(new int64_t[size_t(cells)]);
      for (int64_t plane = begin; plane < end && inside; ++plane) {
        const int64_t n = plane / out.channels, c = plane % out.channels;
        if (!read_plane(source.at<S>(n, c), cells, where.at<int64_t>(n, c), out.at<S>(n, c),
                        out.cells(), last.get()))
          inside = false;
      }
    }, 4 * out.cells());
    return inside;
  }
  const Triple &size = source.size, &stride = source.stride;
  bool dense = (size[1] == 1 || stride[1] == size[2] * stride[2]) &&
               (size[0] == 1 || stride[0] == size[1] * size[2] * stride[2]);
  auto place = [dense, source](int64_t cell) {
    if (dense) return cell * source.stride[2];
    int64_t row = cell / source.size[2];
    return cell % source.size[2] * source.stride[2] + row % source.size[1] * source.stride[1] +
           row / source.size[1] * source.stride[0];
  };
  each_group(out, innermost, [&](int64_t n, int64_t c, auto channels) {
    const int64_t round = most / channels;
    std::unique_ptr<int64_t[]> buffer(new int64_t[size_t(std::min(cells, round) * channels)]);
    int64_t* const last = buffer.get();
    const S* const from = source.at<S>(n, c);
    bool good = true;
    for (int64_t first = 0; first == 0 || first < cells; first += round) {
      // `visit(cell, k, output, put)` for all indices of this round, in C order of the outputs
      auto each = [&, first, cells](auto visit) {
        const int64_t step = where.stride[2], channel_step = where.channel_stride;
        const int64_t put_step = out.stride[2], put_channel = out.channel_stride;
        const int64_t width = out.size[2];
        int64_t output = 0;
        bool all = true;
        for (int64_t d = 0; d < out.size[0]; ++d)
          for (int64_t h = 0; h < out.size[1]; ++h) {
            const int64_t* at = where.at<int64_t>(n, c) + d * where.stride[0] + h * where.stride[1];
            S* put = out.at<S>(n, c) + d * out.stride[0] + h * out.stride[1];
            for (int64_t w = 0; w < width; ++w, ++output)
              for (int64_t k = 0; k < int64_t(channels); ++k) {
                const int64_t cell = at[w * step + k * channel_step];
                all &= uint64_t(cell) < uint64_t(cells);
                if (uint64_t(cell - first) < uint64_t(std::min(round, cells - first)))
                  visit(cell, k, output, put + w * put_step + k * put_channel);
              }
          }
        good &= all;
      };
      each([=](int64_t cell, int64_t k, int64_t output, S*) {
        last[(cell - first) * channels + k] = output;
      });
      const int64_t channel_stride = source.channel_stride;
      each([=](int64_t cell, int64_t k, int64_t output, S* put) {
        S value = from[place(cell) + k * channel_stride];
        *put = last[(cell - first) * channels + k] == output ? value : S{};
      });
    }
    if (!good) inside = false;
  });
  return inside;
}

}  // namespace
}  // namespace juanji
