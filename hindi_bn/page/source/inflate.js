// Inflates deflate data (RFC 1951) at once. For 40,000 small pieces, as an archive of digits has
// them, the browser's own streams take a quarter of a minute and this a second or two.
(() => {
  "use strict";

  const LONGEST = 15; // bits of a code
  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

  // First values, and bits that follow, of codes for lengths and for distances.
  const ranges = (first, extra) => {
    const firsts = [];
    for (let at = first, i = 0; i < extra.length; at += 2 ** extra[i++]) firsts.push(at);
    return {firsts, extra};
  };
  const LENGTHS = ranges(3, Array.from({length: 28}, (_, i) => Math.max(0, (i >> 2) - 1)));
  LENGTHS.firsts.push(258);
  LENGTHS.extra.push(0);
  const DISTANCES = ranges(1, Array.from({length: 30}, (_, i) => Math.max(0, (i >> 1) - 1)));

  // A canonical code from the length of each symbol's.
  const codeOf = (lengths) => {
    const counts = new Uint16Array(LONGEST + 1);
    for (const length of lengths) counts[length] += 1;
    counts[0] = 0;
    const symbols = [];
    for (let length = 1; length <= LONGEST; length++) {
      lengths.forEach((each, symbol) => each === length && symbols.push(symbol));
    }
    return {counts, symbols};
  };
  const fixed = Array.from({length: 288}, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
  const FIXED = [codeOf(fixed), codeOf(new Array(30).fill(5))];

  class Inflater {
    constructor(bytes, size) {
      Object.assign(this, {bytes, at: 0, held: 0, count: 0, out: new Uint8Array(size), filled: 0});
    }

    bits(count) {
      while (this.count < count) {
        if (this.at === this.bytes.length) throw new Error("The packed data end too soon.");
        this.held |= this.bytes[this.at++] << this.count;
        this.count += 8;
      }
      const value = this.held & ((1 << count) - 1);
      this.held >>>= count;
      this.count -= count;
      return value;
    }

    symbol({counts, symbols}) {
      let [code, first, index] = [0, 0, 0];
      for (let length = 1; length <= LONGEST; length++) {
        code |= this.bits(1);
        const count = counts[length];
        if (code - first < count) return symbols[index + code - first];
        index += count;
        first = (first + count) << 1;
        code <<= 1;
      }
      throw new Error("The packed data have no such code.");
    }

    put(byte) {
      if (this.filled === this.out.length) throw new Error("More is packed than should be.");
      this.out[this.filled++] = byte;
    }

    whole() {
      for (let last = 0; !last; ) {
        last = this.bits(1);
        const kind = this.bits(2);
        if (kind === 0) this.stored();
        else if (kind === 1) this.coded(FIXED);
        else if (kind === 2) this.coded(this.codes());
        else throw new Error("The packed data have no such kind of block.");
      }
      if (this.filled !== this.out.length) throw new Error("Less is packed than should be.");
      return this.out;
    }

    stored() {
      [this.held, this.count] = [0, 0];
      const length = this.bits(16);
      if ((length ^ 0xffff) !== this.bits(16)) throw new Error("The packed data are damaged.");
      for (let i = 0; i < length; i++) this.put(this.bits(8));
    }

    coded([letters, distances]) {
      for (;;) {
        const symbol = this.symbol(letters);
        if (symbol === 256) return;
        if (symbol < 256) this.put(symbol);
        else this.copy(this.ranged(LENGTHS, symbol - 257), this.ranged(DISTANCES, this.symbol(distances)));
      }
    }

    ranged({firsts, extra}, i) {
      if (i >= firsts.length) throw new Error("The packed data have no such code.");
      return firsts[i] + this.bits(extra[i]);
    }

    copy(length, distance) {
      if (distance > this.filled) throw new Error("The packed data point before their start.");
      for (let i = 0; i < length; i++) this.put(this.out[this.filled - distance]);
    }

    // The codes that a block begins with: their lengths, in a code themselves.
    codes() {
      const [letters, distances, count] = [this.bits(5) + 257, this.bits(5) + 1, this.bits(4) + 4];
      const lengths = new Array(ORDER.length).fill(0);
      for (let i = 0; i < count; i++) lengths[ORDER[i]] = this.bits(3);
      const code = codeOf(lengths);
      const found = [];
      while (found.length < letters + distances) {
        const symbol = this.symbol(code);
        if (symbol < 16) found.push(symbol);
        else if (symbol === 16) this.repeat(found, found[found.length - 1], 3 + this.bits(2));
        else this.repeat(found, 0, symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7));
      }
      return [codeOf(found.slice(0, letters)), codeOf(found.slice(letters, letters + distances))];
    }

    repeat(found, length, times) {
      if (length === undefined) throw new Error("The packed data repeat what is not there.");
      for (let i = 0; i < times; i++) found.push(length);
    }
  }

  // Raw deflate data that must give exactly `size` bytes.
  page.inflate = (bytes, size) => new Inflater(bytes, size).whole();
})();
