// Trains one network, in a worker: what page.Trainer (trainer.js) calls. Draws, order of images and
// steps are those of `hindi-bn train` by the engine in a paired study.
(() => {
  "use strict";

  const SIZE = 32 * 32;
  const PERCENTILES = [5, 15, 50, 85, 95];

  // run: {shape, layout, layers, counts}; settings: {seed, scale, lr, momentum, batch, tested};
  // train and test: {images, labels, count}.
  class Training {
    constructor({module, run, settings, train, test}) {
      Object.assign(this, {run, settings, train, test});
      const sizes = {images: settings.batch, tested: settings.tested};
      this.network = new Network(module, run, sizes);
      this.greys = scaled(Uint8Array.from({length: 256}, (_, grey) => grey), run);
      this.rng = new page.rng.Rng(settings.seed);
      this.network.set(page.rng.initialWeights(this.rng, run.layout, settings.scale));
      this.steps = 0;
      this.place = 0; // in the order of the epoch
    }

    // Scaled pixels and labels of images at these places.
    batch({images, labels}, places) {
      const pixels = new Float32Array(places.length * SIZE);
      places.forEach((place, i) => {
        for (let p = 0; p < SIZE; p++) pixels[i * SIZE + p] = this.greys[images[place * SIZE + p]];
      });
      return [pixels, Array.from(places, (place) => labels[place])];
    }

    step() {
      const {lr, momentum, batch} = this.settings;
      if (this.place === 0) this.order = this.rng.epoch(this.train.count);
      const places = this.order.subarray(this.place, this.place + batch);
      const {loss} = this.network.step(...this.batch(this.train, places), lr, momentum);
      this.steps += 1;
      this.place += places.length;
      if (this.place === this.train.count) this.place = 0;
      return loss;
    }

    // Makes so many steps: their losses, the seconds that they took, and the pair after them.
    advance(steps) {
      const began = performance.now();
      const losses = Array.from({length: steps}, () => this.step());
      const seconds = (performance.now() - began) / 1000;
      return {steps: this.steps, losses, seconds, pair: this.pair()};
    }

    // Loss (the mean over batches) and accuracy over all test digits, by the running averages.
    evaluate() {
      const {count} = this.test;
      const {tested} = this.settings;
      let [sum, right, batches] = [0, 0, 0];
      for (let first = 0; first < count; first += tested) {
        const length = Math.min(tested, count - first);
        const places = Int32Array.from({length}, (_, i) => first + i);
        const answers = this.network.evaluate(...this.batch(this.test, places));
        sum += answers.loss;
        right += answers.right;
        batches += 1;
      }
      return {loss: sum / batches, accuracy: right / count};
    }

    tensor(name) {
      const {at, size} = this.run.layout.find((each) => each.name === name);
      return this.network.get().slice(at, at + size);
    }

    // Two weights of the last convolution: the article's (filter 3, channels 4 and 8, row 1,
    // column 0), or others where it has one channel.
    pair() {
      const {layers} = this.run;
      const weights = this.tensor(`${layers[layers.length - 1].convolution}.weight`);
      const channels = weights.length / 16 / 9;
      if (channels === 1) return [weights[3 * 9 + 3], weights[4 * 9 + 3]];
      return [4, 8].map((channel) => weights[(3 * channels + channel) * 9 + 3]);
    }

    // The first filters (16, 3, 3), the pair, and percentiles of what each layer hands on for a
    // test digit: [[5 numbers] of each layer].
    look(digit) {
      const {layers} = this.run;
      this.network.evaluate(...this.batch(this.test, Int32Array.of(digit)));
      return {
        filters: this.tensor(`${layers[0].convolution}.weight`),
        pair: this.pair(),
        percentiles: layers.map((_, i) => percentiles(this.network.map(i, 0, true))),
      };
    }

    digest() {
      const {layout, counts} = this.run;
      const sha256 = page.weightsDigest(layout, counts, this.network.get(), this.steps);
      return {sha256, steps: this.steps};
    }
  }

  // Between two values in proportion, as numpy.
  const percentiles = (values) => {
    const sorted = values.slice().sort();
    return PERCENTILES.map((percent) => {
      const at = (percent / 100) * (sorted.length - 1);
      const low = sorted[Math.floor(at)];
      return low + (sorted[Math.ceil(at)] - low) * (at % 1);
    });
  };

  let training = null;
  onmessage = ({data: {number, call, argument}}) => {
    try {
      if (call === "begin") training = new Training(argument);
      const result = call === "begin" ? null : training[call](argument);
      postMessage({number, result});
    } catch (error) {
      postMessage({number, error: error.message});
    }
  };
})();
