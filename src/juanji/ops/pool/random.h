// Random numbers from counters: what an output draws depends on the seed and on its place alone, so
// on no order of threads and on no layout. reference.py has the same in Python.
#pragma once

#include "vector.h"

namespace juanji {
namespace {

struct Key {
  uint32_t first, second;
};

// The mixing of splitmix64: a slice, the outputs at one depth of a plane, gets 64 bits of its own.
inline Key slice_key(int64_t seed, int64_t slice) {
  uint64_t x = uint64_t(seed) + (uint64_t(slice) + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return {uint32_t(x), uint32_t(x >> 32)};
}

// Bits for as many numbers as a vector of A has.
template <class A>
using RandomBits = typename VectorOf<uint32_t, lanes<A>>::type;

template <class A>
inline RandomBits<A> counted() {
  RandomBits<A> numbers{};
  for (int lane = 0; lane < lanes<A>; ++lane) numbers[lane] = uint32_t(lane);
  return numbers;
}

// A finalizer of 32 bits: every bit of the place changes every bit of the number half of the time.
// The constants are of https://github.com/skeeto/hash-prospector, "two round functions".
template <class Bits>
inline Bits mix(Bits x) {
  x = (x ^ (x >> 16)) * 0x21f0aaad;
  x = (x ^ (x >> 15)) * 0xd35a2d97;
  return x ^ (x >> 15);
}

// In [0, 1), of as many bits as the type has: those of one place, or of two.
template <class A>
inline Vector<A> uniform(RandomBits<A> one, RandomBits<A> two) {
  using Signed = typename VectorOf<int32_t, lanes<A>>::type;  // converted faster
  auto number = [](RandomBits<A> bits) {
    return __builtin_convertvector(std::bit_cast<Signed>(bits), Vector<A>);
  };
  if constexpr (sizeof(A) == 4) return number(mix(one) >> 8) * 0x1p-24f;
  else return (number(mix(one) >> 5) * 0x1p26 + number(mix(two) >> 6)) * 0x1p-53;
}

// Outputs of a slice are counted in C order; their places go in steps of its own.
template <class Bits, class Output>
inline Bits place(Output output, Bits from, Bits step) {
  return from + output * (step | 1);
}

// The numbers of an output of several slices.
template <class A>
inline Vector<A> random_across(int64_t output, RandomBits<A> first, RandomBits<A> second) {
  return uniform<A>(place(uint32_t(output), first, second), place(uint32_t(output), second, first));
}

// Those of neighbouring outputs of a slice.
template <class A>
class RandomSlice {
  Key key{};
  RandomBits<A> one{}, two{};  // how far the lanes' places are from the first lane's

 public:
  RandomSlice() = default;
  explicit RandomSlice(Key key)
      : key(key), one(counted<A>() * (key.second | 1)), two(counted<A>() * (key.first | 1)) {}
  Vector<A> operator()(int64_t output) const {
    return uniform<A>(one + place(uint32_t(output), key.first, key.second),
                      two + place(uint32_t(output), key.second, key.first));
  }
};

}  // namespace
}  // namespace juanji
