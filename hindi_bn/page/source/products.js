// A layer's arithmetic, number by number: what the engine computes, so that it can be shown.
(() => {
  "use strict";

  const SIDE = 32, AREA = SIDE * SIDE, CHANNELS = 16, TAPS = 9;

  // A layer's tensors; those of a norm are null without one.
  const layerOf = (run, flat, place) => {
    const {convolution, norm} = run.layers[place], of = (name) => page.reading.tensor(run, flat, name);
    return {
      weight: of(`${convolution}.weight`), bias: of(`${convolution}.bias`),
      inputs: place ? CHANNELS : 1, normed: norm !== null, after: run.shape.after, eps: run.shape.eps,
      groups: run.shape.groups, gamma: of(`${norm}.weight`), beta: of(`${norm}.bias`),
      mean: of(`${norm}.running_mean`), variance: of(`${norm}.running_var`),
    };
  };

  // What a convolution adds up at a pixel of one of its maps: nine taps {y, x, inside, first,
  // weight, product}, each the sum over all input maps; first: the first input map's pixel.
  const taps = (layer, input, channel, y, x) => Array.from({length: TAPS}, (_, tap) => {
    const row = y + Math.floor(tap / 3) - 1, column = x + (tap % 3) - 1;
    const inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
    let product = 0;
    for (let i = 0; i < layer.inputs && inside; i += 1)
      product += input[i * AREA + row * SIDE + column] * layer.weight[(channel * layer.inputs + i) * TAPS + tap];
    const first = inside ? input[row * SIDE + column] : 0;
    return {y: row, x: column, inside, first, weight: layer.weight[channel * layer.inputs * TAPS + tap], product};
  });

  // All of a convolution's maps (16, 32, 32), before norm and ReLU.
  const convolve = (layer, input) => {
    const out = new Float64Array(CHANNELS * AREA);
    for (let c = 0; c < CHANNELS; c += 1) out.fill(layer.bias[c], c * AREA, (c + 1) * AREA);
    for (let c = 0; c < CHANNELS; c += 1)
      for (let i = 0; i < layer.inputs; i += 1)
        for (let tap = 0; tap < TAPS; tap += 1)
          add(out, c * AREA, input, i * AREA, tap, layer.weight[(c * layer.inputs + i) * TAPS + tap]);
    return out;
  };

  const add = (out, to, input, from, tap, weight) => {
    const down = Math.floor(tap / 3) - 1, right = (tap % 3) - 1;
    for (let y = Math.max(0, -down); y < Math.min(SIDE, SIDE - down); y += 1) {
      const at = to + y * SIDE, of = from + (y + down) * SIDE + right;
      for (let x = Math.max(0, -right); x < Math.min(SIDE, SIDE - right); x += 1) out[at + x] += weight * input[of + x];
    }
  };

  const spread = (values) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return {mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length};
  };

  // Mean and variance by which the norm shifts and scales a channel: running averages, or the
  // image's own, over the channels of the group.
  const statistics = (layer, given, channel) => {
    if (layer.mean) return {mean: layer.mean[channel], variance: layer.variance[channel]};
    const size = CHANNELS / layer.groups, first = Math.floor(channel / size) * size;
    return spread(given.subarray(first * AREA, (first + size) * AREA));
  };

  // What a norm makes of a channel's value: {mean, variance, gamma, beta, of(value)}.
  const normOf = (layer, given, channel) => {
    const {mean, variance} = statistics(layer, given, channel);
    const gamma = layer.gamma ? layer.gamma[channel] : 1, beta = layer.beta ? layer.beta[channel] : 0;
    const scale = gamma / Math.sqrt(variance + layer.eps);
    return {mean, variance, gamma, beta, of: (value) => (value - mean) * scale + beta};
  };

  // Maps after the norm, before the ReLU that may follow it.
  const normalise = (layer, given) => {
    const out = new Float64Array(given.length);
    for (let c = 0; c < CHANNELS; c += 1) {
      const norm = normOf(layer, given, c);
      for (let p = c * AREA; p < (c + 1) * AREA; p += 1) out[p] = norm.of(given[p]);
    }
    return out;
  };

  page.products = {layerOf, taps, convolve, normOf, normalise, spread, SIDE, AREA, CHANNELS};
})();
