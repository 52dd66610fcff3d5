/* What one image goes through, forward and backward. */

/* Copies an image (side, side) into a border of zeros. */
static void frame(const engine *e, int image, float *to) {
  int side = e->shape.side;
  const float *from = e->images + (size_t)image * side * side;
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) to[(y + 1) * (side + 2) + x + 1] = from[y * side + x];
}

/* What convolution l passes on: norm and ReLU of its map, in the thread's room; or the map. */
static const float *passed_on(engine *e, room *r, slot *s, int image, int l) {
  const float *map = s->maps[l];
  if (e->shape.norm == NO_NORM) return map;
  const norm *n = norm_of(e, image, l);
  for (int lane = 0; lane < C; lane += LANES) {
    lanes scale = get(n->scale + lane), shift = get(n->shift + lane);
    for (int y = 0; y < e->shape.side; y++)
      ALONG_ROW(e->shape.side, y, x, at) {
        lanes out = get(map + at + lane) * scale + shift;
        put(r->map + at + lane, e->shape.after ? out : relu(out));
      }
  }
  return r->map;
}

static void forward(engine *e, room *r, slot *s, int image, int l) {
  record *of = &e->records[image];
  int rectify = e->shape.norm == NO_NORM || e->shape.after, side = e->shape.side;
  const float *bias = e->at.values[EACH * l + BIAS];
  if (l) {
    const float *in = passed_on(e, r, s, image, l - 1);
    convolve(in, e->forward[l], bias, rectify, side, s->maps[l], r->v, r->m);
  } else {
    frame(e, image, r->pixels);
    convolve_first(r->pixels, e->first, bias, rectify, side, s->maps[0]);
  }
  if (e->shape.norm == OVER_IMAGE || (e->shape.norm == OVER_BATCH && e->training))
    moments(s->maps[l], side, of->mean[l], of->squares[l]);
  if (e->shape.norm == OVER_IMAGE) settle_image(e, l, of);
}

/* 2 x 2 pooling: map -> (pooled, C). */
static void pool(const engine *e, const float *map, float *to) {
  int side = e->shape.side, row = (side + 2) * C;
  for (int y = 0; y < side; y += 2)
    for (int x = 0; x < side * C / 2; x += LANES, to += LANES) {
      const float *at = map + (y + 1) * row + (2 * (x / C) + 1) * C + x % C;
      lanes a = get(at), b = get(at + C), c = get(at + row), d = get(at + row + C);
      put(to, e->shape.average ? ((a + b) + (c + d)) * all(0.25f)
                               : larger(larger(a, b), larger(c, d)));
    }
}

/* The linear layer: 16 sums per class over the pooled pixels, added in pairs. */
static void classify(const engine *e, const float *pooled, float *logits) {
  _Alignas(64) float sums[CLASSES][C];
  for (int lane = 0; lane < C; lane += LANES) {
    lanes sum[CLASSES] = {0};
    for (int p = 0; p < e->pooled; p++)
      for (int k = 0; k < CLASSES; k++)
        sum[k] += get(pooled + p * C + lane) * get(e->linear + (p * CLASSES + k) * C + lane);
    for (int k = 0; k < CLASSES; k++) put(sums[k] + lane, sum[k]);
  }
  for (int k = 0; k < CLASSES; k++) {
    for (int half = C / 2; half; half /= 2)
      for (int c = 0; c < half; c++) sums[k][c] += sums[k][c + half];
    logits[k] = sums[k][0] + e->at.values[EACH * e->shape.convolutions + BIAS][k];
  }
}

/* Loss, right answer (the first of the largest logits) and the slopes of the mean loss. */
static void judge(const engine *e, int64_t label, record *of) {
  int best = 0;
  for (int k = 1; k < CLASSES; k++) best = of->logits[k] > of->logits[best] ? k : best;
  double powers[CLASSES], sum = 0, top = of->logits[best], none = 0;
  for (int k = 0; k < CLASSES; k++) sum += powers[k] = exponential(of->logits[k] - top);
  of->loss = label < 0 || label >= CLASSES ? none / none : logarithm(sum) - (of->logits[label] - top);
  of->right = best == label;
  for (int k = 0; k < CLASSES; k++)
    of->slopes[k] = (float)((powers[k] / sum - (k == label)) / e->count);
}

/* ---- backward ------------------------------------------------------------------------------ */

/* The slopes of what the last convolution passes on, through linear layer and pooling; of the
   largest of four, the first one gets them all. */
static void unpool(const engine *e, const record *of, const float *map, const float *pooled, float *to) {
  int side = e->shape.side, row = (side + 2) * C;
  for (int p = 0; p < e->pooled; p++) {
    int corner = (p / (side / 2) * 2 + 1) * row + (p % (side / 2) * 2 + 1) * C;
    for (int lane = 0; lane < C; lane += LANES) {
      const float *weights = e->linear + p * CLASSES * C + lane, *at = map + corner + lane;
      float *out = to + corner + lane;
      lanes slope = all(of->slopes[0]) * get(weights), most = get(pooled + p * C + lane);
      for (int k = 1; k < CLASSES; k++) slope += all(of->slopes[k]) * get(weights + k * C);
      for (int i = 0; i < 4; i++) {
        int pixel = (i >> 1) * row + (i & 1) * C;
        if (e->shape.average) {
          put(out + pixel, slope * all(0.25f));
          continue;
        }
        flags here = get(at + pixel) == most;
        put(out + pixel, zero_where(~here, slope));
        slope = zero_where(here, slope);
      }
    }
  }
}

/* From the slopes of what convolution l passes on to those of its norm's output, and their sums;
   without a norm, to those of the convolution, whose sum its bias has. */
static void collect(engine *e, slot *s, int image, int l, const float *from) {
  record *of = &e->records[image];
  int with = e->shape.norm != NO_NORM, after = e->shape.after;
  const norm *n = norm_of(e, image, l);
  for (int lane = 0; lane < C; lane += LANES) {
    lanes mean = get(n->mean + lane), scale = get(n->scale + lane), shift = get(n->shift + lane);
    double *sums = (with ? of->sum[l] : of->bias[l]) + lane, *moments = of->moment[l] + lane;
    *(wide *)sums = *(wide *)moments = 0;
    for (int y = 0; y < e->shape.side; y++) {
      lanes sum[4] = {0}, moment[4] = {0};
      ALONG_ROW(e->shape.side, y, x, at) {
        lanes slope = get(from + at + lane), value = get(s->maps[l] + at + lane);
        if (!with) slope = zero_where(value <= all(0), slope);
        else if (!after) slope = zero_where(value * scale + shift <= all(0), slope);
        put(s->slopes + at + lane, slope);
        sum[x & 3] += slope;
        if (with) moment[x & 3] += slope * (value - mean);
      }
      add_wide(sums, sum);
      add_wide(moments, moment);
    }
  }
  if (e->shape.norm == OVER_IMAGE) bend_image(e, l, of);
}

/* From the slopes of a norm's output to those of its convolution, in place, and their sum. */
static void through_norm(engine *e, slot *s, int image, int l) {
  if (e->shape.norm == NO_NORM) return;
  const norm *n = norm_of(e, image, l);
  for (int lane = 0; lane < C; lane += LANES) {
    lanes scale = get(n->scale + lane), mean = get(n->mean + lane);
    lanes bend = get(n->bend + lane), level = get(n->level + lane);
    double *sums = e->records[image].bias[l] + lane;
    *(wide *)sums = 0;
    for (int y = 0; y < e->shape.side; y++) {
      lanes sum[4] = {0};
      ALONG_ROW(e->shape.side, y, x, at) {
        lanes value = get(s->maps[l] + at + lane);
        lanes slope = get(s->slopes + at + lane) * scale - (value - mean) * bend - level;
        if (e->shape.after) slope = zero_where(value <= all(0), slope);
        put(s->slopes + at + lane, slope);
        sum[x & 3] += slope;
      }
      add_wide(sums, sum);
    }
  }
}

static void backward(engine *e, room *r, slot *s, int group, int image, int l) {
  int side = e->shape.side;
  through_norm(e, s, image, l);
  if (l) {
    const float *in = passed_on(e, r, s, image, l - 1);
    convolve_slopes(in, s->slopes, side, e->sums[group][l], r->v_row, r->d_row);
    convolve(s->slopes, e->backward[l], e->zeros, 0, side, r->slopes, r->v, r->m);
    collect(e, s, image, l - 1, r->slopes);
  } else {
    frame(e, image, r->pixels);
    convolve_first_slopes(r->pixels, s->slopes, side, e->sums[group][0]);
  }
}
