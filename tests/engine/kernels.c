/* The engine's kernels one by one, for tests. */

#include "lanes.h"

#include "arithmetic.h"
#include "convolution.h"

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static _Alignas(64) float forward[POINTS * C * C], backward[POINTS * C * C];
static _Alignas(64) float v[POINTS * ROW * C], m[POINTS * ROW * C], sums[POINTS * C * C];

/* `turned`: by the kernels of the way back, which map slopes of what came out to what went in. */
EXPORT void test_convolve(const float *map, const float *weights, const float *bias, int turned,
                          int rectify, int side, float *out) {
  kernels(weights, forward, backward);
  convolve(map, turned ? backward : forward, bias, rectify, side, out, v, m);
}

EXPORT void test_slopes(const float *map, const float *slopes, int side, float *to) {
  for (int i = 0; i < POINTS * C * C; i++) sums[i] = 0;
  for (int i = 0; i < POINTS * ROW * C; i++) v[i] = m[i] = 0;
  convolve_slopes(map, slopes, side, sums, v, m);
  for (int out = 0; out < C; out++)
    for (int in = 0; in < C; in++) kernel_slopes(sums + in * C + out, to + (out * C + in) * TAPS);
}

EXPORT void test_first(const float *pixels, const float *weights, const float *bias, int side,
                       float *out) {
  convolve_first(pixels, weights, bias, 0, side, out);
}

EXPORT void test_first_slopes(const float *pixels, const float *slopes, int side, float *to) {
  for (int i = 0; i < TAPS * C; i++) to[i] = 0;
  convolve_first_slopes(pixels, slopes, side, to);
}

EXPORT double test_exponential(double x) { return exponential(x); }
EXPORT double test_logarithm(double x) { return logarithm(x); }
EXPORT void test_larger(const float *x, const float *y, float *to) {
  put(to, larger(get(x), get(y)));
  put(to + C, relu(get(x)));
}
