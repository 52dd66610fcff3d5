// Section "What if": other statistics, another gamma, another running variance, where there is
// batch norm; what the digit and all test digits aboard are then read as.
(() => {
  "use strict";

  const {el, reading} = page, runs = page.runs.filter(reading.hasBatchNorm);
  const without = page.runs.filter((run) => !reading.hasBatchNorm(run));
  const OWN = "own"; // the running variance of the epoch shown

  page.defaults({"whatif.statistics": "running", "whatif.batch": 32, "whatif.mix": 0, "whatif.gamma": false,
    "whatif.variance": OWN});

  const within = (value, low, high) => Math.min(high, Math.max(low, Math.round(value)));
  const choices = () => {
    const variance = page.get("whatif.variance");
    return {
      look: page.get("whatif.statistics") === "batch", size: within(page.get("whatif.batch"), 1, 64),
      share: within(page.get("whatif.mix"), 0, 100) / 100, gamma: page.get("whatif.gamma"),
      variance: variance === OWN || !Number.isFinite(Number(variance)) ? null : within(Number(variance), 0, page.last),
    };
  };

  // A run's weights at the epoch, changed as chosen.
  const changed = async (run, {gamma, variance}) => {
    const flat = await reading.weights(run, page.get("epoch"));
    if (!gamma && variance === null) return flat;
    const copy = flat.slice(), other = variance === null ? flat : await reading.weights(run, variance);
    for (const {norm} of run.layers) {
      const ones = gamma && reading.tensor(run, copy, `${norm}.weight`), name = `${norm}.running_var`;
      if (ones) ones.fill(1);
      reading.tensor(run, copy, name).set(reading.tensor(run, other, name));
    }
    return copy;
  };

  // ---- the parts of the section --------------------------------------------------------------------

  const columns = runs.map((run) => {
    const asTrained = page.bars(run, "as trained"), altered = page.bars(run, "what if");
    const accuracy = el("p", {class: "accuracy", "aria-live": "polite"});
    const node = el("div", {}, el("h3", {}, page.name(run)),
      el("div", {class: "answers"}, asTrained.node, altered.node), accuracy);
    return {run, asTrained, altered, accuracy, node, key: ""};
  });
  const strip = el("canvas", {class: "batch", role: "img", "aria-label": "The batch"}), batchSaid = el("p", {class: "quiet"});
  const others = el("p", {class: "quiet"});

  const radio = (value, words) => el("label", {}, el("input", {type: "radio", name: "whatif.statistics", value,
    onchange: () => page.set({"whatif.statistics": value})}), ` ${words}`);
  const check = (key, words, onchange) =>
    el("label", {}, el("input", {type: "checkbox", id: key, onchange}), ` ${words}`);
  const slider = (key, words, low, high) => {
    const said = el("output", {for: key}), input = el("input", {type: "range", id: key, min: low, max: high,
      oninput: (event) => page.set({[key]: key === "whatif.variance" ? event.target.value : Number(event.target.value)})});
    return {input, said, node: el("div", {class: "field slide"}, el("label", {for: key}, `${words}: `, said), input)};
  };

  const statistics = [radio("running", "running averages, as in use"), radio("batch", "the batch's own, as in training")];
  const size = slider("whatif.batch", "Digits in the batch", 1, 64), mix = slider("whatif.mix", "Classes in it", 0, 100);
  const gamma = check("whatif.gamma", "every gamma 1", (event) => page.set({"whatif.gamma": event.target.checked}));
  const variance = check("whatif.variance.on", "the running variance of another epoch",
    (event) => page.set({"whatif.variance": event.target.checked ? "0" : OWN}));
  const epoch = slider("whatif.variance", "Its epoch", 0, page.last);
  const reset = el("button", {type: "button", text: "As trained", onclick: () => page.set({"whatif.statistics": "running",
    "whatif.batch": 32, "whatif.mix": 0, "whatif.gamma": false, "whatif.variance": OWN})});

  const layOut = () => page.section("whatif").append(
    el("p", {text: "In training, batch norm shifts and scales by the mean and variance of the batch; in use, by their " +
      "running averages. What if it took the batch's in use, too? Then the answer for a digit depends on what else " +
      "is in its batch."}),
    el("div", {class: "sides"},
      el("div", {class: "panel chosen"},
        el("fieldset", {class: "choice"}, el("legend", {text: "Mean and variance"}), ...statistics),
        size.node, mix.node, el("fieldset", {class: "choice"}, el("legend", {text: "Swap"}), gamma, variance), epoch.node, reset),
      el("div", {}, strip, batchSaid, ...columns.map(({node}) => node), others)),
  );

  const showChoices = () => {
    const now = choices();
    for (const label of statistics) label.firstChild.checked = (label.firstChild.value === "batch") === now.look;
    [size.input.value, mix.input.value, epoch.input.value] = [now.size, Math.round(100 * now.share), now.variance ?? 0];
    [size.said.textContent, epoch.said.textContent] = [now.size, now.variance ?? 0];
    const percent = Math.round(100 * now.share);
    mix.said.textContent = percent === 0 ? "uniform, all classes alike" : percent === 100 ? "only the digit's class"
      : `${percent} % the digit's class, the others uniform`;
    gamma.firstChild.checked = now.gamma;
    variance.firstChild.checked = now.variance !== null;
    size.input.disabled = mix.input.disabled = !now.look;
    variance.firstChild.disabled = now.look; // then no running variance is used
    epoch.node.hidden = now.variance === null || now.look;
  };

  // ---- the digit in its batch ------------------------------------------------------------------------

  // The images of the batch, the digit first; without the batch's statistics it is alone.
  const batchOf = async (digit, {look, size: count, share}, label) => {
    if (!look) return {images: [digit.image], alike: 0};
    const test = await page.test();
    const but = digit.label === null ? -1 : Number(digit.place);
    const places = page.companions(test.labels, count, share, label, but);
    return {
      images: [digit.image, ...places.map((place) => reading.image(test, place))],
      alike: places.filter((place) => test.labels[place] === label).length,
    };
  };

  const drawBatch = (digit, images, alike, label, own) => {
    strip.hidden = batchSaid.hidden = !own.look;
    if (!own.look) return;
    const across = 16, unit = Math.min(32, Math.floor(strip.parentElement.clientWidth / across));
    strip.style.width = `${across * unit}px`;
    const context = page.fit(strip, Math.ceil(images.length / across) * unit), tile = page.digit(images[0]);
    context.imageSmoothingEnabled = false;
    images.forEach((image, i) => {
      context.drawImage(page.digit(image, tile), (i % across) * unit, Math.floor(i / across) * unit, unit - 1, unit - 1);
    });
    Object.assign(context, {strokeStyle: "#e69f00", lineWidth: 2});
    context.strokeRect(1, 1, unit - 3, unit - 3);
    batchSaid.textContent = `The batch: the digit (framed) and ${images.length - 1} test digits, ${alike} of them ` +
      `${reading.both(label)}${digit.label === null ? `, which ${runs[0].words} is what the drawing is read as` : ""}.`;
    strip.setAttribute("aria-label", batchSaid.textContent);
  };

  let latest = 0;
  const readDigit = async (digit) => {
    const mine = latest += 1, own = choices();
    const plain = (run) => reading.weights(run, page.get("epoch"));
    const first = await Promise.all(runs.map(async (run) => reading.batch(run, await plain(run), [digit.image], false)));
    const label = digit.label ?? reading.largest(first[0]);
    const {images, alike} = await batchOf(digit, own, label);
    const then = await Promise.all(runs.map(async (run) => reading.batch(run, await changed(run, own), images, own.look)));
    if (mine !== latest) return;
    drawBatch(digit, images, alike, label, own);
    columns.forEach(({asTrained, altered}, i) => {
      asTrained.show(reading.softmax(first[i]), digit.label);
      altered.show(reading.softmax(then[i].subarray(0, 10)), digit.label);
    });
  };

  // ---- all test digits aboard ------------------------------------------------------------------------

  const rightOf = (answers, labels) => answers.reduce((right, answer, place) => right + (answer === labels[place]), 0);

  const readAll = async (column) => {
    const own = choices(), key = JSON.stringify([page.get("epoch"), own]), {run, accuracy} = column;
    if (column.key === key) return;
    column.key = key;
    const test = await page.test(), alive = () => column.key === key;
    const batches = own.look ? page.batches(test.labels, own.size, own.share) : reading.inOrder(test.count);
    const first = rightOf(await reading.answers(run, page.get("epoch")), test.labels);
    const answers = alive() && await reading.all(run, await changed(run, own), batches, own.look, alive);
    if (!answers) return;
    const right = rightOf(answers, test.labels);
    accuracy.textContent = `Of ${test.count} test digits aboard: as trained ${page.percent(first / test.count)} right, ` +
      `what if ${page.percent(right / test.count)}${own.look ? `, in batches of ${own.size}` : ""}.`;
    Object.assign(accuracy.dataset, {right, trained: first, key});
  };

  const tellOthers = async () => {
    if (!without.length) return;
    const epochShown = page.get("epoch"), test = await page.test(), said = [];
    for (const run of without) {
      const right = rightOf(await reading.answers(run, epochShown), test.labels);
      said.push(`${run.words}: ${page.percent(right / test.count)} right`);
    }
    if (epochShown === page.get("epoch"))
      others.textContent = `Without batch norm, an answer depends on nothing else in the batch. ${said.join(", ")}.`;
  };

  // ---- when ------------------------------------------------------------------------------------------

  const update = reading.seen(page.section("whatif"), reading.soon(() => {
    if (!reading.shown) return;
    readDigit(reading.shown);
    columns.forEach(readAll);
    tellOthers();
  }));

  const start = () => {
    if (!runs.length) {
      page.section("whatif").append(el("p", {text: "None of the runs aboard has batch norm."}));
      return;
    }
    layOut();
    page.on(["whatif.statistics", "whatif.batch", "whatif.mix", "whatif.gamma", "whatif.variance"], () => {
      showChoices();
      update();
    });
    page.resized(update);
    reading.follow(update);
  };
  start();
})();
