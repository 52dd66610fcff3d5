// How test digits are put together to batches, with more or less of one class in each.
//
// share 0: all classes alike, in turn; share 1: one class; between: that share of one class, and the
// others in turn. Within a class digits come in their order aboard, each once.
(() => {
  "use strict";

  const queues = (labels, but) => {
    const found = Array.from({length: 10}, () => []);
    labels.forEach((label, place) => place !== but && found[label].push(place));
    return found;
  };

  const take = (queue, count) => queue.splice(0, Math.max(0, count));

  // Digits of the classes in turn, from class `next` on, until there are enough or no more.
  const inTurn = (batch, waiting, size, next) => {
    for (let idle = 0; batch.length < size && idle < 10; next = (next + 1) % 10) {
      const found = take(waiting[next], 1);
      idle = found.length ? 0 : idle + 1;
      batch.push(...found);
    }
    return next;
  };

  // All digits in batches of `size` (the last may be smaller). Each begins with its share of the
  // class of which most are left; of equals, the first.
  page.batches = (labels, size, share) => {
    const waiting = queues(labels), batches = [];
    let next = 0;
    while (waiting.some((queue) => queue.length)) {
      const lead = waiting.reduce((best, queue) => (queue.length > best.length ? queue : best));
      const batch = take(lead, Math.round(share * size));
      next = inTurn(batch, waiting, size, next);
      batches.push(batch);
    }
    return batches;
  };

  // The other digits in a batch of `size` with a digit of class `label`, which is at place `but`.
  page.companions = (labels, size, share, label, but) => {
    const waiting = queues(labels, but), batch = take(waiting[label], Math.round(share * (size - 1)));
    inTurn(batch, waiting, size - 1, 0);
    return batch;
  };
})();
