/* The convolution of 16 channels with 16, 3 x 3, by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray
   2016): 16 products of small matrices in place of 36 multiplications per tile.

   With x a 4 x 4 patch, w a kernel and y the 2 x 2 results, per pair of channels:
     V = B' x B,  U = G w G',  y = A' (V . U summed over input channels) A
     B' = 1 0 -1 0    G = 1  0  0    A' = 1 1  1  0
          0 1  1 0        ½  ½  ½         0 1 -1 -1
          0 -1 1 0        ½ -½  ½
          0 1  0 -1       0  0  1
   Multiplications by ½ are exact. */

/* One column of a patch, downwards: B' times the four values below `from`, `row` floats apart. */
INLINE void downwards(const float *from, int row, lanes to[4]) {
  lanes x0 = get(from), x1 = get(from + row), x2 = get(from + 2 * row), x3 = get(from + 3 * row);
  to[0] = x0 - x2, to[1] = x1 + x2, to[2] = x2 - x1, to[3] = x1 - x3;
}

/* V of `tiles` tiles side by side: map rows `row` floats apart -> to (POINTS, slots, C). Tiles
   share two columns with the next, which are taken over. */
INLINE void patches(const float *map, int row, int tiles, int slots, float *to) {
  for (int lane = 0; lane < C; lane += LANES) {
    lanes a[4], b[4], c[4], d[4];
    downwards(map + lane, row, a);
    downwards(map + C + lane, row, b);
    for (int tile = 0; tile < tiles; tile++) {
      const float *next = map + (2 * tile + 2) * C + lane;
      downwards(next, row, c);
      downwards(next + C, row, d);
      for (int i = 0; i < 4; i++) {
        float *at = to + (4 * i * slots + tile) * C + lane;
        put(at, a[i] - c[i]);
        put(at + slots * C, b[i] + c[i]);
        put(at + 2 * slots * C, c[i] - b[i]);
        put(at + 3 * slots * C, b[i] - d[i]);
        a[i] = c[i], b[i] = d[i];
      }
    }
  }
}

/* Sums over input channels, from the first to the last: v (TILES, C) times u (C, C) -> to
   (TILES, C). A block of ROWS x COLS vectors of sums stays in registers. */
#define ROWS (LANES == 16 ? 8 : 4)
#define COLS (LANES == 16 ? 1 : 2)
INLINE void product(const float *v, const float *u, float *to) {
  for (int lane = 0; lane < C; lane += COLS * LANES)
    for (int tile = 0; tile < TILES; tile += ROWS) {
      const float *left = v + tile * C;
      lanes sum[ROWS][COLS];
      for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
          sum[r][c] = all(left[r * C]) * get(u + lane + c * LANES);
      UNROLL for (int in = 1; in < C; in++)
        for (int r = 0; r < ROWS; r++)
          for (int c = 0; c < COLS; c++)
            sum[r][c] += all(left[r * C + in]) * get(u + in * C + lane + c * LANES);
      for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) put(to + (tile + r) * C + lane + c * LANES, sum[r][c]);
    }
}

/* y = A' m A, plus the bias, after a ReLU if asked: m (POINTS, TILES, C) -> 2 x 2 pixels a tile. */
INLINE void results(const float *m, const float *bias, int rectify, int row, float *map) {
  for (int lane = 0; lane < C; lane += LANES)
    for (int tile = 0; tile < TILES; tile++) {
      lanes up[4], down[4], b = get(bias + lane);
      for (int j = 0; j < 4; j++) {
        const float *at = m + (j * TILES + tile) * C + lane;
        lanes m0 = get(at), m1 = get(at + 4 * TILES * C), m2 = get(at + 8 * TILES * C);
        lanes m3 = get(at + 12 * TILES * C);
        up[j] = m0 + m1 + m2, down[j] = m1 - m2 - m3;
      }
      lanes y[4] = {up[0] + up[1] + up[2] + b, up[1] - up[2] - up[3] + b,
                    down[0] + down[1] + down[2] + b, down[1] - down[2] - down[3] + b};
      float *to = map + 2 * tile * C + lane;
      for (int i = 0; i < 4; i++) put(to + (i >> 1) * row + (i & 1) * C, rectify ? relu(y[i]) : y[i]);
    }
}

/* A whole map: in, out (side + 2, side + 2, C), u (POINTS, C, C), bias (C); rooms of
   (POINTS, TILES, C) each. Where a row has fewer than 16 tiles, some are computed twice. */
static void convolve(const float *in, const float *u, const float *bias, int rectify, int side,
                     float *out, float *v, float *m) {
  int row = (side + 2) * C, last = side / 2 - TILES;
  for (int y = 0; y < side; y += 2)
    for (int block = 0; block < 2; block++) {
      int tile = block ? last : 0, x = y * row + 2 * tile * C;
      if (block && !last) break;
      patches(in + x, row, TILES, TILES, v);
      for (int p = 0; p < POINTS; p++)
        product(v + p * TILES * C, u + p * C * C, m + p * TILES * C);
      results(m, bias, rectify, row, out + x + row + C);
    }
}

/* A d A' of the 2 x 2 slopes of each tile of a row, without the sign of its last row and column
   (see `kernel_slopes`): map -> to (POINTS, ROW, C). */
INLINE void slope_patches(const float *map, int row, int tiles, float *to) {
  for (int lane = 0; lane < C; lane += LANES)
    for (int tile = 0; tile < tiles; tile++) {
      const float *at = map + 2 * tile * C + lane;
      lanes a = get(at), b = get(at + C), c = get(at + row), d = get(at + row + C);
      lanes left[4] = {a, a + c, a - c, c}, right[4] = {b, b + d, b - d, d};
      for (int i = 0; i < 4; i++) {
        float *point = to + (4 * i * ROW + tile) * C + lane;
        put(point, left[i]);
        put(point + ROW * C, left[i] + right[i]);
        put(point + 2 * ROW * C, left[i] - right[i]);
        put(point + 3 * ROW * C, right[i]);
      }
    }
}

/* Adds to `to` (C, C) the sum over the tiles of a row: v (ROW, C) turned, times d (ROW, C). */
INLINE void outer_product(const float *v, const float *d, float *to) {
  for (int lane = 0; lane < C; lane += COLS * LANES)
    for (int in = 0; in < C; in += ROWS) {
      lanes sum[ROWS][COLS];
      for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) sum[r][c] = all(v[in + r]) * get(d + lane + c * LANES);
      UNROLL for (int tile = 1; tile < ROW; tile++)
        for (int r = 0; r < ROWS; r++)
          for (int c = 0; c < COLS; c++)
            sum[r][c] += all(v[tile * C + in + r]) * get(d + tile * C + lane + c * LANES);
      for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) add(to + (in + r) * C + lane + c * LANES, sum[r][c]);
    }
}

/* Adds the slopes of U to `to` (POINTS, C, C), row of tiles by row of tiles: from the maps that
   went in and the slopes of what came out; rooms of (POINTS, ROW, C), zero beyond the row's end. */
static void convolve_slopes(const float *in, const float *slopes, int side, float *to, float *v,
                            float *d) {
  int row = (side + 2) * C;
  for (int y = 0; y < side; y += 2) {
    patches(in + y * row, row, side / 2, ROW, v);
    slope_patches(slopes + (y + 1) * row + C, row, side / 2, d);
    for (int p = 0; p < POINTS; p++)
      outer_product(v + p * ROW * C, d + p * ROW * C, to + p * C * C);
  }
}

/* U = G w G' of torch's weights (out, in, 3, 3) -> forward (POINTS, in, out), and of the turned
   kernels, for slopes: backward (POINTS, out, in). Turning swaps the first and last of G's rows. */
static void kernels(const float *weights, float *forward, float *backward) {
  for (int out = 0; out < C; out++)
    for (int in = 0; in < C; in++) {
      const float *w = weights + (out * C + in) * TAPS;
      float rows[4][3];
      for (int j = 0; j < 3; j++) {
        float ends = w[j] + w[6 + j];
        rows[0][j] = w[j], rows[3][j] = w[6 + j];
        rows[1][j] = 0.5f * (ends + w[3 + j]), rows[2][j] = 0.5f * (ends - w[3 + j]);
      }
      for (int i = 0; i < 4; i++) {
        float ends = rows[i][0] + rows[i][2], middle = rows[i][1];
        float u[4] = {rows[i][0], 0.5f * (ends + middle), 0.5f * (ends - middle), rows[i][2]};
        for (int j = 0; j < 4; j++) {
          int turned = 4 * (i % 3 ? i : 3 - i) + (j % 3 ? j : 3 - j);
          forward[((4 * i + j) * C + in) * C + out] = u[j];
          backward[(turned * C + out) * C + in] = u[j];
        }
      }
    }
}

/* G' s G, the slopes of a 3 x 3 kernel from those of its U: s (POINTS, in, out) at one (in, out),
   whose last row and column have the other sign. */
INLINE void kernel_slopes(const float *s, float to[TAPS]) {
  float rows[3][4];
  for (int j = 0; j < 4; j++) {
    float s0 = s[j * C * C], s1 = s[(4 + j) * C * C], s2 = s[(8 + j) * C * C];
    float half = 0.5f * (s1 + s2);
    rows[0][j] = s0 + half, rows[1][j] = 0.5f * (s1 - s2), rows[2][j] = half - s[(12 + j) * C * C];
  }
  for (int i = 0; i < 3; i++) {
    float half = 0.5f * (rows[i][1] + rows[i][2]);
    to[3 * i] = rows[i][0] + half, to[3 * i + 1] = 0.5f * (rows[i][1] - rows[i][2]);
    to[3 * i + 2] = half - rows[i][3];
  }
}

/* The first convolution, of one channel: pixels (side + 2, side + 2), weights (TAPS, C) -> map. */
static void convolve_first(const float *pixels, const float *weights, const float *bias,
                           int rectify, int side, float *map) {
  int row = (side + 2) * C;
  for (int lane = 0; lane < C; lane += LANES) {
    lanes w[TAPS], b = get(bias + lane);
    for (int tap = 0; tap < TAPS; tap++) w[tap] = get(weights + tap * C + lane);
    for (int y = 0; y < side; y++)
      for (int x = 0; x < side; x++) {
        const float *at = pixels + y * (side + 2) + x;
        lanes sum = b;
        for (int tap = 0; tap < TAPS; tap++) sum += all(at[tap / 3 * (side + 2) + tap % 3]) * w[tap];
        put(map + (y + 1) * row + (x + 1) * C + lane, rectify ? relu(sum) : sum);
      }
  }
}

/* Adds its weights' slopes to `to` (TAPS, C), row of pixels by row of pixels. */
static void convolve_first_slopes(const float *pixels, const float *slopes, int side, float *to) {
  int row = (side + 2) * C;
  for (int lane = 0; lane < C; lane += LANES)
    for (int y = 0; y < side; y++) {
      lanes sum[TAPS] = {0};
      for (int x = 0; x < side; x++) {
        const float *at = pixels + y * (side + 2) + x;
        lanes slope = get(slopes + (y + 1) * row + (x + 1) * C + lane);
        for (int tap = 0; tap < TAPS; tap++) sum[tap] += all(at[tap / 3 * (side + 2) + tap % 3]) * slope;
      }
      for (int tap = 0; tap < TAPS; tap++) add(to + tap * C + lane, sum[tap]);
    }
}
