// The engine as WebAssembly, on the main thread and in workers: a network that answers and learns.
const CLASSES = 10, CHANNELS = 16, VALUES_OF_A_CONVOLUTION = 4;

class Network {
  // run: {shape, layout, layers} as aboard; sizes: most images of a step, and of an evaluation.
  constructor(module, run, {images = 32, tested = 64} = {}) {
    this.run = run;
    this.wasm = new WebAssembly.Instance(module, {}).exports;
    this.end = this.wasm.memory.buffer.byteLength;
    this.most = Math.max(images, tested);
    const side = run.shape.side, last = run.layout[run.layout.length - 1];
    this.numbers = last.at + last.size;
    this.pixels = this.place(4 * this.most * side * side);
    this.labels = this.place(8 * this.most);
    this.logits = this.place(4 * this.most * CLASSES);
    this.right = this.place(4);
    this.out = this.place(4 * CHANNELS * side * side);
    this.values = this.place(4 * this.numbers);
    this.speeds = this.place(4 * this.numbers);
    this.at = this.tensors();
    this.engine = this.begin(images, tested);
  }

  // Bytes of zeros at a multiple of 128.
  place(bytes) {
    const start = Math.ceil(this.end / 128) * 128, memory = this.wasm.memory;
    this.end = start + bytes;
    const missing = this.end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    return start;
  }

  words(numbers) {
    const start = this.place(4 * numbers.length);
    new Uint32Array(this.wasm.memory.buffer, start, numbers.length).set(numbers);
    return start;
  }

  begin(images, tested) {
    const s = this.run.shape;
    const shape = this.words([s.side, s.convolutions, s.norm, s.groups, s.after, s.average, images, tested, 1, 0, 0]);
    new Float32Array(this.wasm.memory.buffer, shape + 36, 2).set([s.eps, s.momentum]);
    const engine = this.place(Number(this.wasm.engine_bytes(shape)));
    this.wasm.engine_begin(engine, shape);
    return engine;
  }

  // Where the engine finds values, velocities and running averages; see `tensors` in engine.c.
  tensors() {
    const at = new Map(this.run.layout.map((each) => [each.name, 4 * each.at]));
    const linear = this.run.layout.find((each) => each.shape.length === 2).name.split(".")[0];
    const names = this.run.layers.flatMap(({convolution, norm}) => [
      `${convolution}.weight`, `${convolution}.bias`, `${norm}.weight`, `${norm}.bias`,
    ]).concat(`${linear}.weight`, `${linear}.bias`);
    const averages = this.run.layers.flatMap(({norm}) => [`${norm}.running_mean`, `${norm}.running_var`]);
    const list = (of, base) => this.words(of.map((name) => (at.has(name) ? base + at.get(name) : 0)));
    return this.words([list(names, this.values), list(names, this.speeds), 0, list(averages, this.values)]);
  }

  set(flat) {
    if (flat.length !== this.numbers) throw new Error(`expected ${this.numbers} numbers, got ${flat.length}`);
    new Float32Array(this.wasm.memory.buffer, this.values, this.numbers).set(flat);
  }

  get() {
    return new Float32Array(this.wasm.memory.buffer, this.values, this.numbers).slice();
  }

  zero_velocities() {
    new Float32Array(this.wasm.memory.buffer, this.speeds, this.numbers).fill(0);
  }

  give(pixels, labels) {
    const count = pixels.length / this.run.shape.side ** 2;
    if (!(count >= 1 && count <= this.most)) throw new Error(`expected 1 to ${this.most} images, got ${count}`);
    new Float32Array(this.wasm.memory.buffer, this.pixels, pixels.length).set(pixels);
    const words = new Int32Array(this.wasm.memory.buffer, this.labels, 2 * count);
    for (let i = 0; i < count; i++) words[2 * i] = labels ? labels[i] : 0, words[2 * i + 1] = 0;
    return count;
  }

  answered(loss, count) {
    const memory = this.wasm.memory.buffer;
    this.wasm.engine_answers(this.engine, this.logits);
    return {
      loss, right: new Int32Array(memory, this.right, 1)[0],
      logits: new Float32Array(memory, this.logits, CLASSES * count).slice(),
    };
  }

  // A step on pixels (count, side, side) and labels (count): the mean loss before it, right answers.
  step(pixels, labels, lr, momentum) {
    const count = this.give(pixels, labels);
    const loss = this.wasm.engine_step(
      this.engine, this.at, this.pixels, this.labels, count, lr, momentum, 1, this.right);
    return {loss, right: new Int32Array(this.wasm.memory.buffer, this.right, 1)[0]};
  }

  // Mean loss, right answers and logits by the running averages.
  evaluate(pixels, labels) {
    const count = this.give(pixels, labels);
    return this.answered(this.wasm.engine_evaluate(
      this.engine, this.at, this.pixels, this.labels, count, 1, this.logits, this.right), count);
  }

  // The same by the batch's own statistics, as in training; nothing is changed.
  look(pixels, labels) {
    const count = this.give(pixels, labels);
    return this.answered(this.wasm.engine_look(
      this.engine, this.at, this.pixels, this.labels, count, 1, this.right), count);
  }

  // A map (channels, side, side) of the last call: what a convolution gave, or passed on.
  map(layer, image, passed) {
    const size = CHANNELS * this.run.shape.side ** 2;
    this.wasm.engine_map(this.engine, image, layer, passed ? 1 : 0, this.out);
    return new Float32Array(this.wasm.memory.buffer, this.out, size).slice();
  }
}

// Grey values (bytes) as a run's network reads them: float32 operations, as torch's.
const scaled = (bytes, run) => {
  const [shift, divisor] = run.constants || [0, 1], round = Math.fround;
  return Float32Array.from(bytes, (grey) => {
    const unit = round(grey / 255);
    return shift || divisor !== 1 ? round(round(unit - shift) / divisor) : unit;
  });
};

if (typeof page !== "undefined") {
  page.networks = {make: async (run, sizes) => new Network(await page.engine, run, sizes)};
  page.pixels = scaled;
}
