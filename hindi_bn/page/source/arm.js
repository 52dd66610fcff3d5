// One of the two networks that the page trains side by side: its choice of a norm, its worker, and
// what is drawn of it.
(() => {
  "use strict";

  const {el} = page;
  const FILTERS = 16;
  const CELL = 18; // CSS pixels of a filter's weight
  const COLOURS = {none: "#D55E00", batch: "#0072B2", layer: "#009E73", group: "#CC79A7"}; // of all figures
  const SHAPES = {none: 1, batch: 0, layer: 2, group: 3};

  class Arm {
    // side: "left" or "right"; base: shape of the networks aboard.
    constructor(side, base) {
      Object.assign(this, {side, base, trainer: null});
      this.choice = page.choice(`train.${side}`, `Norm of the ${side} network`, page.norms);
      this.filters = el("canvas", {role: "img", style: "width: 100%"});
      this.layers = Array.from({length: base.convolutions}, (_, i) => this.layerChart(i));
      this.element = el(
        "div",
        {class: "panel"},
        el("div", {class: "row"}, this.choice),
        el("h3", {text: "Filters of the first convolution"}),
        this.filters,
        el("h3", {text: "What each layer hands on, for one test digit"}),
        ...this.layers.map(({canvas}) => canvas),
      );
      this.clear();
      page.resized(() => this.drawFilters());
    }

    get norm() {
      return page.get(`train.${this.side}`);
    }

    get colour() {
      return page.shade(COLOURS[this.norm]);
    }

    get name() {
      const words = page.norms[this.norm];
      return twins() ? `${words} (${this.side})` : words;
    }

    // A line of a chart; of two networks with the same norm, the right one's is dashed.
    line(points) {
      const dashed = twins() && this.side === "right";
      return {name: this.name, colour: this.colour, shape: SHAPES[this.norm], dashed, points};
    }

    layerChart(layer) {
      const canvas = el("canvas");
      const y = `layer ${layer + 1}: median, 15-85 %, 5-95 %`;
      return {canvas, chart: new page.Lines(canvas, {x: "step", y, height: 110, series: []})};
    }

    clear() {
      if (this.trainer) this.trainer.end();
      this.trainer = null;
      this.loss = new page.Trace();
      this.accuracy = new page.Trace({last: true});
      this.path = new page.Trace({last: true});
      this.percentiles = this.layers.map(() => new page.Trace({last: true}));
      Object.assign(this, {rate: 0, weights: null, tested: null, sha256: ""});
      this.drawFilters();
      this.drawLayers();
    }

    async begin(settings, data) {
      const {side, convolutions, after, average} = this.base;
      const run = page.shapeOf({side, convolutions, after, average, norm: {name: this.norm}});
      this.trainer = new page.Trainer();
      await this.trainer.begin({...run, constants: page.runs[0].constants}, settings, ...data);
      await this.watch(0);
    }

    async advance(steps, batch) {
      const {losses, seconds, pair, steps: done} = await this.trainer.advance(steps);
      losses.forEach((loss, i) => this.loss.add(done - steps + i + 1, loss));
      this.path.add(...pair);
      this.rate = (steps * batch) / seconds;
    }

    // Tests the network and looks into it, after so many steps.
    async watch(steps) {
      this.tested = await this.trainer.evaluate();
      const {filters, pair, percentiles} = await this.trainer.look(0);
      this.accuracy.add(steps, this.tested.accuracy);
      if (!steps) this.path.add(...pair);
      percentiles.forEach((five, layer) => this.percentiles[layer].add(steps, five));
      this.weights = filters;
      this.drawFilters();
      this.drawLayers();
    }

    async digest() {
      this.sha256 = (await this.trainer.digest()).sha256;
    }

    drawLayers() {
      const {colour} = this;
      this.layers.forEach(({chart}, layer) => {
        const {points} = this.percentiles[layer];
        const band = (low, high) => points.map((point) => [point[0], point[low], point[high]]);
        const median = points.map((point) => [point[0], point[3]]);
        chart.set([
          {name: "", colour, points: median, band: band(1, 5)},
          {name: "", colour, points: [], band: band(2, 4)},
        ]);
      });
    }

    drawFilters() {
      const {filters, weights} = this;
      const wide = filters.parentElement.clientWidth || 8 * 4 * CELL;
      const cell = Math.min(CELL, Math.floor(wide / 36));
      const context = page.fit(filters, 2 * 4 * cell);
      context.clearRect(0, 0, filters.width, filters.height);
      const most = weights ? weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) : 0;
      const range = weights ? `, white ${page.format(most)}, black ${page.format(-most)}` : "";
      filters.setAttribute("aria-label", `${FILTERS} filters of 3 x 3 weights${range}`);
      for (let i = 0; weights && i < weights.length; i++) {
        const [filter, y, x] = [Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3];
        const grey = Math.round((255 * (weights[i] / most + 1)) / 2);
        context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
        const [column, row] = [filter % 8, Math.floor(filter / 8)];
        context.fillRect(column * 4 * cell + x * cell, row * 4 * cell + y * cell, cell, cell);
      }
    }
  }

  // Whether both networks have the same norm.
  const twins = () => page.get("train.left") === page.get("train.right");

  page.Arm = Arm;
})();
