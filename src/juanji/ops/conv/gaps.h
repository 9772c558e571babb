// The outputs that no tap meets, where a stride is larger than the kernel: they are the bias alone.
// Included by cpu.cpp.

// Whether the phases of an axis have all of its outputs.
inline bool meet_all(const std::vector<Phase>& phases, int64_t count) {
  int64_t met = 0;
  for (const Phase& phase : phases) met += phase.residues > 1 ? count : phase.count;
  return met == count;
}

// Whether one has it, for each output.
inline std::vector<bool> met_outputs(const std::vector<Phase>& phases, int64_t count) {
  std::vector<bool> met(size_t(count), false);
  for (const Phase& phase : phases)
    for (int64_t at = phase.first; at < count; at += phase.step)
      std::fill_n(met.begin() + at, std::min(phase.residues, count - at), true);
  return met;
}

// Rows that have such outputs are filled with the bias; the others are written over later.
template <class S>
void fill_gaps(const Problem& problem, const Phases& phases, const std::optional<View>& bias) {
  const View& out = problem.out;
  const bool whole_rows = meet_all(phases[2], out.size[2]);
  if (whole_rows && meet_all(phases[0], out.size[0]) && meet_all(phases[1], out.size[1])) return;
  const auto met_depths = met_outputs(phases[0], out.size[0]);
  const auto met_heights = met_outputs(phases[1], out.size[1]);
  const bool innermost = out.channel_stride == 1;  // then a cell is a row of the bias
  std::vector<S> biases(size_t(out.channels));
  for (int64_t c = 0; c < out.channels; ++c) biases[c] = narrow<S>(bias_at<S>(bias, c));
  const auto& [depths, heights, widths] = out.size;
  const int64_t planes = innermost ? 1 : out.channels, cell = innermost ? out.channels : 1;
  parallel(out.batch * planes * depths * heights, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t h = row % heights, d = row / heights % depths, plane = row / heights / depths;
      if (whole_rows && met_depths[d] && met_heights[h]) continue;
      const int64_t c = plane % planes;
      S* to = out.at<S>(plane / planes, c) + d * out.stride[0] + h * out.stride[1];
      if (cell == 1 && out.stride[2] == 1) std::fill_n(to, widths, biases[c]);
      else
        for (int64_t w = 0; w < widths; ++w) std::copy_n(&biases[c], cell, to + w * out.stride[2]);
    }
  }, widths * cell);
}
