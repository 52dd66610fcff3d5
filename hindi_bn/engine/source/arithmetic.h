/* exp, log and square root without a library, which would round differently from place to place. */

/* e to the x for x <= 0, to about 2e-16 of it; NaN stays NaN. */
static double exponential(double x) {
  if (!(x > -700)) return x != x ? x : 0;
  int power = (int)(x * 1.4426950408889634 - 0.5);
  double r = x - power * 0.693147180369123816490 - power * 1.90821492927058770002e-10;
  double sum = 1;
  for (int n = 13; n > 0; n--) sum = 1 + sum * r / n;
  union { uint64_t bits; double value; } scale = {(uint64_t)(power + 1023) << 52};
  return sum * scale.value;
}

/* The natural logarithm of x from 1 to 2^1000, to about 2e-16; NaN stays NaN. */
static double logarithm(double x) {
  if (!(x < 1e300)) return x;
  union { double value; uint64_t bits; } parts = {x};
  int power = (int)(parts.bits >> 52) - 1023;
  parts.bits = (parts.bits & 0xFFFFFFFFFFFFF) | ((uint64_t)1023 << 52);
  if (parts.value > 1.4142135623730951) parts.value *= 0.5, power++;
  double t = (parts.value - 1) / (parts.value + 1), square = t * t, sum = 0;
  for (int n = 21; n > 0; n -= 2) sum = sum * square + 1.0 / n;
  return power * 0.693147180559945309417 + 2 * t * sum;
}

INLINE double root(double x) { return __builtin_sqrt(x); } /* IEEE: correctly rounded */
