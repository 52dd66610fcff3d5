// Section 5: both networks trained side by side, from the same initial weights on the same images.
(() => {
  "use strict";

  const {el} = page;
  const first = page.runs[0];
  const BATCHES = [1, 2, 4, 8, 16, 32, 64];
  const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
  const SCALES = [0.01, 0.03, 0.1, 0.3, 1, 3, 10];
  const EVERY = 25; // steps between two tests
  const IMAGES = 160; // of a piece of work, after which a worker can be paused

  const DEFAULTS = {
    "train.lr": first.lr,
    "train.batch": first.batch_size,
    "train.scale": 1,
    "train.seed": first.seed,
    "train.left": "none",
    "train.right": "batch",
    "train.steps": 100,
  };
  const KEYS = Object.keys(DEFAULTS);
  const CHOICES = KEYS.slice(0, -1); // on which the weights depend
  const whole = (least, most) => (x) => Number.isInteger(x) && x >= least && x <= most;
  const norm = (name) => Object.hasOwn(page.norms, name);
  const LEGAL = {
    "train.lr": (x) => x > 0 && x <= 100,
    "train.batch": whole(1, Math.max(64, first.batch_size)),
    "train.scale": (x) => x >= 0 && x <= 1000,
    "train.seed": whole(0, Number.MAX_SAFE_INTEGER),
    "train.left": norm,
    "train.right": norm,
    "train.steps": whole(1, 1e6),
  };
  page.defaults(DEFAULTS);

  // An address may say anything: what cannot be is as if it had not been said.
  page.on(KEYS, () => {
    const wrong = KEYS.filter((key) => !LEGAL[key](page.get(key)));
    if (wrong.length) page.set(Object.fromEntries(wrong.map((key) => [key, DEFAULTS[key]])));
  });

  // ---- choices ------------------------------------------------------------------------------

  // A labelled list of values for a key of the address; `words` are {value: words} or values.
  page.choice = (key, label, words) => {
    const numbers = Array.isArray(words);
    const options = numbers ? words.map((value) => [value, page.format(value)]) : Object.entries(words);
    const select = el("select", {name: key});
    select.append(...options.map(([value, text]) => el("option", {value, text})));
    select.addEventListener("change", () => {
      page.set({[key]: numbers ? Number(select.value) : select.value});
    });
    page.on(key, () => {
      const value = String(page.get(key));
      if (![...select.options].some((option) => option.value === value)) {
        if (numbers) select.append(el("option", {value, text: value}));
      }
      select.value = value;
    });
    return el("label", {class: "field"}, label, select);
  };

  const number = (key, label) => {
    const input = el("input", {type: "number", step: 1, name: key});
    input.addEventListener("change", () => {
      const value = Number(input.value);
      if (input.value !== "" && LEGAL[key](value)) page.set({[key]: value});
      else input.value = page.get(key);
    });
    page.on(key, () => (input.value = page.get(key)));
    return el("label", {class: "field"}, label, input);
  };

  // What each shows with 1,000 digits aboard was tried with several seeds.
  const article = {lr: 0.001, batch: 32, scale: 1, seed: first.seed, left: "none", right: "batch"};
  const PRESETS = {
    "the article": [article, "The article's settings, on the digits aboard."],
    "no BN fails: small weights": [
      {...article, lr: 0.01, scale: 0.1},
      "With a tenth of the usual initial weights, the network without BN keeps guessing.",
    ],
    "no BN fails: large weights": [
      {...article, lr: 0.03, scale: 10},
      "With ten times the usual initial weights, the first step throws the network without BN off.",
    ],
    "both fail: lr 0.3": [{...article, lr: 0.3}, "At this learning rate BN does not help either."],
    "batch of two": [
      {...article, lr: 0.01, batch: 2},
      "Sixteen times as many steps for as many images; BN's statistics are those of two images.",
    ],
  };

  const presets = () => {
    const hint = el("p", {class: "quiet", id: "train-hint"});
    const buttons = Object.entries(PRESETS).map(([text, [values]]) => {
      const changes = Object.fromEntries(Object.entries(values).map(([k, v]) => [`train.${k}`, v]));
      return [changes, el("button", {type: "button", text, onclick: () => page.set(changes)})];
    });
    page.on(CHOICES, () => {
      const chosen = buttons.filter(([changes, button]) => {
        const pressed = Object.entries(changes).every(([key, value]) => page.get(key) === value);
        button.setAttribute("aria-pressed", String(pressed));
        return pressed;
      });
      hint.textContent = chosen.length ? PRESETS[chosen[0][1].textContent][1] : "Settings of your own.";
    });
    const group = {class: "row", role: "group", "aria-label": "Presets"};
    return [el("div", group, ...buttons.map(([, button]) => button)), hint];
  };

  // ---- what is shown ------------------------------------------------------------------------

  const arms = ["left", "right"].map((side, i) => new page.Arm(side, i, first.shape));
  const chart = (type, options) => {
    const canvas = el("canvas");
    return {canvas, chart: new page[type](canvas, options)};
  };
  const losses = chart("Chart", {x: "step", y: "training loss", log: true});
  const accuracies = chart("Chart", {x: "step", y: "test accuracy", range: [0, 1]});
  const paths = chart("Lines", {x: "one weight", y: "another weight of the last convolution"});

  const draw = () => {
    const each = (trace) =>
      arms.map((arm, shape) => ({
        name: arm.name,
        colour: arm.colour(),
        shape,
        points: arm[trace].points,
      }));
    losses.chart.set(each("loss"));
    accuracies.chart.set(each("accuracy"));
    paths.chart.set(each("path"));
  };

  const status = el("p", {role: "status", id: "train-status"});
  const table = el("tbody");
  const digests = el("div");
  const report = () => {
    const cell = (text) => el("td", {text});
    const rows = arms.map((arm) => {
      const {points} = arm.loss;
      const loss = points.length ? page.format(points[points.length - 1][1]) : "";
      const accuracy = arm.tested ? page.percent(arm.tested.accuracy) : "";
      const rate = arm.rate ? Math.round(arm.rate).toLocaleString("en") : "";
      return el("tr", {}, ...[arm.name, loss, accuracy, rate].map(cell));
    });
    table.replaceChildren(...rows);
    const made = arms.filter((arm) => arm.sha256);
    const digest = ({name, sha256}) => el("p", {text: `sha256 of the weights ${name}: `}, el("code", {text: sha256}));
    digests.replaceChildren(...made.map(digest));
  };

  // ---- training -----------------------------------------------------------------------------

  // One experiment: both workers, which stay at the same step.
  class Experiment {
    constructor() {
      Object.assign(this, {steps: 0, running: false, begun: null, over: false});
    }

    async begin() {
      const [lr, batch, scale, seed] = ["lr", "batch", "scale", "seed"].map((k) => page.get(`train.${k}`));
      Object.assign(this, {batch, lr});
      const settings = {lr, batch, scale, seed, momentum: first.momentum, tested: 50};
      const data = [await page.training(), await page.test()];
      await Promise.all(arms.map((arm) => arm.begin(settings, data)));
    }

    // Trains until so many steps are made, or `pause`.
    async go(until) {
      this.running = true;
      this.begun ||= this.begin();
      await this.begun;
      while (this.running && this.steps < until) {
        const piece = Math.max(1, Math.floor(IMAGES / this.batch));
        const to = Math.min(this.steps + piece, until, this.steps - (this.steps % EVERY) + EVERY);
        await Promise.all(arms.map((arm) => arm.advance(to - this.steps, this.batch)));
        this.steps = to;
        if (to % EVERY === 0) await Promise.all(arms.map((arm) => arm.watch(to)));
        this.show("Training");
      }
      await this.rest();
    }

    async rest() {
      if (this.steps % EVERY) await Promise.all(arms.map((arm) => arm.watch(this.steps)));
      await Promise.all(arms.map((arm) => arm.digest()));
      this.running = false;
      this.show("Made");
    }

    pause() {
      this.running = false;
    }

    show(what) {
      if (this.over) return;
      draw();
      report();
      const passes = page.format((this.steps * this.batch) / page.aboard.digits.train, 2);
      const steps = `${this.steps.toLocaleString("en")} steps of ${this.batch} images`;
      status.textContent = `${what}: ${steps}, ${passes} passes over the digits aboard.`;
      status.setAttribute("aria-busy", String(what === "Training")); // its end alone is read out
      start.textContent = what === "Training" ? "Pause" : "Train";
    }
  }

  let experiment = new Experiment();
  const reset = () => {
    experiment.over = true;
    arms.forEach((arm) => arm.clear());
    experiment = new Experiment();
    status.textContent = "Nothing is trained yet.";
    start.textContent = "Train";
    draw();
    report();
  };
  const go = (until) => {
    const mine = experiment;
    for (const arm of arms) arm.sha256 = "";
    start.textContent = "Pause";
    status.textContent = "The networks are made.";
    mine.go(until).catch((error) => {
      if (mine.over) return;
      reset();
      status.textContent = `This cannot be trained here: ${error.message}`;
    });
  };
  const train = () => {
    if (experiment.running) experiment.pause();
    else go(experiment.steps + page.get("train.steps"));
  };
  const step = () => {
    if (!experiment.running) go(experiment.steps + 1);
  };
  const start = el("button", {type: "button", id: "train-start", text: "Train", onclick: train});

  page.section("train").append(
    el("p", {
      text:
        "Both networks start from the same weights and see the same digits in the same order; two " +
        "workers of your browser train them. The choices are in the page's address.",
    }),
    ...presets(),
    el(
      "div",
      {class: "row"},
      page.choice("train.lr", "Learning rate", RATES),
      page.choice("train.batch", "Batch size", BATCHES),
      page.choice("train.scale", "Initial weights, times", SCALES),
      number("train.seed", "Seed"),
      number("train.steps", "Steps"),
    ),
    el(
      "div",
      {class: "row"},
      start,
      el("button", {type: "button", id: "train-step", text: "Step", onclick: step}),
      el("button", {type: "button", id: "train-reset", text: "Reset", onclick: reset}),
    ),
    status,
    el("div", {class: "sides"}, ...[losses, accuracies, paths].map(({canvas}) => el("div", {}, canvas))),
    el(
      "div",
      {class: "scroll", tabindex: 0, role: "region", "aria-label": "Both networks in numbers"},
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["network", "training loss", "test accuracy", "images a second"].map(
              (text) => el("th", {text, scope: "col"}),
            ),
          ),
        ),
        table,
      ),
    ),
    digests,
    el("p", {
      class: "quiet",
      text:
        "The sha256 is that of all weights and running averages, as the project's evidence has it. " +
        "The same choices give the same one in every browser, and in Python by the same engine.",
    }),
    el("div", {class: "sides"}, ...arms.map((arm) => arm.element)),
  );
  page.on(CHOICES, reset);
  page.on("theme", draw);
})();
