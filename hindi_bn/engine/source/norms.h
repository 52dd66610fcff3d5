/* Norms: a map's statistics, what they make of it, and how slopes pass through them. */

/* The pixels of row y, at places `at`. Sums over pixels are four along a row, in turn; those of
   the rows are added in float64. */
#define ALONG_ROW(side, y, x, at) \
  for (int x = 0, at = (((y) + 1) * ((side) + 2) + 1) * C; x < (side); x++, at += C)

/* Mean and sum of squared deviations of each channel of a map. */
static void moments(const float *map, int side, double *mean, double *squares) {
  for (int lane = 0; lane < C; lane += LANES) {
    wide *middle = (wide *)(mean + lane);
    *middle = *(wide *)(squares + lane) = 0;
    for (int y = 0; y < side; y++) {
      lanes sum[4] = {0};
      ALONG_ROW(side, y, x, at) sum[x & 3] += get(map + at + lane);
      add_wide(mean + lane, sum);
    }
    *middle /= (double)(side * side);
    lanes about = __builtin_convertvector(*middle, lanes);
    for (int y = 0; y < side; y++) {
      lanes square[4] = {0};
      ALONG_ROW(side, y, x, at) {
        lanes less = get(map + at + lane) - about;
        square[x & 3] += less * less;
      }
      add_wide(squares + lane, square);
    }
  }
}

/* gamma and beta of convolution l's norm, or 1 and 0. */
static float gamma_of(const engine *e, int l, int c) {
  const float *gamma = e->at.values[EACH * l + GAMMA];
  return gamma ? gamma[c] : 1;
}

static void settle(const engine *e, int l, norm *n, int c, double mean, double variance) {
  const float *beta = e->at.values[EACH * l + BETA];
  double inverse = 1 / root(variance + e->shape.eps), scale = gamma_of(e, l, c) * inverse;
  n->mean[c] = (float)mean, n->inverse[c] = (float)inverse, n->scale[c] = (float)scale;
  n->shift[c] = (float)((beta ? beta[c] : 0) - mean * scale);
}

/* The norm over the batch, from its images' moments, and the running averages; when not training,
   from these. */
static void settle_batch(engine *e, int l) {
  double pixels = e->shape.side * e->shape.side, weight = e->shape.momentum;
  for (int c = 0; c < C; c++) {
    float *mean = &e->at.averages[2 * l][c], *variance = &e->at.averages[2 * l + 1][c];
    if (!e->training) {
      settle(e, l, &e->norms[l], c, *mean, *variance);
      continue;
    }
    double sum = 0, squares = 0, count = pixels * e->count;
    for (int i = 0; i < e->count; i++) sum += e->records[i].mean[l][c];
    double middle = sum / e->count;
    for (int i = 0; i < e->count; i++) {
      double less = e->records[i].mean[l][c] - middle;
      squares += e->records[i].squares[l][c] + pixels * (less * less);
    }
    settle(e, l, &e->norms[l], c, middle, squares / count);
    if (!e->update) continue;
    *mean = (float)((1 - weight) * *mean + weight * middle);
    *variance = (float)((1 - weight) * *variance + weight * (squares / (count - 1)));
  }
}

/* The norms of one image, over groups of channels. */
static void settle_image(const engine *e, int l, record *of) {
  int size = C / e->shape.groups;
  double pixels = e->shape.side * e->shape.side;
  for (int first = 0; first < C; first += size) {
    double sum = 0, squares = 0;
    for (int c = first; c < first + size; c++) sum += of->mean[l][c];
    double middle = sum / size;
    for (int c = first; c < first + size; c++) {
      double less = of->mean[l][c] - middle;
      squares += of->squares[l][c] + pixels * (less * less);
    }
    for (int c = first; c < first + size; c++)
      settle(e, l, &of->norms[l], c, middle, squares / (pixels * size));
  }
}

/* How the slopes of the batch bend, from the sums of its images. */
static void bend_batch(engine *e, int l) {
  norm *n = &e->norms[l];
  double count = (double)(e->shape.side * e->shape.side) * e->count;
  for (int c = 0; c < C; c++) {
    double sum = 0, moment = 0, inverse = n->inverse[c];
    for (int i = 0; i < e->count; i++) sum += e->records[i].sum[l][c];
    for (int i = 0; i < e->count; i++) moment += e->records[i].moment[l][c];
    n->level[c] = (float)(n->scale[c] * sum / count);
    n->bend[c] = (float)(n->scale[c] * inverse * inverse * moment / count);
  }
}

static void bend_image(const engine *e, int l, record *of) {
  norm *n = &of->norms[l];
  int size = C / e->shape.groups;
  double count = e->shape.side * e->shape.side * size;
  for (int first = 0; first < C; first += size) {
    double sum = 0, moment = 0, inverse = n->inverse[first];
    for (int c = first; c < first + size; c++) {
      double gamma = gamma_of(e, l, c);
      sum += gamma * of->sum[l][c], moment += gamma * of->moment[l][c];
    }
    for (int c = first; c < first + size; c++) {
      n->level[c] = (float)(inverse * sum / count);
      n->bend[c] = (float)(inverse * inverse * inverse * moment / count);
    }
  }
}

static norm *norm_of(engine *e, int image, int l) {
  return e->shape.norm == OVER_BATCH ? &e->norms[l] : &e->records[image].norms[l];
}
