// Random numbers from counters: what output (plane, d, h, w) draws depends on the seed and on its
// place alone, so on no order of threads and on no layout. reference.py has the same in Python.
#pragma once

#include "vector.h"

namespace juanji {
namespace {

struct Key {
  uint32_t first, second;
};

// The mixing of splitmix64: a row of outputs gets 64 bits of its own.
inline Key row_key(int64_t seed, int64_t row) {
  uint64_t x = uint64_t(seed) + (uint64_t(row) + 1) * 0x9e3779b97f4a7c15;
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

// Two rounds of the finalizer of MurmurHash3, a key added before each.
template <class Bits>
inline Bits mix(Bits x, Bits first, Bits second) {
  for (Bits key : {first, second}) {
    x += key;
    x = (x ^ (x >> 16)) * 0x85ebca6b;
    x = (x ^ (x >> 13)) * 0xc2b2ae35;
    x ^= x >> 16;
  }
  return x;
}

// In [0, 1), of as many bits as the type has.
template <class A>
inline Vector<A> uniform(RandomBits<A> column, RandomBits<A> first, RandomBits<A> second) {
  using Signed = typename VectorOf<int32_t, lanes<A>>::type;  // converted faster
  auto number = [](RandomBits<A> bits) {
    return __builtin_convertvector(std::bit_cast<Signed>(bits), Vector<A>);
  };
  RandomBits<A> x = mix(column, first, second);
  if constexpr (sizeof(A) == 4) return number(x >> 8) * 0x1p-24f;
  else return (number(x >> 5) * 0x1p26 + number(mix(column, second, first) >> 6)) * 0x1p-53;
}

}  // namespace
}  // namespace juanji
