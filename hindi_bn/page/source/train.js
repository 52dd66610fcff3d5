// Section 5: both networks trained side by side, from the same initial weights on the same images.
(() => {
  "use strict";

  const {el} = page;
  const first = page.runs[0];
  const EVERY = 25; // steps between two tests
  const IMAGES = 160; // of a piece of work, after which a worker can be paused

  // ---- what is shown ------------------------------------------------------------------------

  const arms = ["left", "right"].map((side) => new page.Arm(side, first.shape));
  const chart = (type, options) => {
    const canvas = el("canvas");
    return {canvas, chart: new page[type](canvas, options)};
  };
  const losses = chart("Chart", {x: "step", y: "training loss", log: true});
  const accuracies = chart("Chart", {x: "step", y: "test accuracy", range: [0, 1]});
  const paths = chart("Lines", {x: "one weight", y: "another weight of the last convolution"});

  const draw = () => {
    const each = (trace) => arms.map((arm) => arm.line(arm[trace].points));
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
      Object.assign(this, {steps: 0, busy: false, paused: false, begun: null, over: false});
    }

    async begin() {
      const [lr, batch, scale, seed] = ["lr", "batch", "scale", "seed"].map((k) => page.get(`train.${k}`));
      this.batch = batch;
      const settings = {lr, batch, scale, seed, momentum: first.momentum, tested: 50};
      const data = [await page.training(), await page.test()];
      await Promise.all(arms.map((arm) => arm.begin(settings, data)));
    }

    // Trains until so many steps are made, or `pause`.
    async go(until) {
      Object.assign(this, {busy: true, paused: false});
      this.begun ||= this.begin();
      await this.begun;
      while (!this.paused && this.steps < until) {
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
      this.busy = false;
      this.show("Made");
    }

    show(what) {
      if (this.over) return;
      draw();
      report();
      const passes = page.format(this.steps / Math.ceil(page.aboard.digits.train / this.batch), 2);
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
    status.setAttribute("aria-busy", "false");
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
    if (experiment.busy) experiment.paused = true;
    else go(experiment.steps + page.get("train.steps"));
  };
  const step = () => {
    if (!experiment.busy) go(experiment.steps + 1);
  };
  const start = el("button", {type: "button", id: "train-start", text: "Train", onclick: train});

  const numbers = () => {
    const heads = ["network", "training loss", "test accuracy", "images a second"];
    const head = el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", {text, scope: "col"}))));
    const scroll = {class: "scroll", tabindex: 0, role: "region", "aria-label": "Both networks in numbers"};
    return el("div", scroll, el("table", {}, head, table));
  };

  page.section("train").append(
    el("p", {
      text: "Both networks start from the same weights and see the same digits in the same order; two " +
        "workers of your browser train them. The choices are in the page's address.",
    }),
    ...page.choices.controls(),
    el("div", {class: "row"}, start,
      el("button", {type: "button", id: "train-step", text: "Step", onclick: step}),
      el("button", {type: "button", id: "train-reset", text: "Reset", onclick: reset})),
    status,
    el("div", {class: "sides"}, ...[losses, accuracies, paths].map(({canvas}) => el("div", {}, canvas))),
    numbers(),
    digests,
    el("p", {
      class: "quiet",
      text: "The sha256 is that of all weights and running averages, as the project's evidence has it. " +
        "The same choices give the same one in every browser, and in Python by the same engine.",
    }),
    el("div", {class: "sides"}, ...arms.map((arm) => arm.element)),
  );
  page.on(page.choices.keys, reset);
  page.on("theme", draw);
})();
