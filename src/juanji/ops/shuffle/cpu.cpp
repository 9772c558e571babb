// Channel shuffle. The mathematics: README.md in this folder.
#include "again.h"
#include "cells.h"
#include "transpose.h"

namespace juanji {
namespace {

template <class T>
void shuffle_rows(const Tensor& input, Tensor& output, int64_t groups) {
  int64_t channels = input.size(1);
  const T* from = static_cast<const T*>(input.data_ptr());
  T* to = static_cast<T*>(output.data_ptr());
  Cells cells = cells_of(input, true);
  Row<T> shuffle = row_shuffle<T>(groups, channels / groups);
  parallel(cells.count, [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell)
      shuffle(from + cells[cell], to + cell * channels, groups, channels / groups);
  }, channels);
}

template <class T>
void shuffle_planes(const Tensor& input, Tensor& output, int64_t groups) {
  constexpr int64_t piece = 65536 / int64_t(sizeof(T));  // of a plane, so that threads share it
  int64_t channels = input.size(1), batch_step = input.stride(0), channel_step = input.stride(1);
  const T* from = static_cast<const T*>(input.data_ptr());
  T* to = static_cast<T*>(output.data_ptr());
  Cells cells = cells_of(input, false);
  Ints before = dealt(channels, groups);
  int64_t pieces = (cells.count + piece - 1) / piece;
  parallel(input.size(0) * channels * pieces, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      int64_t plane = unit / pieces, first = unit % pieces * piece;
      int64_t count = std::min(piece, cells.count - first);
      const T* source =
          from + plane / channels * batch_step + before[plane % channels] * channel_step;
      T* target = to + plane * cells.count + first;
      if (cells.dense())
        copy_plane(source + first, target, count);
      else
        for (int64_t cell = 0; cell < count; ++cell) target[cell] = source[cells[first + cell]];
    }
  }, std::min(cells.count, piece));
}

template <class T>
void shuffle_elements(const Tensor& input, Tensor& output, int64_t groups, bool rows) {
  if (rows)
    shuffle_rows<T>(input, output, groups);
  else
    shuffle_planes<T>(input, output, groups);
}

Tensor channel_shuffle(const Tensor& input, int64_t groups) {
  check_feature_maps("input", input, 2);
  check_divides("groups", groups, input.size(1));
  bool innermost = channels_innermost(input);
  Tensor output = empty_with(input, input.size(1), innermost);
  Cells cells = cells_of(input, false);
  if (input.size(0) == 0 || input.size(1) == 0 || cells.count == 0) return output;
  bool rows = input.stride(1) == 1 && (innermost || cells.count == 1);
  switch (input.element_size()) {
    case 1: shuffle_elements<uint8_t>(input, output, groups, rows); break;
    case 2: shuffle_elements<uint16_t>(input, output, groups, rows); break;
    case 4: shuffle_elements<uint32_t>(input, output, groups, rows); break;
    case 8: shuffle_elements<uint64_t>(input, output, groups, rows); break;
    case 16: shuffle_elements<unsigned __int128>(input, output, groups, rows); break;
    default: STD_TORCH_CHECK(false, "elements must have 1, 2, 4, 8 or 16 bytes");
  }
  return output;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(juanji, m) {
  m.def("channel_shuffle(Tensor input, SymInt groups) -> Tensor");
  define_again(m, "channel_shuffle", "Tensor input, int groups");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, m) {
  m.impl("channel_shuffle", TORCH_BOX(&channel_shuffle));
  implement_again<&channel_shuffle>(m, "channel_shuffle");
}

}  // namespace juanji
