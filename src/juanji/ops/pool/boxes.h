// Windows side by side: every coarse cell has a box of fine cells for its own. Fine cells are read
// (read_boxes.h) and written (write_boxes.h) where they are, without a buffer.
//
// Vectors lie along the channels, or along the last axis where boxes are two cells wide there: then
// two vectors of a fine row hold the first and the second cells of one vector of boxes.
#pragma once

#include "job.h"

namespace juanji {
namespace {

struct Boxes {
  Triple coarse, fine, box;

  int64_t rows() const { return box[0] * box[1]; }
  int64_t taps() const { return rows() * box[2]; }
  // From the first cell of a box to the first cell of its row i.
  int64_t row_offset(const View& view, int64_t i) const {
    return i / box[1] * view.stride[0] + i % box[1] * view.stride[1];
  }
  // The same for the box of coarse cell (d, h, w), from the plane's first cell.
  int64_t offset(const View& view, int64_t d, int64_t h, int64_t w = 0) const {
    return d * box[0] * view.stride[0] + h * box[1] * view.stride[1] + w * box[2] * view.stride[2];
  }
};

// Whether windows are boxes that lie side by side from the first fine cell on.
inline std::optional<Boxes> boxes_of(const Windows& windows) {
  Boxes boxes{windows.size(false), windows.size(true), {}};
  for (int a = 0; a < 3; ++a) {
    const Axis& axis = windows.axis[a];
    if ((axis.kernel != axis.stride && axis.coarse > 1) || axis.low != 0 ||
        (axis.kernel > 1 && axis.dilation != 1) || axis.coarse * axis.kernel > axis.fine)
      return {};
    boxes.box[a] = axis.kernel;
  }
  return boxes;
}

// Boxes that are whole rows of their planes lie end to end: they are boxes in one row, and planes
// of one box are one row of them together. `coarse` and `fine`, which is dense, are seen so.
inline void join_rows(Boxes& boxes, View& coarse, View& fine) {
  auto whole = [&] { return boxes.coarse[2] == 1 && boxes.box[2] == boxes.fine[2]; };
  for (int joins = 0; joins < 2 && whole(); ++joins) {
    for (Triple* size : {&boxes.coarse, &boxes.fine, &boxes.box})
      *size = {1, (*size)[0], (*size)[1] * (*size)[2]};
    coarse.stride = {0, coarse.stride[0], coarse.stride[1]};
    fine.stride = {0, fine.stride[0], fine.stride[2]};
  }
  if (!whole() || boxes.fine[0] * boxes.fine[1] > 1) return;
  boxes.coarse[2] = coarse.channels, boxes.fine[2] *= fine.channels;
  coarse.stride[2] = coarse.channel_stride;
  coarse.channels = fine.channels = 1;
}

// Coarse cells of a row, `channels` side by side, that are one task.
inline int64_t box_chunk(int64_t channels) {
  return std::max(int64_t(8192) / std::max(channels, int64_t(1)), int64_t(1));
}

// Whether vectors may lie along the last axis.
inline bool in_pairs(const Boxes& boxes, std::initializer_list<const View*> views) {
  for (const View* view : views)
    if (view->stride[2] != 1) return false;
  return boxes.box[2] == 2;
}

// The same where rows fill a vector, or most of it where some lanes are moved as fast as all:
// shorter ones of indices and taps are faster cell by cell.
template <class S>
inline bool in_long_pairs(const Boxes& boxes, std::initializer_list<const View*> views) {
  const int64_t width = lanes<Compute<S>>;
  return boxes.coarse[2] >= (masked_moves ? 3 * width / 4 : width) && in_pairs(boxes, views);
}

inline bool along_channels(std::initializer_list<const View*> views) {
  for (const View* view : views)
    if (view->channel_stride != 1) return false;
  return true;
}

}  // namespace
}  // namespace juanji
