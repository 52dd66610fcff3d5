// What the engine is told of a network: its sizes, and where each of its tensors is, named as
// torch names them. Python's hindi_bn/page/aboard.py says the same of the runs aboard.
(() => {
  "use strict";

  const CHANNELS = 16;
  const CLASSES = 10;
  const NUMBERS = {none: 0, batch: 1}; // of norms; all others: over an image

  // Describes {side, convolutions, norm: {name, groups, affine, eps, momentum}, after, average}.
  const shapeOf = (settings) => {
    const {side = 32, convolutions = 3, norm = {name: "none"}, after = false} = settings;
    const named = {layer: 1, instance: CHANNELS}[norm.name];
    const own = norm.name === "group" ? norm.groups || 2 : 1;
    const layers = layersOf(convolutions, norm.name !== "none", after);
    const tensors = tensorsOf(layers, norm, side);
    return {
      shape: {
        side,
        convolutions,
        norm: NUMBERS[norm.name] ?? 2,
        groups: named || own,
        after: Number(after),
        average: Number(Boolean(settings.average)),
        eps: norm.name === "none" ? 0 : (norm.eps ?? 1e-5),
        momentum: norm.name === "batch" ? (norm.momentum ?? 0.1) : 0,
      },
      layers,
      layout: placed(tensors),
      counts: norm.name === "batch" ? layers.map((layer) => `${layer.norm}.num_batches_tracked`) : [],
    };
  };

  // Names of layers as in an nn.Sequential: convolution, norm and ReLU, or ReLU before the norm.
  const layersOf = (convolutions, normed, after) =>
    Array.from({length: convolutions}, (_, i) => {
      const first = i * (normed ? 3 : 2);
      return {convolution: `${first}`, norm: normed ? `${first + (after ? 2 : 1)}` : null};
    });

  // Parameters in the network's order, then running averages: [[name, shape], ...].
  const tensorsOf = (layers, norm, side) => {
    const affine = norm.affine ?? true;
    const parameters = layers.flatMap((layer, i) => [
      [`${layer.convolution}.weight`, [CHANNELS, i ? CHANNELS : 1, 3, 3]],
      [`${layer.convolution}.bias`, [CHANNELS]],
      ...(layer.norm && affine ? vectors(layer.norm, ["weight", "bias"]) : []),
    ]);
    const linear = layers.length * (layers[0].norm ? 3 : 2) + 2; // pooling and flattening before it
    const averages = norm.name === "batch" ? ["running_mean", "running_var"] : [];
    return [
      ...parameters,
      [`${linear}.weight`, [CLASSES, (CHANNELS * side * side) / 4]],
      [`${linear}.bias`, [CLASSES]],
      ...layers.flatMap((layer) => vectors(layer.norm, averages)),
    ];
  };

  const vectors = (layer, names) => names.map((name) => [`${layer}.${name}`, [CHANNELS]]);

  const placed = (tensors) => {
    let at = 0;
    return tensors.map(([name, shape]) => {
      const size = shape.reduce((product, each) => product * each, 1);
      at += size;
      return {name, shape, at: at - size, size};
    });
  };

  page.shapeOf = shapeOf;
})();
