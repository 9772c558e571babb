// The operators of pooling: what they take, check and return, and which way a job goes: boxes.h,
// cells.h, panels.h, lines.h, spread.h, planes.h, place.h, which bands.h cuts. What is made of the
// sources: reduce.h; the relation: window.h.
#include "again.h"
#include "draw.h"
#include "lines.h"
#include "panels.h"
#include "place.h"
#include "read_boxes.h"
#include "spread.h"
#include "unpool.h"
#include "write_boxes.h"

#include <atomic>

namespace juanji {
namespace {

// ------------------------------------------------------------------------ maxima, and what is drawn

inline void check_bytes(const Windows& w) {
  STD_TORCH_CHECK(w.taps() <= 256, "the taps of a window are counted in a byte: at most 256, got ",
                  w.taps());
}

template <class S, bool numbered>
void maximum(const Job& job, bool innermost) {
  using A = Compute<S>;
  using Op = Maximum<S, numbered>;
  const View& source = job.source;
  const auto boxes = boxes_of(job.windows);
  if (boxes && innermost)
    return read_boxes<S>(*boxes, source, in_order(*boxes), [&] {
      return [&](int64_t n, int64_t d, int64_t h, int64_t first, int64_t count, const auto& reduce) {
        for (int64_t w = first; w < first + count; ++w) {
          Op op;
          op.out = row_of<S>(job.target, n, 0, d, h) + w * job.target.stride[2];
          if constexpr (numbered)
            op.taps_out = row_of<uint8_t>(*job.taps_out, n, 0, d, h) + w * job.taps_out->stride[2];
          reduce(op, w);
        }
      };
    });
  auto at_cells = [] {
    return []<class T>(const Cell<T>& cell) {
      const Maximum<T, numbered> op{cell.out, cell.taps_out, nullptr, cell.first_tap()};
      reduce<false>(op, cell.source, cell.taps, cell.count);
    };
  };
  if (innermost) return cells<S>(job, at_cells);
  if (in_panels<A>(job)) return panels<S>(job, at_cells);
  if (boxes && in_pairs(*boxes, {&source}))
    return read_pairs<S>(*boxes, source, in_order(*boxes), [&] {
      return [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t, int64_t) {
        Op op;
        op.out = row_of<S>(job.target, n, c, d, h);
        if constexpr (numbered) op.taps_out = row_of<uint8_t>(*job.taps_out, n, c, d, h);
        return op;
      };
    });
  if (!numbered && in_lines(job)) return pool_lines<S, Larger>(job);
  planes<S>(job, Op::padding, [&](int64_t) {
    return [&](const Block<A>& block) {
      Op op;
      op.out = static_cast<S*>(block.out);
      op.taps_out = block.taps_out;
      op.first_taps = block.first;
      op.first = block.first_depth * job.windows.axis[1].kernel * job.windows.axis[2].kernel;
      return op;
    };
  });
}

Job job_of(const Tensor& input, const Ints& numbers, bool adjoint) {
  Numbers given = numbers_of(numbers, spatial_axes("input", input));
  View source = view("input", input);
  Triple size = given.of(told_size, 1);
  return {windows(adjoint ? size : source.size, adjoint ? source.size : size, given), adjoint,
          source, {}};
}

// A new tensor of the target's shape.
Tensor target_like(const Job& job, const Tensor& input, ScalarType dtype, bool innermost) {
  return empty(job.source.batch, job.source.channels, job.windows.size(job.adjoint),
               input.dim() - 2, dtype, innermost);
}

Tensor target_of(Job& job, const Tensor& input, bool innermost) {
  Tensor output = target_like(job, input, input.scalar_type(), innermost);
  job.target = view("output", output);
  return output;
}

// `run(job, innermost)` fills the output alone, or taps too.
template <class Run>
Tensor pooled(const Tensor& input, const Ints& numbers, const Run& run) {
  Job job = job_of(input, numbers, false);
  bool innermost = channels_innermost(input);
  Tensor output = target_of(job, input, innermost);
  run(job, innermost);
  return output;
}

template <class Run>
std::tuple<Tensor, Tensor> pooled_with_taps(const Tensor& input, const Ints& numbers,
                                            const Run& run) {
  Job job = job_of(input, numbers, false);
  check_bytes(job.windows);
  bool innermost = channels_innermost(input);
  Tensor output = target_of(job, input, innermost);
  Tensor taps = target_like(job, input, ScalarType::Byte, innermost);
  View taps_out = view("taps", taps);
  job.taps_out = &taps_out;
  run(job, innermost);
  return {output, taps};
}

template <bool numbered>
auto maximum_of(const Tensor& input) {
  return [&](const Job& job, bool innermost) {
    for_storage(input.scalar_type(), [&]<class S>(S) { maximum<S, numbered>(job, innermost); });
  };
}

template <bool numbered>
auto draw_of(const Tensor& input, const Tensor& seed) {
  STD_TORCH_CHECK(seed.is_cpu() && seed.scalar_type() == ScalarType::Long && seed.numel() == 1,
                  "seed must be one int64 on the CPU");
  return [&](const Job& job, bool innermost) {
    bool valid = true;
    for_storage(input.scalar_type(), [&]<class S>(S) {
      std::atomic<bool> doubt = !covered(job.windows);
      draw<S, numbered>(job, innermost, *static_cast<const int64_t*>(seed.data_ptr()), doubt);
      valid = !doubt || all_weights<S>(job.source, innermost);
    });
    STD_TORCH_CHECK(valid, "input must hold finite values of at least 0");
  };
}

Tensor max_pool(const Tensor& input, const Ints& numbers) {
  return pooled(input, numbers, maximum_of<false>(input));
}

std::tuple<Tensor, Tensor> max_pool_with_taps(const Tensor& input, const Ints& numbers) {
  return pooled_with_taps(input, numbers, maximum_of<true>(input));
}

Tensor stochastic_pool(const Tensor& input, const Tensor& seed, const Ints& numbers) {
  return pooled(input, numbers, draw_of<false>(input, seed));
}

std::tuple<Tensor, Tensor> stochastic_pool_with_taps(const Tensor& input, const Tensor& seed,
                                                     const Ints& numbers) {
  return pooled_with_taps(input, numbers, draw_of<true>(input, seed));
}

// ------------------------------------------------------------------------------------ sums, averages

// What the sums of sources are divided by, if it is the same number for all sources and targets.
std::optional<double> one_divisor(const Job& job) {
  double by = 1;
  if (job.divides_targets() || job.divisor.kind == Divisor::windows) return {};
  for (int a = 0; job.divides_sources() && a < 3; ++a) {
    const int64_t last = job.windows.size(!job.adjoint)[a] - 1;
    const double first = job.divisor.along(job.windows, a, 0);
    // those of windows between the first and the last are never smaller
    const bool whole = job.divisor.kind == Divisor::fixed || first == job.windows.axis[a].kernel;
    if (first != job.divisor.along(job.windows, a, last) || (last > 0 && !whole)) return {};
    by *= first;
  }
  return by;
}

// By what the sums of whole windows are divided, which have no other cells.
template <class A>
Division<A> box_divisor(const Job& job) {
  A by = 1;
  if (job.divisor.kind != Divisor::none)
    for (int a = 0; a < 3; ++a) by *= A(job.divisor.along(job.windows, a, 0));
  return by;
}

template <class S>
void spread_boxes(const Job& job, Boxes boxes, bool innermost) {
  View source = job.source, target = job.target;
  const auto by = box_divisor<Compute<S>>(job);
  const bool pairs = !innermost && in_pairs(boxes, {&source});
  if (!innermost && !pairs) join_rows(boxes, source, target);
  write_boxes<S>(boxes, target, innermost, pairs, [&] { return Spread<S>{source, by}; });
}

template <class S>
void sum(const Job& job, bool innermost) {
  using A = Compute<S>;
  const View &source = job.source, &target = job.target;
  const auto boxes = boxes_of(job.windows);
  if (boxes && job.adjoint) return spread_boxes<S>(job, *boxes, innermost);
  if (boxes && innermost)
    return read_boxes<S>(*boxes, source, in_order(*boxes), [&, by = box_divisor<A>(job)] {
      return [&](int64_t n, int64_t d, int64_t h, int64_t first, int64_t count, const auto& reduce) {
        S* row = row_of<S>(target, n, 0, d, h);
        for (int64_t w = first; w < first + count; ++w)
          reduce(Sum<S, false>{row + w * target.stride[2], nullptr, by}, w);
      };
    });
  auto at_cells = []<bool scaled>(std::bool_constant<scaled>) {
    return [] {
      return []<class T>(const Cell<T>& cell) {
        const Sum<T, scaled> op{cell.out, nullptr, cell.by};
        reduce<false>(op, cell.source, cell.taps, cell.count);
      };
    };
  };
  if (innermost && job.divides_sources()) return cells<S>(job, at_cells(std::true_type{}));
  if (innermost) return cells<S>(job, at_cells(std::false_type{}));
  if (in_panels<A>(job)) return panels<S>(job, at_cells(std::false_type{}));
  if (boxes && in_pairs(*boxes, {&source}))
    return read_pairs<S>(*boxes, source, in_order(*boxes), [&, by = box_divisor<A>(job)] {
      return [&](int64_t n, int64_t c, int64_t d, int64_t h, int64_t, int64_t) {
        return Sum<S, false>{row_of<S>(target, n, c, d, h), nullptr, by};
      };
    });
  if (in_lines(job)) return pool_lines<S, Plus>(job);
  if (const auto widening = widening_of(job, lanes<A>)) return spread_rows<S>(job, *widening);
  // Sources are divided before they are summed, as torch does it; where that is exact, the sum is,
  // which takes less: it is the same but for sums beyond the largest number.
  Job undivided = job;
  std::optional<double> one = one_divisor(job);
  if (one && Division<A>(A(*one)).reciprocal == 0) one.reset();
  if (one) undivided.divisor.kind = Divisor::none;
  auto add = [&]<class T>(T) {  // what is written: to the output, or to a phase of it
    planes<S>(undivided, A(0), [=](int64_t) {
      return [=](const Block<A>& block) {
        return Sum<T, false>{static_cast<T*>(block.out), block.divisors,
                             A(one ? *one : block.divisor)};
      };
    });
  };
  if (job.adjoint) add(A{});
  else add(S{});
}

Tensor summed(Job& job, const Tensor& input) {
  bool innermost = channels_innermost(input);
  Tensor output = target_of(job, input, innermost);
  for_storage(input.scalar_type(), [&]<class S>(S) { sum<S>(job, innermost); });
  return output;
}

Tensor average(const Tensor& input, const Ints& numbers, bool adjoint, bool include,
               std::optional<int64_t> divisor) {
  Job job = job_of(input, numbers, adjoint);
  Numbers given = numbers_of(numbers, input.dim() - 2);
  Triple high = given.of(told_high, 0);
  for (int64_t number : high)
    STD_TORCH_CHECK(0 <= number && number < limit, "high padding must be at least 0 and below 2**31");
  if (divisor) job.divisor = {Divisor::fixed, {}, {}, double(*divisor)};
  else if (include) job.divisor = {Divisor::taps, given.of(told_low, 0), high};
  else job.divisor = {Divisor::taps, {}, {}};
  return summed(job, input);
}

Tensor avg_pool(const Tensor& input, const Ints& numbers, bool include,
                std::optional<int64_t> divisor) {
  return average(input, numbers, false, include, divisor);
}

Tensor avg_pool_gradient(const Tensor& gradient, const Ints& numbers, bool include,
                         std::optional<int64_t> divisor) {
  return average(gradient, numbers, true, include, divisor);
}

Tensor spread(const Tensor& input, const Ints& numbers, bool adjoint) {
  Job job = job_of(input, numbers, adjoint);
  for (const Axis& axis : job.windows.axis)
    STD_TORCH_CHECK(axis.dilation == 1, "unpooling takes no dilation");
  job.divisor.kind = Divisor::windows;
  return summed(job, input);
}

Tensor avg_unpool(const Tensor& input, const Ints& numbers) { return spread(input, numbers, true); }

Tensor avg_unpool_gradient(const Tensor& gradient, const Ints& numbers) {
  return spread(gradient, numbers, false);
}

// --------------------------------------------------------------------------- along recorded taps

// Whether all sources of a cell are compared with it, channels innermost: their number is counted in
// vectors, that of the values placed one by one in channels.
template <class S>
bool compares(const Job& job) {
  return job.windows.taps() <= 12 && job.source.channels >= 2 * lanes<Compute<S>>;
}

template <class S>
void place(const Job& job, bool innermost) {
  const View& source = job.source;
  const auto boxes = boxes_of(job.windows);
  const bool vectors = innermost ? source.channels >= lanes<Compute<S>>
                                 : boxes && in_long_pairs<S>(*boxes, {&source, job.numbers});
  if (boxes && vectors)
    return write_boxes<S>(*boxes, job.target, innermost, !innermost, [&] {
      return AtTap<S>{source, *job.numbers, boxes->box[2]};
    });
  if (!innermost) return place_values<S, false>(Stacked(job));
  if (!compares<S>(job)) return place_values<S, true>(job);
  cells<S>(job, [] {
    return [](const Cell<S>& cell) {
      reduce<false>(Matching<S>{cell.out, cell.numbers}, cell.source, cell.taps, cell.count);
    };
  });
}

void check_taps(const Tensor& taps, const Triple& coarse, int64_t batch, int64_t channels) {
  STD_TORCH_CHECK(taps.scalar_type() == ScalarType::Byte, "taps must be uint8");
  View seen = view("taps", taps);
  STD_TORCH_CHECK(seen.size == coarse && seen.batch == batch && seen.channels == channels,
                  "taps must have the shape of what was pooled");
}

Tensor place_taps(const Tensor& input, const Tensor& taps, const Ints& numbers) {
  Job job = job_of(input, numbers, true);
  check_bytes(job.windows);
  STD_TORCH_CHECK(taps.dim() == input.dim(), "taps must have the shape of input");
  check_taps(taps, job.source.size, job.source.batch, job.source.channels);
  View recorded = view("taps", taps);
  job.numbers = &recorded;
  bool innermost = channels_innermost(taps) && input.stride(1) == 1;
  Tensor output = target_of(job, input, innermost);
  for_storage(input.scalar_type(), [&]<class S>(S) { place<S>(job, innermost); });
  return output;
}

Tensor take_taps(const Tensor& input, const Tensor& taps, const Ints& numbers) {
  STD_TORCH_CHECK(taps.dim() == input.dim(), "taps must have as many axes as input");
  Job job = job_of(input, numbers, false);
  check_bytes(job.windows);
  check_taps(taps, job.windows.size(false), job.source.batch, job.source.channels);
  Tensor output = target_of(job, input, channels_innermost(input));
  bool inside = true;
  for_storage(input.scalar_type(), [&]<class S>(S) {
    inside = take<S>(job.windows, job.source, view("taps", taps), job.target);
  });
  STD_TORCH_CHECK(inside, "taps must lie in the input");
  return output;
}

Tensor tap_indices(const Tensor& taps, const Ints& numbers) {
  Job job = job_of(taps, numbers, true);
  check_bytes(job.windows);
  check_taps(taps, job.source.size, job.source.batch, job.source.channels);
  Tensor indices = empty(job.source.batch, job.source.channels, job.source.size, taps.dim() - 2,
                         ScalarType::Long, channels_innermost(taps));
  find_indices(job.windows, job.source, view("indices", indices));
  return indices;
}

// ------------------------------------------------------------------------------------ max unpooling

Tensor max_unpool(const Tensor& input, const Tensor& indices, const Ints& output_size) {
  int64_t axes = spatial_axes("input", input);
  View source = view("input", input);
  Triple fine = Numbers("output_size", output_size, axes, 1, 1).of(0, 1);
  check_indices(input, indices);
  for (int64_t size : fine) STD_TORCH_CHECK(size >= 0, "output_size must be at least 0");
  bool innermost = channels_innermost(input);
  Tensor output =
      empty(source.batch, source.channels, fine, axes, input.scalar_type(), innermost);
  bool inside = true;
  for_storage(input.scalar_type(), [&]<class S>(S) {
    inside = write_indices<S>(source, view("indices", indices), view("output", output), innermost);
  });
  STD_TORCH_CHECK(inside, "indices must be at least 0 and below the number of output cells");
  return output;
}

Tensor max_unpool_gradient(const Tensor& gradient, const Tensor& indices) {
  int64_t axes = spatial_axes("gradient", gradient);
  View source = view("gradient", gradient), where = view("indices", indices);
  STD_TORCH_CHECK(indices.scalar_type() == ScalarType::Long && indices.dim() == gradient.dim() &&
                      where.batch == source.batch && where.channels == source.channels,
                  "indices must be int64, with the batch and channels of gradient");
  bool innermost = channels_innermost(gradient);
  Tensor output = empty(where.batch, where.channels, where.size, axes, gradient.scalar_type(),
                        innermost);
  bool inside = true;
  for_storage(gradient.scalar_type(), [&]<class S>(S) {
    inside = read_indices<S>(source, where, view("output", output), innermost);
  });
  STD_TORCH_CHECK(inside, "indices must be at least 0 and below the number of cells");
  return output;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(juanji, m) {
  m.def("max_pool(Tensor input, SymInt[] windows) -> Tensor");
  m.def("max_pool_with_taps(Tensor input, SymInt[] windows) -> (Tensor, Tensor)");
  m.def("stochastic_pool(Tensor input, Tensor seed, SymInt[] windows) -> Tensor");
  m.def("stochastic_pool_with_taps(Tensor input, Tensor seed, SymInt[] windows) "
        "-> (Tensor, Tensor)");
  m.def("place_taps(Tensor input, Tensor taps, SymInt[] windows) -> Tensor");
  m.def("take_taps(Tensor input, Tensor taps, SymInt[] windows) -> Tensor");
  m.def("tap_indices(Tensor taps, SymInt[] windows) -> Tensor");
  m.def("avg_pool(Tensor input, SymInt[] windows, bool count_include_pad, int? divisor_override) "
        "-> Tensor");
  m.def("avg_pool_gradient(Tensor gradient, SymInt[] windows, bool count_include_pad, "
        "int? divisor_override) -> Tensor");
  m.def("avg_unpool(Tensor input, SymInt[] windows) -> Tensor");
  m.def("avg_unpool_gradient(Tensor gradient, SymInt[] windows) -> Tensor");
  m.def("max_unpool(Tensor input, Tensor indices, SymInt[] output_size) -> Tensor");
  m.def("max_unpool_gradient(Tensor gradient, Tensor indices) -> Tensor");
  define_again(m, "max_pool", "Tensor input, int[] windows");
  define_again(m, "place_taps", "Tensor input, Tensor taps, int[] windows");
  for (const char* name : {"avg_pool", "avg_pool_gradient"})
    define_again(m, name,
                 "Tensor input, int[] windows, bool count_include_pad, int? divisor_override");
  for (const char* name : {"avg_unpool", "avg_unpool_gradient"})
    define_again(m, name, "Tensor input, int[] windows");
  define_again(m, "max_unpool", "Tensor input, Tensor indices, int[] output_size");
  define_again(m, "max_unpool_gradient", "Tensor gradient, Tensor indices");
}

STABLE_TORCH_LIBRARY_IMPL(juanji, CPU, m) {
  m.impl("max_pool", TORCH_BOX(&max_pool));
  m.impl("max_pool_with_taps", TORCH_BOX(&max_pool_with_taps));
  m.impl("stochastic_pool", TORCH_BOX(&stochastic_pool));
  m.impl("stochastic_pool_with_taps", TORCH_BOX(&stochastic_pool_with_taps));
  m.impl("place_taps", TORCH_BOX(&place_taps));
  m.impl("take_taps", TORCH_BOX(&take_taps));
  m.impl("tap_indices", TORCH_BOX(&tap_indices));
  m.impl("avg_pool", TORCH_BOX(&avg_pool));
  m.impl("avg_pool_gradient", TORCH_BOX(&avg_pool_gradient));
  m.impl("avg_unpool", TORCH_BOX(&avg_unpool));
  m.impl("avg_unpool_gradient", TORCH_BOX(&avg_unpool_gradient));
  m.impl("max_unpool", TORCH_BOX(&max_unpool));
  m.impl("max_unpool_gradient", TORCH_BOX(&max_unpool_gradient));
  implement_again<&max_pool>(m, "max_pool");
  implement_again<&place_taps>(m, "place_taps");
  implement_again<&avg_pool>(m, "avg_pool");
  implement_again<&avg_pool_gradient>(m, "avg_pool_gradient");
  implement_again<&avg_unpool>(m, "avg_unpool");
  implement_again<&avg_unpool_gradient>(m, "avg_unpool_gradient");
  implement_again<&max_unpool>(m, "max_unpool");
  implement_again<&max_unpool_gradient>(m, "max_unpool_gradient");
}

}  // namespace juanji
