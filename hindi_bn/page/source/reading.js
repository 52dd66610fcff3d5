// What the sections that read digits share: the digit that is shown, networks that read it, and
// how they read many without holding up the page.
(() => {
  "use strict";

  const PIXELS = 1024, MOST = 64, SLICE = 12; // MOST: digits in a batch; SLICE: ms of work in a row

  const reading = page.reading = {};

  reading.softmax = (logits) => {
    const most = Math.max(...logits);
    const powers = Array.from(logits, (logit) => Math.exp(logit - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };

  reading.largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

  // A digit as people write it in Hindi and as this text does: "४ 4".
  reading.numeral = (digit) => String.fromCharCode(0x966 + digit);
  reading.both = (digit) => `${reading.numeral(digit)} ${digit}`;

  // The digit that all networks read: {image: Uint8Array (1024), label or null, place or "drawn"}.
  const followers = [];
  reading.shown = null;
  reading.follow = (fn) => {
    followers.push(fn);
    if (reading.shown) fn(reading.shown);
  };
  reading.show = (digit) => {
    reading.shown = digit;
    followers.forEach((fn) => fn(digit));
  };

  reading.image = (digits, place) => digits.images.subarray(place * PIXELS, (place + 1) * PIXELS);

  // The numbers of a network's tensor within its vector, or null: those of "0.weight", say.
  reading.tensor = (run, flat, name) => {
    const found = run.layout.find((each) => each.name === name);
    return found ? flat.subarray(found.at, found.at + found.size) : null;
  };

  reading.hasBatchNorm = (run) => run.layout.some(({name}) => name.endsWith(".running_var"));

  // A run's weights at an epoch, unpacked once; whoever changes them copies them first.
  const unpacked = new Map();
  reading.weights = (run, epoch) => {
    const at = page.aboardEpoch(run, epoch), key = `${run.name} ${at}`;
    if (!unpacked.has(key)) unpacked.set(key, page.weights(run, at));
    return unpacked.get(key);
  };

  // A run's network for one digit, or for batches, made when first asked for.
  const made = new Map(), held = new WeakMap();
  const networkOf = (run, most) => {
    const key = `${run.name} ${most}`;
    if (!made.has(key)) made.set(key, page.networks.make(run, {images: most, tested: most}));
    return made.get(key);
  };

  const hold = (network, flat) => {
    if (held.get(network) !== flat) network.set(flat);
    held.set(network, flat);
  };

  // Reads images (1024 bytes each): their logits, by running averages or (look) by their own.
  const read = (network, flat, run, images, look) => {
    const bytes = new Uint8Array(images.length * PIXELS);
    images.forEach((image, i) => bytes.set(image, i * PIXELS));
    hold(network, flat);
    const pixels = page.pixels(bytes, run);
    return {pixels, logits: (look ? network.look(pixels) : network.evaluate(pixels)).logits};
  };

  // Reads one digit by a run at an epoch: {network, flat, pixels, logits}; the network keeps its
  // maps until the next digit is read.
  reading.one = async (run, image, epoch) => {
    const [network, flat] = await Promise.all([networkOf(run, 1), reading.weights(run, epoch)]);
    return {network, flat, ...read(network, flat, run, [image], false)};
  };

  reading.batch = async (run, flat, images, look) =>
    read(await networkOf(run, MOST), flat, run, images, look).logits;

  // Reads all test digits aboard in batches (lists of places), a slice of time after another:
  // answers (one per place), or null once `alive` says that nobody waits any more.
  reading.all = async (run, flat, batches, look, alive = () => true) => {
    const [network, digits] = await Promise.all([networkOf(run, MOST), page.test()]);
    const answers = new Uint8Array(digits.count);
    let until = 0;
    for (const places of batches) {
      if (performance.now() > until) {
        await new Promise((resolve) => setTimeout(resolve));
        until = performance.now() + SLICE;
      }
      if (!alive()) return null;
      const images = places.map((place) => reading.image(digits, place));
      const {logits} = read(network, flat, run, images, look);
      places.forEach((place, i) => {
        answers[place] = reading.largest(logits.subarray(10 * i, 10 * i + 10));
      });
    }
    return answers;
  };

  // What a run at an epoch answers on the test digits aboard, by running averages.
  const answered = new Map();
  reading.answers = (run, epoch) => {
    const at = page.aboardEpoch(run, epoch), key = `${run.name} ${at}`;
    if (!answered.has(key)) answered.set(key, answerAll(run, at));
    return answered.get(key);
  };

  const answerAll = async (run, epoch) => {
    const [flat, {count}] = await Promise.all([reading.weights(run, epoch), page.test()]);
    return reading.all(run, flat, reading.inOrder(count), false);
  };

  reading.inOrder = (count) => {
    const places = Array.from({length: count}, (_, i) => i), batches = [];
    while (places.length) batches.push(places.splice(0, MOST));
    return batches;
  };

  // Calls fn at once or, where the section is not on the screen, when it comes there.
  reading.seen = (section, fn) => {
    let visible = false, waiting = false;
    new IntersectionObserver((entries) => {
      visible = entries[entries.length - 1].isIntersecting;
      if (visible && waiting) fn();
      waiting = waiting && !visible;
    }).observe(section);
    return () => {
      if (visible) fn();
      else waiting = true;
    };
  };

  // Calls fn in the next frame, once, however often it is asked to.
  reading.soon = (fn) => {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        fn();
      });
    };
  };
})();
