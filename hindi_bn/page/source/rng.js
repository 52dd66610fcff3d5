// torch's generator on the CPU (the Mersenne twister MT19937) and what a run draws from it, in
// torch's order: initial weights, then each epoch's order of the images.
(() => {
  "use strict";

  const STATE = 624;
  const SHIFT = 397;

  // Numbers as torch.manual_seed starts them; a seed is a whole number (or BigInt) below 2**63.
  class Rng {
    constructor(seed) {
      this.state = new Uint32Array(STATE);
      this.state[0] = Number(BigInt(seed) & 0xffffffffn);
      for (let i = 1; i < STATE; i++) {
        const last = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
        this.state[i] = Math.imul(1812433253, last) + i;
      }
      this.next = STATE;
    }

    refill() {
      const state = this.state;
      for (let i = 0; i < STATE; i++) {
        const mixed = (state[i] & 0x80000000) | (state[(i + 1) % STATE] & 0x7fffffff);
        const odd = mixed & 1 ? 0x9908b0df : 0;
        state[i] = state[(i + SHIFT) % STATE] ^ (mixed >>> 1) ^ odd;
      }
      this.next = 0;
    }

    // A whole number below 2**32.
    uint32() {
      if (this.next === STATE) this.refill();
      let x = this.state[this.next++];
      x ^= x >>> 11;
      x ^= (x << 7) & 0x9d2c5680;
      x ^= (x << 15) & 0xefc60000;
      return (x ^ (x >>> 18)) >>> 0;
    }

    // torch.empty((), dtype=torch.int64).random_(), a BigInt.
    int64() {
      const high = BigInt(this.uint32());
      return ((high << 32n) | BigInt(this.uint32())) & 0x7fffffffffffffffn;
    }

    // Fills a Float32Array as tensor.uniform_(-bound, bound) on a processor with a fused
    // multiply-add (torch then rounds once; the sum is exact in float64).
    uniform(values, bound) {
      const low = Math.fround(-bound);
      const width = Math.fround(Math.fround(bound) - low);
      for (let i = 0; i < values.length; i++) {
        const share = (this.uint32() & 0xffffff) / 2 ** 24;
        values[i] = share * width + low;
      }
    }

    // torch.randperm(count), an Int32Array.
    permutation(count) {
      const order = Int32Array.from({length: count}, (_, i) => i);
      for (let i = 0; i < count - 1; i++) {
        const other = i + (this.uint32() % (count - i));
        [order[i], order[other]] = [order[other], order[i]];
      }
      return order;
    }

    // The draws of one epoch as the notebook's loaders make them; gives the images' order.
    epoch(images) {
      this.int64(); // base seed of the training loader's iterator
      const order = new Rng(this.int64()).permutation(images);
      this.int64(); // base seed of the test loader's
      return order;
    }
  }

  // Draws torch's default initial weights of a network, in the layout's order, times `scale`:
  // kaiming_uniform_ with a = sqrt(5) for weights, 1 / sqrt(inputs) for biases. Norms draw
  // nothing: gamma and running variance are 1, beta and running mean 0.
  const initialWeights = (rng, layout, scale = 1) => {
    const last = layout[layout.length - 1];
    const flat = new Float32Array(last.at + last.size);
    let inputs = 0;
    for (const {name, shape, at, size} of layout) {
      const values = flat.subarray(at, at + size);
      if (shape.length > 1) {
        inputs = size / shape[0];
        const gain = Math.sqrt(2 / (1 + Math.sqrt(5) * Math.sqrt(5)));
        rng.uniform(values, Math.sqrt(3) * (gain / Math.sqrt(inputs)));
      } else if (isNorms(layout, name)) {
        values.fill(/weight$|running_var$/.test(name) ? 1 : 0);
        continue;
      } else {
        rng.uniform(values, 1 / Math.sqrt(inputs));
      }
      for (let i = 0; i < size; i++) values[i] *= Math.fround(scale);
    }
    return flat;
  };

  // Whether a vector is a norm's: its layer has no matrix or filters.
  const isNorms = (layout, name) => {
    const layer = name.slice(0, name.indexOf("."));
    return !layout.some((each) => each.name === `${layer}.weight` && each.shape.length > 1);
  };

  page.rng = {Rng, initialWeights};
})();
