/* Threads that share the items of a piece of work, and wait politely: they look for more for some
   microseconds, then sleep. The caller's thread works too, and needs nobody: on a busy machine, where
   the others are not woken, it does it all. */

#ifndef __wasm__
#define THREADS
#endif

#ifdef THREADS
#ifdef _WIN32
/* What is needed of windows.h, which has names of ours (POINTS) for other things. */
typedef struct { void *state; } lock_t, signal_t;
#define SYSTEM __declspec(dllimport)
SYSTEM void InitializeSRWLock(lock_t *);
SYSTEM void AcquireSRWLockExclusive(lock_t *);
SYSTEM void ReleaseSRWLockExclusive(lock_t *);
SYSTEM void InitializeConditionVariable(signal_t *);
SYSTEM void WakeAllConditionVariable(signal_t *);
SYSTEM int SleepConditionVariableSRW(signal_t *, lock_t *, unsigned long milliseconds,
                                     unsigned long flags);
enum { INFINITE = -1 };
#define LOCK(lock) AcquireSRWLockExclusive(lock)
#define UNLOCK(lock) ReleaseSRWLockExclusive(lock)
#define AWAIT(signal, lock) SleepConditionVariableSRW(signal, lock, INFINITE, 0)
#define WAKE(signal) WakeAllConditionVariable(signal)
#define PREPARE(team) (InitializeSRWLock(&(team)->lock), InitializeConditionVariable(&(team)->begun), \
                       InitializeConditionVariable(&(team)->ended))
#else
#include <pthread.h>
typedef pthread_mutex_t lock_t;
typedef pthread_cond_t signal_t;
#define LOCK(lock) pthread_mutex_lock(lock)
#define UNLOCK(lock) pthread_mutex_unlock(lock)
#define AWAIT(signal, lock) pthread_cond_wait(signal, lock)
#define WAKE(signal) pthread_cond_broadcast(signal)
#define PREPARE(team) (pthread_mutex_init(&(team)->lock, 0), pthread_cond_init(&(team)->begun, 0), \
                       pthread_cond_init(&(team)->ended, 0))
#endif
#if defined __x86_64__ || defined _M_X64
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() __asm__ volatile("yield")
#endif
enum { LOOKS = 4000 }; /* about 40 microseconds of PAUSE on the machines known to us */
#endif

typedef struct engine engine;
typedef void work(engine *, int thread, int item);

typedef struct {
  work *work;
  int32_t items, threads, round, next, busy, over, waiting;
#ifdef THREADS
  lock_t lock;
  signal_t begun, ended;
#endif
} team;

#ifdef THREADS
/* Does items until none is left. */
static void take(engine *e, team *t, work *what, int items, int thread) {
  for (int item; (item = __atomic_fetch_add(&t->next, 1, __ATOMIC_ACQ_REL)) < items;)
    what(e, thread, item);
}

/* What every thread but the caller's does until `dismiss`: waits for a round, joins in. */
static void attend(engine *e, team *t, int thread) {
  for (int32_t seen = 0;;) {
    for (int look = 0; look < LOOKS && __atomic_load_n(&t->round, __ATOMIC_ACQUIRE) == seen; look++)
      PAUSE();
    LOCK(&t->lock);
    t->waiting++;
    while (t->round == seen && !t->over) AWAIT(&t->begun, &t->lock);
    t->waiting--;
    if (t->over) break;
    seen = t->round;
    __atomic_add_fetch(&t->busy, 1, __ATOMIC_RELEASE);
    work *what = t->work;
    int items = t->items;
    UNLOCK(&t->lock);
    take(e, t, what, items, thread);
    LOCK(&t->lock);
    if (!__atomic_sub_fetch(&t->busy, 1, __ATOMIC_RELEASE)) WAKE(&t->ended);
    UNLOCK(&t->lock);
  }
  UNLOCK(&t->lock);
}

static void dismiss(team *t) {
  LOCK(&t->lock);
  t->over = 1;
  WAKE(&t->begun);
  UNLOCK(&t->lock);
}
#endif

/* Does `items` pieces of work, in any order, and returns when all are done. */
static void share(engine *e, team *t, work *what, int items) {
#ifdef THREADS
  if (t->threads > 1 && items > 1) {
    LOCK(&t->lock);
    while (t->busy) AWAIT(&t->ended, &t->lock); /* somebody who came late to the last round */
    t->work = what, t->items = items;
    __atomic_store_n(&t->next, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&t->round, t->round + 1, __ATOMIC_RELEASE);
    if (t->waiting) WAKE(&t->begun);
    UNLOCK(&t->lock);
    take(e, t, what, items, 0);
    for (int look = 0; look < LOOKS && __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE); look++) PAUSE();
    LOCK(&t->lock);
    while (t->busy) AWAIT(&t->ended, &t->lock);
    t->items = 0; /* who comes late finds nothing */
    UNLOCK(&t->lock);
    return;
  }
#endif
  for (int item = 0; item < items; item++) what(e, 0, item);
}
