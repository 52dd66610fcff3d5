/* Trains the article's networks, with the same bits on every processor and in the browser.

   1 x side x side image -> convolutions of 16 channels (3 x 3, zero border), each with a norm and a
   ReLU -> 2 x 2 pooling -> linear layer -> 10 logits -> mean cross entropy -> SGD.

   The bits depend on nothing but the numbers: IEEE additions, multiplications, divisions and square
   roots in one fixed order (docs/engine.md), no contraction, no library function. LANES channels
   are computed at once; every sum runs over something else, so their number changes no bit.
   Threads share whole groups of images, and what the groups give is added in their order.

   A map is stored pixel by pixel, its 16 channels together, with a border of zeros:
   (side + 2, side + 2, C). Its slopes are the loss's derivatives, stored alike. The network's
   parameters stay where the caller has them, in torch's layout; the engine allocates nothing. */

#include "lanes.h"

#include "arithmetic.h"
#include "convolution.h"
#include "team.h"

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { MOST = 8 /* convolutions */, GROUPS = 8 /* of images, each with sums of its own */ };
enum { NO_NORM, OVER_BATCH, OVER_IMAGE };

/* What the caller says of a network. */
typedef struct {
  int32_t side;         /* of an image: even, 16 to 32 */
  int32_t convolutions; /* 1 to MOST */
  int32_t norm;         /* NO_NORM, OVER_BATCH or OVER_IMAGE */
  int32_t groups;       /* of channels that share a mean, over an image: 1, 2, 4, 8 or 16 */
  int32_t after;        /* the norm after the ReLU */
  int32_t average;      /* pooling by the mean, else by the largest */
  int32_t images;       /* most in a training step */
  int32_t tested;       /* most in an evaluation */
  int32_t threads;
  float eps, momentum;  /* of the norm; momentum: the batch's weight in the running averages */
} shape;

/* Where the network's numbers are: of convolution l at [4 l ..] weight (C, C or 1, 3, 3), bias,
   gamma, beta (C), the last two null without; then the linear layer's weight (CLASSES, C * pooled
   pixels) and bias. Velocities and gradients alike, or null; averages: mean and variance of each. */
typedef struct {
  float **values, **velocities, **gradients, **averages;
} tensors;

enum { WEIGHT, BIAS, GAMMA, BETA, EACH };

/* A norm at work: out = x * scale + shift; slopes of x = slopes of out * scale - (x - mean) * bend
   - level. */
typedef struct {
  float mean[C], inverse[C], scale[C], shift[C], bend[C], level[C];
} norm;

/* What is kept of each image: of each norm's input its mean and sum of squared deviations; the sum
   of the slopes of the norm's output, and of these times (x - mean); of the convolution's. */
typedef struct {
  _Alignas(128) double mean[MOST][C], squares[MOST][C], sum[MOST][C], moment[MOST][C], bias[MOST][C];
  norm norms[MOST];
  float logits[ROW], slopes[ROW];
  double loss;
  int32_t right;
} record;

/* Maps of an image: what each norm reads (without one: what each ReLU gives), and slopes. */
typedef struct {
  float *maps[MOST], *slopes;
} slot;

/* A thread's own room. */
typedef struct {
  float *pixels, *map, *slopes, *v, *m, *v_row, *d_row;
  slot slot;
} room;

struct engine {
  shape shape;
  team team;
  tensors at;
  const float *images;
  const int64_t *labels;
  float lr, sgd_momentum;
  int32_t count, training, back, update, stage, pooled; /* back: slopes too, not the loss alone */
  float *first, *forward[MOST], *backward[MOST], *linear; /* weights as the kernels read them */
  float *pools;                                           /* (images, pooled, C) */
  float *sums[GROUPS][MOST];                              /* slopes of each group's images */
  float zeros[C] __attribute__((aligned(64)));
  norm norms[MOST]; /* over the batch */
  record *records;
  slot *slots;
  room *rooms;
};

/* ---- memory -------------------------------------------------------------------------------- */

enum { ALIGNED = 128 /* bytes: the widest vector */ };

static void *reserve(char *memory, size_t *used, size_t bytes) {
  size_t start = (*used + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
  *used = start + bytes;
  return memory ? memory + start : 0;
}

/* Lays the engine out in `memory`, or counts its bytes when that is null. */
static size_t lay_out(const shape *s, char *memory) {
  size_t used = 0, map = sizeof(float) * (s->side + 2) * (s->side + 2) * C;
  int pooled = s->side * s->side / 4, slots = s->norm == OVER_BATCH ? s->images : 0;
  size_t most = s->images > s->tested ? s->images : s->tested;
  engine *e = reserve(memory, &used, sizeof(engine)), none;
  if (!e) e = &none;
#define FLOATS(count) reserve(memory, &used, sizeof(float) * (count))
  e->first = FLOATS(TAPS * C);
  for (int l = 1; l < s->convolutions; l++)
    e->forward[l] = FLOATS(POINTS * C * C), e->backward[l] = FLOATS(POINTS * C * C);
  e->linear = FLOATS(CLASSES * pooled * C);
  e->pools = FLOATS(most * pooled * C);
  for (int g = 0; g < GROUPS; g++)
    for (int l = 0; l < s->convolutions; l++)
      e->sums[g][l] = FLOATS((l ? POINTS * C : TAPS) * C);
  e->records = reserve(memory, &used, sizeof(record) * most);
  e->rooms = reserve(memory, &used, sizeof(room) * s->threads);
  e->slots = reserve(memory, &used, sizeof(slot) * slots);
  for (int i = 0; i < s->threads + slots; i++) {
    slot other, *maps = &other;
    if (memory) maps = i < slots ? &e->slots[i] : &e->rooms[i - slots].slot;
    for (int l = 0; l < s->convolutions; l++) maps->maps[l] = reserve(memory, &used, map);
    maps->slopes = reserve(memory, &used, map);
  }
  for (int i = 0; i < s->threads; i++) {
    room other, *r = memory ? &e->rooms[i] : &other;
    r->pixels = FLOATS((s->side + 2) * (s->side + 2));
    r->map = reserve(memory, &used, map), r->slopes = reserve(memory, &used, map);
    r->v = FLOATS(POINTS * TILES * C), r->m = FLOATS(POINTS * TILES * C);
    r->v_row = FLOATS(POINTS * ROW * C), r->d_row = FLOATS(POINTS * ROW * C);
  }
#undef FLOATS
  return used;
}

#include "norms.h"

#include "image.h"

/* ---- a batch -------------------------------------------------------------------------------- */

/* Stage l: convolution l forward. Stage L: what follows, and back to the last convolution's norm.
   Stage L + 1 + l: backward through convolution L - 1 - l. */
static void one_stage(engine *e, int thread, int group, int image, int stage) {
  room *r = &e->rooms[thread];
  int layers = e->shape.convolutions, coupled = e->shape.norm == OVER_BATCH && e->training;
  slot *s = coupled ? &e->slots[image] : &r->slot;
  record *of = &e->records[image];
  if (stage < layers) {
    forward(e, r, s, image, stage);
  } else if (stage > layers) {
    backward(e, r, s, group, image, 2 * layers - stage);
  } else {
    const float *map = passed_on(e, r, s, image, layers - 1);
    float *pooled = e->pools + (size_t)image * e->pooled * C;
    pool(e, map, pooled);
    classify(e, pooled, of->logits);
    judge(e, e->labels[image], of);
    if (!e->back) return;
    unpool(e, of, map, pooled, s->slopes);
    collect(e, s, image, layers - 1, s->slopes);
  }
}

/* A group of images goes through a stage; or, where no image asks for another, through all. */
static void group_work(engine *e, int thread, int group) {
  int first = (int)((int64_t)e->count * group / GROUPS);
  int end = (int)((int64_t)e->count * (group + 1) / GROUPS), layers = e->shape.convolutions;
  if (e->back && e->stage <= 0)
    for (int l = 0; l < layers; l++)
      for (int i = 0; i < (l ? POINTS * C : TAPS) * C; i++) e->sums[group][l][i] = 0;
  for (int image = first; image < end; image++) {
    if (e->stage >= 0) {
      one_stage(e, thread, group, image, e->stage);
      continue;
    }
    for (int stage = 0; stage <= (e->back ? 2 * layers : layers); stage++)
      one_stage(e, thread, group, image, stage);
  }
}

static void all_stages(engine *e) {
  int layers = e->shape.convolutions;
  if (e->shape.norm != OVER_BATCH || !e->training) {
    for (int l = 0; l < layers && e->shape.norm == OVER_BATCH; l++) settle_batch(e, l);
    e->stage = -1;
    share(e, &e->team, group_work, GROUPS);
    return;
  }
  for (e->stage = 0; e->stage <= (e->back ? 2 * layers : layers); e->stage++) {
    share(e, &e->team, group_work, GROUPS);
    if (e->stage < layers) settle_batch(e, e->stage);
    else if (e->back && e->stage < 2 * layers) bend_batch(e, 2 * layers - 1 - e->stage);
  }
}

/* ---- weights -------------------------------------------------------------------------------- */

enum { BLOCK = 16 /* pooled pixels whose weights are handled together */ };

/* Reads the weights: item l those of convolution l, the others blocks of the linear layer. */
static void read_work(engine *e, int thread, int item) {
  (void)thread;
  int layers = e->shape.convolutions;
  const float *from = e->at.values[EACH * item + WEIGHT];
  if (item == 0) {
    for (int c = 0; c < C; c++)
      for (int tap = 0; tap < TAPS; tap++) e->first[tap * C + c] = from[c * TAPS + tap];
  } else if (item < layers) {
    kernels(from, e->forward[item], e->backward[item]);
  } else {
    int first = (item - layers) * BLOCK, end = first + BLOCK < e->pooled ? first + BLOCK : e->pooled;
    from = e->at.values[EACH * layers];
    for (int k = 0; k < CLASSES; k++)
      for (int c = 0; c < C; c++)
        for (int p = first; p < end; p++)
          e->linear[(p * CLASSES + k) * C + c] = from[(k * C + c) * e->pooled + p];
  }
}

/* One parameter's step, as torch's SGD: velocity = momentum * velocity + slope; value -= lr *
   velocity. */
INLINE void descend(const engine *e, int tensor, int at, float slope) {
  if (e->at.gradients) e->at.gradients[tensor][at] = slope;
  if (!e->update) return;
  if (e->sgd_momentum != 0) {
    float *velocity = &e->at.velocities[tensor][at];
    slope = *velocity = e->sgd_momentum * *velocity + slope;
  }
  e->at.values[tensor][at] -= e->lr * slope;
}

/* Bias, gamma and beta of convolution l, image by image. A bias whose effect a norm's mean takes
   away has no slope. */
static void update_vectors(engine *e, int l) {
  int norms = e->shape.norm, own = norms == OVER_BATCH || e->shape.groups == C;
  for (int c = 0; c < C; c++) {
    double bias = 0, gamma = 0, beta = 0;
    for (int i = 0; i < e->count; i++) {
      const record *of = &e->records[i];
      bias += of->bias[l][c], beta += of->sum[l][c];
      gamma += of->moment[l][c] * norm_of(e, i, l)->inverse[c];
    }
    if (norms == NO_NORM || e->shape.after || !own) descend(e, EACH * l + BIAS, c, (float)bias);
    else if (e->at.gradients) e->at.gradients[EACH * l + BIAS][c] = 0;
    if (norms == NO_NORM || !e->at.values[EACH * l + GAMMA]) continue;
    descend(e, EACH * l + GAMMA, c, (float)gamma);
    descend(e, EACH * l + BETA, c, (float)beta);
  }
}

static void update_convolution(engine *e, int l) {
  float *sum = e->sums[0][l];
  for (int g = 1; g < GROUPS; g++)
    for (int i = 0; i < (l ? POINTS * C : TAPS) * C; i += LANES) add(sum + i, get(e->sums[g][l] + i));
  for (int out = 0; out < C; out++)
    for (int in = 0; in < (l ? C : 1); in++) {
      float slopes[TAPS];
      if (l) kernel_slopes(sum + in * C + out, slopes);
      for (int tap = 0; tap < TAPS; tap++)
        descend(e, EACH * l, (out * (l ? C : 1) + in) * TAPS + tap, l ? slopes[tap] : sum[tap * C + out]);
    }
  update_vectors(e, l);
}

/* A block of the linear layer: sums over the images. */
static void update_linear(engine *e, int first) {
  int end = first + BLOCK < e->pooled ? first + BLOCK : e->pooled, tensor = EACH * e->shape.convolutions;
  _Alignas(64) float slopes[CLASSES][BLOCK][C];
  for (int p = first; p < end; p++)
    for (int lane = 0; lane < C; lane += LANES) {
      lanes sum[CLASSES] = {0};
      for (int i = 0; i < e->count; i++) {
        lanes value = get(e->pools + ((size_t)i * e->pooled + p) * C + lane);
        for (int k = 0; k < CLASSES; k++) sum[k] += all(e->records[i].slopes[k]) * value;
      }
      for (int k = 0; k < CLASSES; k++) put(slopes[k][p - first] + lane, sum[k]);
    }
  for (int k = 0; k < CLASSES; k++)
    for (int c = 0; c < C; c++)
      for (int p = first; p < end; p++)
        descend(e, tensor, (k * C + c) * e->pooled + p, slopes[k][p - first][c]);
}

static void update_work(engine *e, int thread, int item) {
  (void)thread;
  int layers = e->shape.convolutions;
  if (item < layers) update_convolution(e, item);
  else update_linear(e, (item - layers) * BLOCK);
  if (item != layers) return;
  for (int k = 0; k < CLASSES; k++) {
    float sum = 0;
    for (int i = 0; i < e->count; i++) sum += e->records[i].slopes[k];
    descend(e, EACH * layers + BIAS, k, sum);
  }
}

/* ---- what the caller calls ------------------------------------------------------------------ */

EXPORT int32_t engine_lanes(void) { return LANES; }

/* Bytes of memory, zeros that start at a multiple of ALIGNED, that `engine_begin` needs. */
EXPORT uint64_t engine_bytes(const shape *s) { return lay_out(s, 0); }

EXPORT void engine_begin(char *memory, const shape *s) {
  engine *e = (engine *)memory;
  lay_out(s, memory);
  e->shape = *s;
  e->pooled = s->side * s->side / 4;
  e->team.threads = s->threads;
#ifdef THREADS
  PREPARE(&e->team);
#endif
}

static float run(engine *e, const tensors *at, const float *images, const int64_t *labels,
                 int32_t count, int32_t read, int32_t *right) {
  int items = e->shape.convolutions + (e->pooled + BLOCK - 1) / BLOCK;
  e->at = *at, e->images = images, e->labels = labels, e->count = count;
  if (read) share(e, &e->team, read_work, items);
  all_stages(e);
  if (e->back) share(e, &e->team, update_work, items);
  double loss = 0;
  *right = 0;
  for (int i = 0; i < count; i++) loss += e->records[i].loss, *right += e->records[i].right;
  return (float)(loss / count);
}

/* A training step on images (count, side, side) and labels (count): the mean loss before it and
   the number of right answers. Where `update` is 0, only gradients are computed. */
EXPORT float engine_step(engine *e, const tensors *at, const float *images, const int64_t *labels,
                         int32_t count, float lr, float momentum, int32_t update, int32_t *right) {
  e->lr = lr, e->sgd_momentum = momentum, e->update = update, e->training = e->back = 1;
  return run(e, at, images, labels, count, 1, right);
}

/* The logits (count, CLASSES) of the last call's images. */
EXPORT void engine_answers(const engine *e, float *logits) {
  for (int i = 0; i < e->count; i++)
    for (int k = 0; k < CLASSES; k++) logits[i * CLASSES + k] = e->records[i].logits[k];
}

/* A map of the last call, in torch's layout (C, side, side): what convolution l gave, after the
   ReLU where there is no norm; or what it passed on. Where images do not share a norm over their
   batch, the last image's alone is still there. */
EXPORT void engine_map(engine *e, int32_t image, int32_t l, int32_t passed, float *to) {
  room *r = &e->rooms[0];
  slot *s = e->shape.norm == OVER_BATCH && e->training ? &e->slots[image] : &r->slot;
  const float *map = passed ? passed_on(e, r, s, image, l) : s->maps[l];
  int side = e->shape.side;
  for (int c = 0; c < C; c++)
    for (int y = 0; y < side; y++)
      ALONG_ROW(side, y, x, at) to[(c * side + y) * side + x] = map[at + c];
}

/* Mean loss, right answers and logits (count, CLASSES) of a batch in evaluation. `read` is 0 where
   the weights are those of the last call. */
EXPORT float engine_evaluate(engine *e, const tensors *at, const float *images,
                             const int64_t *labels, int32_t count, int32_t read, float *logits,
                             int32_t *right) {
  e->training = e->back = e->update = 0;
  float loss = run(e, at, images, labels, count, read, right);
  engine_answers(e, logits);
  return loss;
}

/* Mean loss and right answers of a batch in training, without gradients: nothing is changed. */
EXPORT float engine_look(engine *e, const tensors *at, const float *images, const int64_t *labels,
                         int32_t count, int32_t read, int32_t *right) {
  e->training = 1, e->back = e->update = 0;
  return run(e, at, images, labels, count, read, right);
}

#ifdef THREADS
/* The life of every thread but the caller's, number 1 and up, until `engine_end`. */
EXPORT void engine_attend(engine *e, int32_t thread) { attend(e, &e->team, thread); }

EXPORT void engine_end(engine *e) { dismiss(&e->team); }
#endif
