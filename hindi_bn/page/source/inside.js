// Section "Look inside": a layer of every network, and the arithmetic behind one of its pixels.
(() => {
  "use strict";

  const {el, reading, products, maps} = page, {SIDE, CHANNELS} = products;
  const deepest = Math.max(...page.runs.map((run) => run.layers.length));
  const number = (value) => page.format(value, 4).replace("-", "−");

  const signed = (value) => (value < 0 ? `(${number(value)})` : number(value));

  page.defaults({"inside.layer": 1, "inside.show": "passed", "inside.pixel": "0.16.16"});

  // The pixel of the address, or the one that is pointed at.
  let pointed = null;
  const pinned = () => {
    const found = String(page.get("inside.pixel")).split(".").map(Number), most = [CHANNELS, SIDE, SIDE];
    const valid = found.length === 3 && found.every((each, i) => Number.isInteger(each) && each >= 0 && each < most[i]);
    const [c, y, x] = valid ? found : [0, 16, 16];
    return {c, y, x};
  };
  const pixel = () => pointed || pinned();
  const pin = ({c, y, x}) => page.set({"inside.pixel": `${c}.${y}.${x}`});
  const layerAt = (run) => Math.min(run.layers.length, Math.max(1, Math.round(page.get("inside.layer")))) - 1;

  // ---- a column for each network -----------------------------------------------------------------

  const picture = (name, label) => el("canvas", {role: "img", class: name, "aria-label": label});

  const column = (run) => {
    const own = {
      run, canvas: picture("maps", "Feature maps"), scale: el("p", {class: "quiet"}), field: picture("field-of", "The digit"),
      grid: el("table", {class: "taps"}), sums: el("div", {class: "sums", "aria-live": "polite"}),
      histogram: picture("wide", "Histogram"), told: el("p", {class: "quiet"}), numbers: picture("wide", "Numbers of the norm"),
    };
    own.keys = el("div", {class: "pointed", role: "application", tabindex: 0,
      "aria-label": `Feature maps, ${run.words}: arrow keys go to another pixel, Page Up and Page Down to another map`,
      onkeydown: move}, own.canvas);
    own.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") point(maps.pixelAt(own.canvas, event));
    });
    own.canvas.addEventListener("pointerleave", () => point(null));
    own.canvas.addEventListener("click", (event) => {
      const at = maps.pixelAt(own.canvas, event);
      if (at) pin(at);
    });
    own.node = el("div", {class: "layer"}, el("h3", {}, page.name(run)), own.keys, own.scale,
      el("div", {class: "behind"}, own.field, el("div", {class: "nine"}, own.grid)), own.sums, own.histogram, own.told, own.numbers);
    return own;
  };

  const point = (at) => {
    pointed = at;
    explainAll();
  };

  const move = (event) => {
    const steps = {ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      PageUp: [-1, 0, 0], PageDown: [1, 0, 0]};
    if (!(event.key in steps) || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    pointed = null;
    const [map, down, right] = steps[event.key], {c, y, x} = pinned();
    const within = (value, most) => Math.min(most - 1, Math.max(0, value));
    pin({c: within(c + map, CHANNELS), y: within(y + down, SIDE), x: within(x + right, SIDE)});
  };

  // ---- what a column shows -----------------------------------------------------------------------

  // Reads the digit and keeps what the layer took, gave and handed on.
  const take = async (own, image) => {
    const {run} = own, place = layerAt(run);
    const {network, flat, pixels} = await reading.one(run, image, page.get("epoch"));
    const layer = products.layerOf(run, flat, place), input = place ? network.map(place - 1, 0, true) : pixels;
    const rectified = !layer.normed || layer.after; // then the engine's map is not the convolution's own
    Object.assign(own, {place, layer, input, image, rectified, passed: network.map(place, 0, true)});
    own.given = rectified ? products.convolve(layer, input) : network.map(place, 0, false);
    own.read = layer.after ? own.given.map((value) => Math.max(0, value)) : own.given; // by the norm
    own.shown = page.get("inside.show") === "given" ? own.given : own.passed;
    own.most = own.shown.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    own.tiles = maps.tiles(own.shown, own.most);
  };

  const describe = (own) => {
    const {run, shown, most, place} = own, [least, largest] = page.bounds(Array.from(shown));
    own.scale.replaceChildren(
      el("span", {class: `ramp ${least < 0 ? "both" : ""}`, "aria-hidden": "true"}),
      `${least < 0 ? `${number(-most)} (blue), ` : ""}0 (black), ${number(most)} (white)`);
    own.canvas.setAttribute("aria-label", `16 feature maps of layer ${place + 1}, ${run.words}: ` +
      `${number(least)} to ${number(largest)}`);
  };

  const spreadOf = (values) => {
    const {mean, variance} = products.spread(values);
    return `mean ${number(mean)}, standard deviation ${number(Math.sqrt(variance))}`;
  };

  const distribution = (own) => {
    const {run, layer} = own, ends = (values) => page.bounds(Array.from(values));
    const before = layer.after ? own.read : own.given;
    const parts = [{values: before, colour: page.quiet(), ends: ends(before)}];
    let words = `Filled: what the convolution gives${layer.after ? ", after ReLU" : ""}, ${spreadOf(before)}.`;
    if (layer.normed) {
      const after = products.normalise(layer, before);
      parts.push({values: after, colour: page.colour(run), line: true, ends: ends(after)});
      words += ` Line: after the norm, ${spreadOf(after)}.`;
    } else words += " There is no norm.";
    maps.histogram(own.histogram, 130, parts);
    own.told.textContent = words;
    own.histogram.setAttribute("aria-label", `Histogram of layer ${own.place + 1}, ${run.words}. ${words}`);
  };

  const rowsOf = ({layer}) => [["gamma", layer.gamma], ["beta", layer.beta], ["running mean", layer.mean],
    ["running variance", layer.variance]].flatMap(([name, values]) => (values ? [{name, values: Array.from(values)}] : []));

  const numbersOf = (own) => {
    const rows = rowsOf(own);
    own.numbers.hidden = !rows.length;
    if (!rows.length) return;
    maps.numbers(own.numbers, rows, pixel().c, page.colour(own.run));
    own.numbers.setAttribute("aria-label", rows.map(({name, values}) =>
      `${name} of channels 1 to 16: ${values.map(number).join(", ")}`).join(". "));
  };

  // ---- the arithmetic behind a pixel ---------------------------------------------------------------

  const cell = (tap, first) => {
    const node = el("td", {class: tap.inside ? "" : "outside"});
    if (!tap.inside) node.append("border: 0");
    else if (first) node.append(`${number(tap.first)} × ${signed(tap.weight)}`, el("br"), el("strong", {text: number(tap.product)}));
    else node.append(el("strong", {text: number(tap.product)}));
    node.dataset.product = tap.product;
    return node;
  };

  const chain = (own, sum, at) => {
    const {layer} = own, lines = [];
    let value = sum;
    const rectify = () => { lines.push(`ReLU: ${number(value = Math.max(0, value))}`); };
    if (!layer.normed || layer.after) rectify();
    if (layer.normed) {
      const norm = products.normOf(layer, own.read, at.c), from = value;
      value = norm.of(value);
      lines.push(`Norm: (${number(from)} − ${signed(norm.mean)}) / √(${number(norm.variance)} + ${number(layer.eps)}) × ` +
        `gamma ${signed(norm.gamma)} + beta ${signed(norm.beta)} = ${number(value)}`);
      if (!layer.after) rectify();
    }
    return {lines, value};
  };

  const explain = (own) => {
    if (!own.layer) return;
    const at = pixel(), {layer, place} = own, index = at.c * products.AREA + at.y * SIDE + at.x;
    maps.show(own.canvas, own.tiles, at);
    maps.field(own.field, own.image, at, place + 1);
    const taps = products.taps(layer, own.input, at.c, at.y, at.x);
    const nine = taps.reduce((sum, tap) => sum + tap.product, 0);
    const sum = nine + layer.bias[at.c], {lines, value} = chain(own, sum, at), wide = 2 * place + 3;
    own.field.setAttribute("aria-label",
      `The digit; the pixel sees ${wide} x ${wide} pixels around row ${at.y + 1}, column ${at.x + 1}`);
    const row = (first) => el("tr", {}, ...taps.slice(first, first + 3).map((tap) => cell(tap, !place)));
    own.grid.replaceChildren(
      el("caption", {text: place ? "Nine taps, each summed over 16 maps" : "Nine products: pixel × weight"}),
      el("tbody", {}, row(0), row(3), row(6)));
    own.sums.replaceChildren(...[
      `Map ${at.c + 1}, row ${at.y + 1}, column ${at.x + 1}: it sees ${wide} × ${wide} pixels of the digit.`,
      `Nine products ${number(nine)} + bias ${signed(layer.bias[at.c])} = ${number(sum)}`, ...lines,
      `In the engine's map: ${number(own.passed[index])}`].map((text) => el("p", {text})));
    const numbers = {sum, bias: layer.bias[at.c], value, map: own.passed[index], given: own.given[index]};
    Object.assign(own.sums.dataset, numbers);
    numbersOf(own);
  };

  // ---- when ----------------------------------------------------------------------------------------

  const columns = page.runs.map(column);
  const explainAll = reading.soon(() => columns.forEach(explain));

  let latest = 0;
  const update = reading.seen(page.section("inside"), reading.soon(async () => {
    if (!reading.shown) return;
    const mine = latest += 1, {image} = reading.shown;
    await Promise.all(columns.map((own) => take(own, image)));
    if (mine !== latest) return;
    for (const own of columns) {
      describe(own);
      distribution(own);
      explain(own);
    }
  }));

  const choice = (name, label, values, words) => el("fieldset", {class: "choice"}, el("legend", {text: label}),
    ...values.map((value, i) => el("label", {}, el("input", {type: "radio", name, value: String(value),
      checked: value === page.get(name), onchange: () => page.set({[name]: value})}), ` ${words[i]}`)));

  const start = () => {
    const layers = Array.from({length: deepest}, (_, i) => i + 1);
    const controls = el("div", {class: "row"}, choice("inside.layer", "Layer", layers, layers),
      choice("inside.show", "Maps", ["passed", "given"], ["what the layer hands on", "what its convolution gives"]));
    page.section("inside").append(el("p", {text: "What each network makes of the digit above, layer by layer. Point at a " +
      "pixel of a map, or go there by the arrow keys: what it sees of the digit, and the nine products behind it."}),
      controls, el("div", {class: "sides"}, ...columns.map(({node}) => node)));
    page.on(["inside.layer", "inside.show"], () => {
      for (const input of controls.querySelectorAll("input")) input.checked = input.value === String(page.get(input.name));
      update();
    });
    page.on(["theme", "inside.pixel"], explainAll);
    page.on("theme", update);
    page.resized(update);
    reading.follow(update);
  };
  start();
})();
