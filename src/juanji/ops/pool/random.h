// Random numbers from counters: what output (plane, d, h, w) draws depends on the seed and on its
// place alone, so on no order of threads and on no layout. reference.py has the same in Python.
#pragma once

#include <cstdint>

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

// Two rounds of the finalizer of MurmurHash3, a key added before each.
inline uint32_t mix(uint32_t x, uint32_t first, uint32_t second) {
  for (uint32_t key : {first, second}) {
    x += key;
    x = (x ^ (x >> 16)) * 0x85ebca6b;
    x = (x ^ (x >> 13)) * 0xc2b2ae35;
    x ^= x >> 16;
  }
  return x;
}

// In [0, 1), of as many bits as the type has.
template <class A>
inline A uniform(uint32_t column, uint32_t first, uint32_t second) {
  uint32_t x = mix(column, first, second);
  if constexpr (sizeof(A) == 4) return A(int32_t(x >> 8)) * 0x1p-24f;
  uint32_t y = mix(column, second, first);
  return (A(int32_t(x >> 5)) * 0x1p26 + A(int32_t(y >> 6))) * 0x1p-53;
}

}  // namespace
}  // namespace juanji
