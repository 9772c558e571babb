// Max unpooling and its gradient where every index lies in a box of its own, as those of windows
// that do not overlap do: then no index comes twice, and fine cells are read and written in order.
//
// The boxes are those that divide the fine grid evenly. An index outside of its box only shows
// that there are none: the general way in unpool.h decides then.
#pragma once

#include <atomic>

#include "read_boxes.h"
#include "write_boxes.h"

namespace juanji {
namespace {

struct IndexBoxes : Boxes {
  std::vector<int32_t> numbers;  // flat distances of a box's cells from its first, in C order

  // The flat index of the first cell of the box of coarse cell (d, h, w).
  int64_t first(int64_t d, int64_t h, int64_t w) const {
    return (d * box[0] * fine[1] + h * box[1]) * fine[2] + w * box[2];
  }
};

inline std::optional<IndexBoxes> index_boxes(const Triple& coarse, const Triple& fine) {
  constexpr int64_t most = 64;  // cells of a box, which are compared one by one
  IndexBoxes boxes{{coarse, fine, {}}, {}};
  for (int a = 0; a < 3; ++a) {
    boxes.box[a] = coarse[a] > 0 ? fine[a] / coarse[a] : 0;
    if (boxes.box[a] < 1 || boxes.box[a] > most || fine[a] >= limit) return {};
  }
  double reach = double(boxes.box[0]) * double(fine[1]) * double(fine[2]);
  if (boxes.taps() > most || reach >= double(limit)) return {};
  for (int64_t i = 0; i < boxes.rows(); ++i)
    for (int64_t j = 0; j < boxes.box[2]; ++j)
      boxes.numbers.push_back(
          int32_t((i / boxes.box[1] * fine[1] + i % boxes.box[1]) * fine[2] + j));
  return boxes;
}

// a - b of lanes, modulo 2 to the number of their bits: indices may be anything.
template <class M>
inline M wrapping_difference(M a, M b) {
  using Lane = std::make_unsigned_t<std::remove_reference_t<decltype(M{}[0])>>;
  using Unsigned = typename VectorOf<Lane, sizeof(M) / sizeof(Lane)>::type;
  return std::bit_cast<M>(std::bit_cast<Unsigned>(a) - std::bit_cast<Unsigned>(b));
}

// `count` flat indices less `base`, as lanes, the others 0; `far` is set where one does not fit.
template <class A>
inline Mask<A> load_near(const int64_t* from, int64_t base, int64_t count, Mask<A>& far) {
  constexpr int width = lanes<A>, half = lanes<int64_t>;
  const Vector<int64_t> bases = splat(base);
  auto lanes_from = [&](int64_t first) {
    const Vector<int64_t> near = wrapping_difference(load(from + first, count - first), bases);
    return count < width ? near & first_lanes<int64_t>(count - first) : near;
  };
  const Vector<int64_t> low = lanes_from(0);
  if constexpr (width == half) {
    return std::bit_cast<Mask<A>>(low);
  } else {
    Vector<int64_t> high{};
    if (count > half) high = lanes_from(half);
    constexpr auto all = std::make_index_sequence<width>{};
    auto first = std::bit_cast<Mask<A>>(low), second = std::bit_cast<Mask<A>>(high);
    if constexpr (std::endian::native == std::endian::little) {
      far |= every_second<1>(first, second, all);
      return every_second<0>(first, second, all);
    } else {
      far |= every_second<0>(first, second, all);
      return every_second<1>(first, second, all);
    }
  }
}

// A vector of indices, counted from the first cells of their boxes. It lives in registers: what
// goes through memory for every cell waits for it.
template <class A>
struct Indices {
  Mask<A> far{};   // whether it is no number
  Mask<A> number;  // as in `numbers`, if it lies in its box
  Mask<A> found;   // whether it was one of those

  Indices() = default;
  // `steps`: from the box of the first lane to those of all.
  Indices(const int64_t* from, int64_t base, Mask<A> steps, int64_t count)
      : number(wrapping_difference(load_near<A>(from, base, count, far), steps)),
        found(count < lanes<A> ? first_lanes<A>(count) == Mask<A>{} : Mask<A>{}) {}
  Mask<A> at(int32_t wanted) {
    Mask<A> here = number == splat_integer<A>(wanted);
    found |= here;
    return here;
  }
  Mask<A> strange() const { return far | ~found; }
};

template <class A>
inline Mask<A> steps_of(int64_t step) {
  return iota<A>() * splat_integer<A>(step);
}

// A value for the cell of its index.
template <class S>
struct AtIndex {
  using A = Compute<S>;
  static constexpr bool spreads = false;
  IndexBoxes boxes;
  View source, where;
  bool innermost;
  std::atomic<bool>& own;
  const S* row = nullptr;
  const int64_t* index_row = nullptr;
  int64_t base = 0;
  Mask<A> steps = steps_of<A>(innermost ? 0 : boxes.box[2]);
  Mask<A> strange{};  // whether one of all vectors so far was in no box
  struct At {
    Vector<A> value;
    Indices<A> indices;
  };

  AtIndex(const IndexBoxes& boxes, const View& source, const View& where, bool innermost,
          std::atomic<bool>& own)
      : boxes(boxes), source(source), where(where), innermost(innermost), own(own) {}
  ~AtIndex() { report(); }

  bool report() {
    if (any<A>(strange)) own = false;
    return own;
  }
  bool go_to(int64_t n, int64_t c, int64_t d, int64_t h) {
    row = row_of<S>(source, n, c, d, h);
    index_row = row_of<int64_t>(where, n, c, d, h);
    base = boxes.first(d, h, 0);
    return report();
  }
  At begin(int64_t w, int64_t c, int64_t count) const {
    return {load(row + w * source.stride[2] + c, count),
            Indices<A>(index_row + w * where.stride[2] + c, base + w * boxes.box[2], steps, count)};
  }
  Vector<A> cell(At& at, int64_t i, int64_t j) const {
    return keep<A>(at.indices.at(boxes.numbers[i * boxes.box[2] + j]), at.value);
  }
  void end(const At& at) { strange |= at.indices.strange(); }
};

// Returns false if not every index lies in its box; what was written is void then.
template <class S>
bool write_own(const View& source, const View& where, const View& out, bool innermost) {
  std::optional<IndexBoxes> boxes = index_boxes(source.size, out.size);
  if (!boxes || !(innermost ? along_channels({&source, &where})
                            : in_long_pairs<S>(*boxes, {&source, &where}))) return false;
  std::atomic<bool> own = true;
  write_boxes<S>(*boxes, out, innermost, !innermost,
                 [&] { return AtIndex<S>(*boxes, source, where, innermost, own); });
  return own;
}

// Of the cells of a box, the one that the index names: an operation as in reduce.h.
template <class S>
struct ByIndex {
  using A = Compute<S>;
  static constexpr int unroll = 1, passes = 1;
  struct State {
    Vector<A> value{};
    Indices<A> indices;
  };
  S* out;
  const int64_t* index;
  int64_t base, step;
  Mask<A> steps;
  Mask<A>* strange;

  void begin(State& state, int64_t at, int64_t count) const {
    state.indices = Indices<A>(index + at, base + at * step, steps, count);
  }
  template <int>
  void take(State& state, Vector<A> value, const Tap<A>& tap, int64_t, int64_t) const {
    state.value = state.indices.at(tap.number) ? value : state.value;
  }
  void finish(State& state, int64_t at, int64_t count) const {
    store(out + at, state.value, count);
    *strange |= state.indices.strange();
  }
};

// The same for the gradient.
template <class S>
bool read_own(const View& source, const View& where, const View& out, bool innermost) {
  using A = Compute<S>;
  std::optional<IndexBoxes> boxes = index_boxes(out.size, source.size);
  if (!boxes || !(innermost ? along_channels({&source, &where})
                            : in_long_pairs<S>(*boxes, {&source, &where}))) return false;
  std::atomic<bool> own = true;
  const int64_t step = innermost ? 0 : boxes->box[2];
  const Mask<A> steps = steps_of<A>(step);
  auto operation = [&](int64_t n, int64_t c, int64_t d, int64_t h, Mask<A>& strange) {
    if (h == 0 && any<A>(strange)) own = false;
    return ByIndex<S>{row_of<S>(out, n, c, d, h), row_of<int64_t>(where, n, c, d, h),
                      boxes->first(d, h, 0), step, steps, &strange};
  };
  struct Thread {
    std::atomic<bool>& own;
    Mask<A> strange{};  // whether one of all vectors so far was in no box
    ~Thread() {
      if (any<A>(strange)) own = false;
    }
  };
  if (innermost)
    read_boxes<S>(*boxes, source, boxes->numbers, [&] {
      return [&, thread = Thread{own}](int64_t n, int64_t d, int64_t h, int64_t first,
                                              int64_t count, const auto& each) mutable {
        ByIndex<S> op = operation(n, 0, d, h, thread.strange);
        op.out += first * out.stride[2], op.index += first * where.stride[2];
        op.base += first * boxes->box[2];
        for (int64_t w = first; own && w < first + count; ++w) {
          each(op, w);
          op.out += out.stride[2], op.index += where.stride[2], op.base += boxes->box[2];
        }
      };
    });
  else
    read_pairs<S>(*boxes, source, boxes->numbers, [&] {
      return [&, thread = Thread{own}](int64_t n, int64_t c, int64_t d, int64_t h, int64_t,
                                              int64_t) mutable {
        return operation(n, c, d, h, thread.strange);
      };
    });
  return own;
}

}  // namespace
}  // namespace juanji
