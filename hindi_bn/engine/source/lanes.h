/* Vectors of LANES channels, and the numbers that every part shares. */

#include <stddef.h>
#include <stdint.h>

#ifndef LANES
#define LANES 4
#endif

enum {
  C = 16,       /* channels of a map */
  CLASSES = 10, /* digits */
  TILES = 8,    /* tiles that are convolved together */
  ROW = 16,     /* most tiles in a row of a map */
  POINTS = 16,  /* values of a 4 x 4 patch, each the start of one matrix product */
  TAPS = 9      /* weights of a 3 x 3 kernel */
};

#define INLINE static inline __attribute__((always_inline))
#ifdef __wasm__ /* an unrolled product is slower there */
#define UNROLL _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif

typedef float lanes __attribute__((ext_vector_type(LANES)));
typedef double wide __attribute__((ext_vector_type(LANES)));
typedef int32_t flags __attribute__((ext_vector_type(LANES))); /* -1 where true */

INLINE lanes get(const float *from) { return *(const lanes *)from; }
INLINE void put(float *to, lanes x) { *(lanes *)to = x; }
INLINE void add(float *to, lanes x) { put(to, get(to) + x); }
INLINE void add_wide(double *to, const lanes sum[4]) {
  *(wide *)to += __builtin_convertvector((sum[0] + sum[1]) + (sum[2] + sum[3]), wide);
}
INLINE lanes all(float x) { return (lanes)x; }

INLINE lanes choose(flags yes, lanes x, lanes y) {
  return (lanes)((yes & (flags)x) | (~yes & (flags)y));
}
INLINE lanes zero_where(flags yes, lanes x) { return (lanes)(~yes & (flags)x); }

/* Both pass NaN on: a network that has diverged is to say so. */
INLINE lanes relu(lanes x) { return zero_where(x < all(0), x); }
INLINE lanes larger(lanes x, lanes y) { return choose((y > x) | (y != y), y, x); }
