// What a call is, and which way it goes.
// Included by cpu.cpp.

// What a panel may take: it is read from the second-level cache.
constexpr int64_t panel_bytes = 192 << 10;

// Of channels that are computed in one call, where cells outside are left out.
constexpr int64_t in_place_vectors = 4;

// One call: out[o] = sum over taps of weight * x[i], read from x to out forward or backward.
struct Problem {
  View x, weight, out;
  int64_t groups, inputs, outputs;  // channels per group that are read and written
  Axes axes;
  bool backward;
  bool sums = false;  // over the outputs, into the weight: out is a gradient that is read
  bool planes = false, direct = false;  // the arrangement, which `arrange` chooses
  bool collects = false;  // outputs are channels of planes, which are transposed at the end
  bool bare = false;      // a panel of channels has no zeros around its cells

  bool operator==(const Problem&) const = default;
  int64_t out_channels() const { return groups * outputs; }
  // Whether cells outside of the input are left out, for lack of zeros in their place.
  bool skips() const { return direct || bare; }
  Phases phases() const { return phases_of(axes, backward, planes || collects); }

  // Groups that a panel of planes holds: enough to be worth a task, few enough for the first-level
  // cache, and where channels lie side by side in memory, two cache lines of them; fewer where the
  // cells of one vector of outputs are many already.
  template <class A>
  int64_t bundle() const {
    constexpr int64_t most = 128 / sizeof(A);
    const int64_t few_weights = 8192 / (inputs * outputs * weight.cells());  // summed in vectors
    bool side_by_side = x.channel_stride == 1 || out.channel_stride == 1;
    int64_t wanted = side_by_side ? most / std::min(inputs, outputs)
                                  : 2048 / std::max(x.cells(), out.cells());
    const Axis& width = axes[2];
    const double reach = double(width.dilation) * double(width.kernel - 1) + 1;
    const double cells = double(axes[0].kernel) * double(axes[1].kernel) *
                         (reach + lanes<A> * std::min(double(width.stride), reach));
    const int64_t few_cells = int64_t(double(panel_bytes) / (cells * double(inputs) * sizeof(A)));
    return std::clamp<int64_t>(std::min({wanted, most, few_weights, few_cells}), 1, groups);
  }

  // Bytes of the weights of an output channel.
  template <class A>
  int64_t weight_bytes() const {
    return weight.cells() * inputs * int64_t(sizeof(A));
  }

  // Whether vectors of output channels hold whole groups without empty lanes.
  template <class A>
  bool groups_fill_vectors() const {
    return outputs % lanes<A> == 0 || (inputs == outputs && lanes<A> % outputs == 0);
  }

  // Whether the tiles of a matrix product do it faster, that of shuffled convolution without any
  // shuffle: one tap at each position, of groups. Not so for channels that are side by side
  // (`innermost`) if vectors hold several whole groups, nor for the sums of a small group's weights.
  template <class S>
  bool is_product(bool innermost) const {
    constexpr int64_t lane_count = lanes<Compute<S>>;
    if (groups == 1 || inputs * outputs == 1) return false;
    if (groups * std::max(inputs, outputs) > most_pointwise_channels) return false;
    for (const Axis& axis : axes)
      if (axis.kernel > 1 || axis.stride > 1 || axis.pad > 0 || axis.fine != axis.coarse)
        return false;
    if (sums) return 2 * std::max(inputs, outputs) > lane_count;
    if (!innermost) return true;
    const bool several = groups_fill_vectors<Compute<S>>() && outputs < lane_count;
    return !several && std::is_same_v<S, Compute<S>>;
  }

  // Whether rows of a depthwise convolution that nearly fill a vector are better moved in part than
  // transposed: those of few taps, or of maps that are more than a first-level cache holds transposed.
  template <class A>
  bool nearly_fills(int64_t width, int64_t span) const {
    const int64_t cells = out.cells();
    return masked_moves && inputs * outputs == 1 && !sums && cells >= 8 * span &&
           (weight.cells() <= 9 || cells > 2048) && 16 * width >= 13 * span;
  }

  // Whether rows of a vector and more are better transposed, of depthwise windows: each of their taps
  // costs planes the empty lanes of a row's last vector, and where sums are taken, what vectors of a
  // cache line lose that straddle two. Transposing costs more of maps beyond the first-level cache.
  template <class A>
  bool transposes_depthwise() const {
    for (const Axis& axis : axes)
      if (axis.stride > 1) return false;
    const int64_t width = out.size[2], cells = out.cells(), taps = weight.cells();
    const int64_t empty = rounded_up(width, lanes<A>) - width;
    if (!sums) return cells <= 2048 && taps * empty > 14 * width;
    const int64_t straddling = vector_bytes == 64 ? width / 5 : 0;
    return taps * (empty + straddling) > std::clamp<int64_t>(cells / 64, 10, 50) * width;
  }

  // Whether planes take less when their channels are transposed into vectors than in vectors along
  // their rows: of short rows those are empty in part, and small planes cost more than their cells.
  template <class A>
  bool transposes() const {
    if (out_channels() < lanes<A>) return false;
    const int64_t width = out.size[2], cells = out.cells(), taps = weight.cells();
    const bool full = groups_fill_vectors<A>();
    // Vectors of planes hold outputs of one residue: so many lie between the ends of one.
    const int64_t steps = backward ? axes[2].stride : 1, span = lanes<A> * steps;
    if (cells <= 4 * span) return true;
    if (nearly_fills<A>(width, span)) return false;
    if (width < (full || steps == 1 ? span : 3 * span / 4)) return true;
    if (steps > 1) return false;
    if (inputs * outputs == 1) return transposes_depthwise<A>();
    if (sums) {  // planes add to inputs * outputs * taps of them, vectors, which are read each time
      if (full && inputs * taps >= 48 && inputs >= 128 / registers) return true;
      return 2 * cells * (inputs + outputs) <=
             (full ? 7 : 3) * lanes<A> * inputs * outputs * taps;
    }
    return outputs % lanes<A> == 0 &&
           (rounded_up(width, lanes<A>) - width) * inputs * taps > 20 * width;
  }

  // Whether cells are read where they lie, in tiles of all their channels: nearly a walk through
  // memory in its order. The cells must hold what is computed in, a vector of it or more; the
  // weights of all channels, which every few positions read, must stay in the second-level cache.
  // Those that are summed are as many for each share of the tiles, which must have enough cells.
  template <class S>
  bool reads_in_place() const {
    if (planes || !std::is_same_v<S, Compute<S>>) return false;
    if (x.channels < lanes<S> || out_channels() < lanes<S>) return false;
    if (!groups_fill_vectors<S>()) return false;
    if (x.size[2] == 1 || x.stride[2] == 0) return false;  // borders are found by their addresses
    if (!fits_first_cache(sizeof(S))) return false;
    const int64_t bytes = weight_bytes<S>() * out_channels();
    const int64_t most = inputs == 1 ? 128 << 10 : sums ? 256 << 10 : 512 << 10;
    return bytes <= most && (!sums || bytes <= 256 * x.batch * out.cells());
  }

  // Whether cells of a row that are read again, for each input of a group or for the outputs of the
  // next row, stay there in between: those a multiple of 4 KiB apart share eight lines. Sums read them
  // from several rows; depthwise, once.
  bool fits_first_cache(int64_t bytes) const {
    return (sums && inputs == 1) || x.size[2] <= 8 ||
           std::gcd<int64_t>(x.stride[2] * bytes, 4096) <= (sums ? 1024 : 2048);
  }

  // Whether depthwise windows over maps are so wide that a panel of channels is better without zeros:
  // many of their cells are outside, and are left out. Wider ones are worth transposing planes.
  template <class A>
  bool spares_zeros(bool innermost) const {
    constexpr int64_t wide = 7 * 7, wider = 11 * 11;
    if (sums || inputs * outputs > 1 || groups < lanes<A>) return false;
    for (const Axis& axis : axes)
      if (axis.stride > 1 || axis.dilation > 1) return false;
    if (std::max({axes[0].fine, axes[0].coarse, axes[0].kernel}) > 1 || x.size[2] == 1) return false;
    return weight.cells() >= (innermost ? wide : wider);
  }

  // Of cells in place, so many vectors that lie side by side, how many vectors the first-level cache
  // (48 KiB, 12 ways) holds: distances that are multiples of powers of two leave them few places.
  template <class A>
  int64_t first_cache(int64_t vectors) const {
    constexpr int64_t line = 64, way = 4096, ways = 12;
    const int64_t apart = std::gcd(std::gcd(x.stride[1], x.stride[2]) * int64_t(sizeof(A)), way);
    return ways * std::min(way / line, way / apart * vectors);
  }

  // Whether the cells of a column of stacks push each other out of it before the next row of outputs.
  template <class A>
  bool crowds_first_cache() const {
    const int64_t vectors = std::min(in_place_vectors, x.channels / lanes<A>);
    const int64_t cells = axes[1].kernel * (full_stack + axes[2].kernel - 1);
    return cells * vectors > first_cache<A>(vectors);
  }

  // Positions of a stack that are summed over: half of them where cells and gradients of all would
  // crowd it twice over before the next input of a group meets them, and those of half about fit.
  template <class A>
  int64_t summed_positions() const {
    constexpr int64_t most = 64, half = most / 2;
    const int64_t rows = axes[0].kernel * axes[1].kernel + 1, room = first_cache<A>(1);
    const bool crowded = rows * most > 2 * room && rows * half * 3 <= room * 4;
    return direct && inputs > 1 && crowded && weight.cells() >= 9 && out.size[2] > half ? half : most;
  }

  // Output channels that are computed together: whole groups and vectors; a cache line, or more
  // where there are few weights.
  template <class A>
  int64_t unit_channels() const {
    const int64_t step = std::lcm<int64_t>(outputs, 64 / sizeof(A));
    const int64_t all = (out_channels() + step - 1) / step * step;
    if (direct) return all;
    const int64_t few_weights = (bare ? 8 << 10 : 4 << 10) / weight_bytes<A>();
    return std::min(all, std::max<int64_t>(few_weights / step, 1) * step);
  }

  // Input channels of a panel.
  template <class A>
  int64_t panel_channels() const {
    return planes ? bundle<A>() * inputs : unit_channels<A>() / outputs * inputs;
  }
  // Those, or as many output channels, whichever are more: a tile of either may be copied.
  template <class A>
  int64_t tile_channels() const {
    const int64_t read = panel_channels<A>();
    return std::max(read, read / inputs * outputs);
  }
};
