// SHA-256 (FIPS 180-4) of our own: crypto.subtle is missing where a page was opened from the disk.
(() => {
  "use strict";

  const BLOCK = 64;

  // The first 32 bits of the fractional parts of a power of the first primes.
  const fractions = (count, power) => {
    const found = [];
    for (let n = 2; found.length < count; n++) {
      let prime = true;
      for (let d = 2; d * d <= n; d++) prime &&= n % d !== 0;
      if (prime) found.push(Math.floor((n ** power % 1) * 2 ** 32));
    }
    return Int32Array.from(found, (x) => x | 0);
  };

  const START = fractions(8, 1 / 2);
  const ROUNDS = fractions(64, 1 / 3);

  // Takes bytes piece by piece; `hex` ends it.
  class Sha256 {
    constructor() {
      this.state = START.slice();
      this.words = new Int32Array(BLOCK);
      this.block = new Uint8Array(BLOCK);
      this.view = new DataView(this.block.buffer);
      this.length = 0;
    }

    update(bytes) {
      let at = 0;
      while (at < bytes.length) {
        const filled = this.length % BLOCK;
        const piece = bytes.subarray(at, at + BLOCK - filled);
        this.block.set(piece, filled);
        this.length += piece.length;
        at += piece.length;
        if (this.length % BLOCK === 0) this.digestBlock();
      }
      return this;
    }

    digestBlock() {
      const w = this.words;
      for (let i = 0; i < 16; i++) w[i] = this.view.getInt32(4 * i);
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15];
        const b = w[i - 2];
        const low = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
        const high = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
        w[i] = (w[i - 16] + low + w[i - 7] + high) | 0;
      }
      this.mix();
    }

    mix() {
      let [a, b, c, d, e, f, g, h] = this.state;
      for (let i = 0; i < 64; i++) {
        const right = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const one = (h + right + ((e & f) ^ (~e & g)) + ROUNDS[i] + this.words[i]) | 0;
        const left = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const two = (left + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + one) | 0;
        d = c;
        c = b;
        b = a;
        a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((value, i) => (this.state[i] += value));
    }

    hex() {
      const bits = this.length * 8;
      const zeros = (2 * BLOCK - 9 - (this.length % BLOCK)) % BLOCK;
      const end = new Uint8Array(1 + zeros + 8);
      end[0] = 0x80;
      const view = new DataView(end.buffer);
      view.setUint32(1 + zeros, Math.floor(bits / 2 ** 32));
      view.setUint32(1 + zeros + 4, bits >>> 0);
      this.update(end);
      const words = [...this.state].map((x) => (x >>> 0).toString(16).padStart(8, "0"));
      return words.join("");
    }
  }

  // The sha256 of a network's weights as the project's evidence has it: names, dtypes, shapes and
  // bytes in the names' order. `flat` is in the layout's order; `counts` names the int64 buffers
  // that hold the number of steps. All NaN are one.
  const weightsDigest = (layout, counts, flat, steps) => {
    const whole = new Sha256();
    const text = new TextEncoder();
    const entries = [...layout, ...counts.map((name) => ({name}))];
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const {name, shape, at, size} of entries) {
      const values = shape ? Float32Array.from(flat.subarray(at, at + size), sameNaN) : [];
      const dtype = shape ? "<f4" : "<i8";
      whole.update(text.encode(`${name} ${dtype} ${tuple(shape || [])}\n`));
      const bytes = shape ? values.buffer : BigInt64Array.of(BigInt(steps)).buffer;
      whole.update(new Uint8Array(bytes));
    }
    return whole.hex();
  };

  const sameNaN = (value) => (Number.isNaN(value) ? NaN : value);

  // A shape as Python writes it: (), (16,), (16, 1, 3, 3).
  const tuple = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

  page.Sha256 = Sha256;
  page.weightsDigest = weightsDigest;
})();
