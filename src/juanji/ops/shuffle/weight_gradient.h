// The gradient of the weight of a grouped 1x1 convolution between two shuffles.
#pragma once

#include "cells.h"
#include "product.h"
#include "pointwise.h"

namespace juanji {
namespace {

// Sums over positions for each group, (outputs, inputs) with both filled up to whole tiles. Parts
// of the positions are summed on their own, and the parts in their order: what is added to what
// does not depend on the threads.
struct Parts {
  int64_t outputs, inputs, size, count, chunks;

  Parts(const Product& product, int64_t blocks, int64_t outputs_at_once, int64_t inputs_at_once,
        int64_t bytes)
      : outputs(rounded_up(product.outputs, outputs_at_once)),
        inputs(rounded_up(product.inputs, inputs_at_once)),
        size(product.groups * outputs * inputs) {
    constexpr int64_t most = 16, memory = int64_t(1) << 21;
    count = std::clamp<int64_t>(std::min(blocks / 4, memory / (size * bytes)), 1, most);
    chunks = count >= 8 ? 1 : product.groups;  // few parts: groups are tasks of their own
  }

  // `work(part's sums, first block, last block, first group, last group)`
  template <class A, class Work>
  void sum(int64_t groups, int64_t blocks, std::vector<A>& sums, const Work& work) const {
    sums.assign(size_t(size * count), A(0));
    parallel(count * chunks, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        int64_t part = task / chunks, chunk = task % chunks;
        work(sums.data() + part * size, blocks * part / count, blocks * (part + 1) / count,
             groups * chunk / chunks, groups * (chunk + 1) / chunks);
      }
    });
    for (int64_t part = 1; part < count; ++part)
      for (int64_t k = 0; k < size; ++k) sums[k] += sums[part * size + k];
  }
};

// Channels innermost in both: a sum of outer products, vectors along the input channels.
template <class S, int outputs_at_once, int vectors>
Parts weight_from_rows(const Product& product, const Tensor& input, const Tensor& grad,
                       std::vector<Compute<S>>& sums) {
  using A = Compute<S>;
  constexpr int64_t positions = 64, width = vectors * lanes<A>;
  Cells cells = cells_of(input, true), grad_cells = cells_of(grad, true);
  int64_t blocks = (cells.count + positions - 1) / positions;
  Parts parts(product, blocks, outputs_at_once, width, sizeof(A));
  Ints to(size_t(product.groups * parts.outputs));  // filled up with a channel that is there
  for (int64_t row = 0; row < int64_t(to.size()); ++row)
    to[row] = product.to[row / parts.outputs * product.outputs +
                         std::min(row % parts.outputs, product.outputs - 1)];
  bool in_order = std::is_sorted(product.from.begin(), product.from.end());
  const S* data = static_cast<const S*>(input.data_ptr());
  const S* grads = static_cast<const S*>(grad.data_ptr());
  parts.sum(product.groups, blocks, sums, [&](A* total, int64_t begin, int64_t end, int64_t first,
                                              int64_t last) {
    std::vector<A> packed(size_t(positions * parts.inputs));
    std::vector<A> wide(widened<S> ? size_t(positions * grad.size(1)) : 0);
    const S* position[positions];
    const A* grad_position[positions];
    for (int64_t block = begin; block < end; ++block) {
      int64_t start = block * positions, count = std::min(positions, cells.count - start);
      prefetch_rows(data, cells, start + positions, positions, input.size(1));
      prefetch_rows(grads, grad_cells, start + positions, positions, grad.size(1));
      for (int64_t p = 0; p < count; ++p) {
        position[p] = data + cells[start + p];
        grad_position[p] = computed(grads + grad_cells[start + p], 1, grad.size(1),
                                    wide.data() + p * grad.size(1));
      }
      for (int64_t g = first; g < last; ++g) {
        const int64_t* from = product.from.data() + g * product.inputs;
        for (int64_t p = 0; p < count; ++p) {
          A* row = packed.data() + p * parts.inputs;
          if (in_order)
            for (int64_t i = 0; i < product.inputs; ++i) row[i] = widen(position[p][from[0] + i]);
          else
            for (int64_t i = 0; i < product.inputs; ++i) row[i] = widen(position[p][from[i]]);
        }
        for (int64_t i = 0; i < parts.inputs; i += width)
          for (int64_t o = g * parts.outputs; o < (g + 1) * parts.outputs; o += outputs_at_once)
            weight_row_tile<A, outputs_at_once, vectors>(
                grad_position, to.data() + o, packed.data() + i, parts.inputs, count,
                total + o * parts.inputs + i, parts.inputs);
      }
    }
  });
  return parts;
}

// Any strides: blocks of planes are packed, vectors along the positions, which run on from one
// batch element into the next.
template <class S>
Parts weight_from_planes(const Product& product, const Tensor& input, const Tensor& grad,
                         std::vector<Compute<S>>& sums) {
  using A = Compute<S>;
  Cells cells = cells_of(input, false), grad_cells = cells_of(grad, false);
  int64_t size = cells.count, all = size * input.size(0);
  int64_t block_size =
      rounded_up(std::clamp<int64_t>(32768 / (product.inputs * int64_t(sizeof(A))), 128, 256), 16);
  int64_t blocks = (all + block_size - 1) / block_size;
  Parts parts(product, blocks, weight_outputs, weight_inputs, sizeof(A));
  int64_t step = std::min(block_size, rounded_up(all, lanes<A>));

  // `count` positions from `start` on of one channel, filled up to whole vectors
  auto pack = [&](const Tensor& tensor, const Cells& at, int64_t channel, int64_t start,
                  int64_t count, A* to) {
    const S* data = static_cast<const S*>(tensor.data_ptr()) + channel * tensor.stride(1);
    int64_t end = start + count;
    while (start < end) {
      int64_t cell = start % size, run = std::min(end - start, size - cell);
      const S* plane = data + start / size * tensor.stride(0);
      if (at.dense())
        for (int64_t p = 0; p < run; ++p) to[p] = widen(plane[cell + p]);
      else
        for (int64_t p = 0; p < run; ++p) to[p] = widen(plane[at[cell + p]]);
      start += run;
      to += run;
    }
    std::fill(to, to + rounded_up(count, lanes<A>) - count, A(0));
  };
  parts.sum(product.groups, blocks, sums, [&](A* total, int64_t begin, int64_t end, int64_t first,
                                              int64_t last) {
    std::vector<A> inputs(size_t(parts.inputs * step)), outputs(size_t(parts.outputs * step));
    for (int64_t block = begin; block < end; ++block) {
      int64_t start = block * block_size, count = std::min(block_size, all - start);
      for (int64_t g = first; g < last; ++g) {
        for (int64_t i = 0; i < product.inputs; ++i)
          pack(input, cells, product.from[g * product.inputs + i], start, count,
               inputs.data() + i * step);
        for (int64_t o = 0; o < product.outputs; ++o)
          pack(grad, grad_cells, product.to[g * product.outputs + o], start, count,
               outputs.data() + o * step);
        for (int64_t o = 0; o < parts.outputs; o += weight_outputs)
          for (int64_t i = 0; i < parts.inputs; i += weight_inputs)
            weight_plane_tile<A, weight_outputs, weight_inputs>(
                outputs.data() + o * step, inputs.data() + i * step, step,
                rounded_up(count, lanes<A>) / lanes<A>,
                total + (g * parts.outputs + o) * parts.inputs + i, parts.inputs);
      }
    }
  });
  return parts;
}

}  // namespace
}  // namespace juanji
