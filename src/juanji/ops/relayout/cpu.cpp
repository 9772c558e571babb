// A dense tensor copied from one layout to the other: squares are transposed on the way.
#include "tensor.h"

namespace juanji {
namespace {

// (rows, columns) with `from_step` between rows becomes (columns, rows) with `to_step`.
template <class S>
void transpose_block(S* to, int64_t to_step, const S* from, int64_t from_step, int64_t rows,
                     int64_t columns) {
  using A = Compute<S>;
  for (int64_t row = 0; row < rows; row += lanes<A>)
    for (int64_t column = 0; column < columns; column += lanes<A>) {
      Vector<A> square[lanes<A>];
      for (int i = 0; i < lanes<A>; ++i)
        square[i] = row + i < rows ? load(from + (row + i) * from_step + column, columns - column)
                                   : Vector<A>{};
      transpose<A>(square);
      for (int i = 0; i < lanes<A> && column + i < columns; ++i)
        store(to + (column + i) * to_step + row, square[i], rows - row);
    }
}

// Of every element of the batch, the matrix (channels, cells) is transposed, or back.
template <class S>
void relayout_of(S* to, const S* from, int64_t batch, int64_t rows, int64_t columns) {
  constexpr int64_t strip = 64;  // columns, so that what is written stays in a cache for a while
  const int64_t strips = (columns + strip - 1) / strip;
  parallel(batch * strips, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t offset = index / strips * rows * columns, first = index % strips * strip;
      transpose_block<S>(to + offset + first * rows, rows, from + offset + first, columns, rows,
                         std::min(strip, columns - first));
    }
  }, rows * strip);
}

Tensor relayout(const Tensor& input, bool innermost) {
  const int64_t axes = spatial_axes("input", input);
  const View x = view("input", input);
  bool dense = (x.channels == 1 || x.channel_stride == (innermost ? x.cells() : 1)) &&
               (x.batch == 1 || x.batch_stride == x.channels * x.cells());
  int64_t step = innermost ? 1 : x.channels;
  for (int axis = 2; axis >= 0; step *= x.size[axis--])
    dense &= x.size[axis] == 1 || x.stride[axis] == step;
  STD_TORCH_CHECK(dense || x.elements() == 0, "input must be dense, its channels ",
                  innermost ? "outermost" : "innermost");
  Tensor output = empty(x.batch, x.channels, x.size, axes, input.scalar_type(), innermost);
  for_storage(input.scalar_type(), [&](auto kind) {
    using S = decltype(kind);
    const int64_t rows = innermost ? x.channels : x.cells();
    const int64_t columns = innermost ? x.cells() : x.channels;
    relayout_of<S>(static_cast<S*>(output.data_ptr()), static_cast<const S*>(x.data), x.batch, rows,
                   columns);
  });
  return output;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(juanji, library) {
  library.def("relayout(Tensor input, bool innermost) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, library) {
  library.impl("relayout", TORCH_BOX(&relayout));
}

}  // namespace juanji
