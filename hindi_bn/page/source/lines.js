// Lines over x, drawn: what page.Chart (chart.js) shows. Options and series are described there.
(() => {
  "use strict";

  const DASH = [6, 4], MARKS = 7;

  class Lines {
    constructor(canvas, options) {
      Object.assign(this, {canvas, options: {height: 240, format: (y) => page.format(y, 4), ...options}});
      Object.assign(this, {view: null, marked: null, waiting: false});
      canvas.setAttribute("role", "img");
      canvas.style.width = "100%";
      this.set(options.series || []);
      page.resized(() => this.redraw());
      page.on("theme", () => this.redraw());
    }

    // Shows other series; what is zoomed stays.
    set(series) {
      this.series = series;
      this.redraw();
    }

    // Draws a vertical line at x, or none where x is null.
    mark(x) {
      this.marked = x;
      this.redraw();
    }

    redraw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.draw();
      });
    }

    drawable(y) {
      return y !== null && Number.isFinite(y) && (!this.options.log || y > 0);
    }

    // The ends of all points: of x, and of y among those x that are shown.
    extent() {
      const all = this.series.flatMap(({points, band}) => [...points, ...(band || [])]);
      const whole = page.bounds(all.map(([x]) => x));
      this.whole = whole[0] <= whole[1] ? whole : [0, 1];
      const [from, to] = this.x = this.view || this.whole;
      const ys = all.filter(([x]) => x >= from && x <= to)
        .flatMap(([, ...values]) => values.filter((y) => this.drawable(y)));
      const [low, high] = ys.length ? page.bounds(ys) : this.options.log ? [0.1, 1] : [0, 1];
      const range = this.options.range || [null, null];
      return this.padded([range[0] ?? low, range[1] ?? high]);
    }

    padded([low, high]) {
      if (this.options.log) return [low / 1.15, high * 1.15];
      const margin = 0.05 * (high - low) || Math.abs(high) * 0.05 || 1;
      const range = this.options.range || [null, null];
      return [low - (range[0] === null ? margin : margin / 3), high + (range[1] === null ? margin : margin / 3)];
    }

    // Places: the label of y and the legend's lines above, numbers on the left, x below.
    draw() {
      const width = this.canvas.clientWidth;
      if (!width) return;
      const y = this.extent(), font = page.font(), line = font.pixels * 1.45;
      this.context = this.context || this.canvas.getContext("2d");
      this.context.font = `${font.pixels}px ${font.family}`;
      const legend = this.legend(width), top = line * (1 + legend.lines) + 8;
      const height = this.options.height + top, bottom = height - 2 * line - 6;
      const context = this.context = page.fit(this.canvas, height);
      context.font = `${font.pixels}px ${font.family}`;
      context.textBaseline = "middle";
      const ticks = page.ticks(y, (bottom - top) / (2.3 * line), this.options.log);
      const left = Math.max(...ticks.map((each) => context.measureText(page.number(each)).width), 8) + 10;
      this.box = {left, right: width - 10, top, bottom, width, height, line};
      this.scales = {x: page.scale(this.x, [left, width - 10]), y: page.scale(y, [bottom, top], this.options.log)};
      context.clearRect(0, 0, width, height);
      this.axes(ticks);
      this.labels(legend);
      this.lines();
      this.pointed();
      this.canvas.setAttribute("aria-label", this.words());
    }

    legend(width) {
      const gap = 34, entries = [];
      let [x, lines] = [0, 0];
      for (const series of this.series.filter(({name}) => name)) {
        const wide = this.context.measureText(series.name).width + gap + 12;
        if (x && x + wide > width) [x, lines] = [0, lines + 1];
        entries.push({series, x, line: lines + 1});
        x += wide;
      }
      return {entries, lines: entries.length ? lines + 1 : 0, gap};
    }

    axes(ticks) {
      const {context, box, scales} = this;
      [context.strokeStyle, context.fillStyle, context.lineWidth] = [page.grid(), page.ink(), 1];
      context.textAlign = "right";
      for (const tick of ticks) {
        this.rule(box.left, scales.y(tick), box.right, scales.y(tick));
        context.fillText(page.number(tick), box.left - 6, scales.y(tick));
      }
      const wide = 24 + Math.max(...this.x.map((x) => context.measureText(page.number(Math.round(x))).width));
      const most = Math.max(1, Math.floor((box.right - box.left) / wide));
      const all = page.ticks(this.x, most), whole = this.whole.every(Number.isInteger); // epochs, steps
      all.filter((x) => !whole || Number.isInteger(x)).forEach((x) => this.below(page.number(x), scales.x(x)));
      context.strokeStyle = page.ink();
      this.rule(box.left, box.bottom, box.right, box.bottom);
    }

    rule(fromX, fromY, toX, toY) {
      this.context.beginPath();
      this.context.moveTo(fromX, fromY);
      this.context.lineTo(toX, toY);
      this.context.stroke();
    }

    // Writes below the axis, moved inwards where it would be cut off.
    below(text, x) {
      const {context, box} = this, half = context.measureText(text).width / 2;
      context.textAlign = "center";
      context.fillText(text, Math.min(Math.max(x, half), box.width - half), box.bottom + 0.75 * box.line);
    }

    labels(legend) {
      const {context, box, options} = this;
      context.textAlign = "left";
      context.fillText(options.y || "", 0, box.line / 2, box.width);
      for (const {series, x, line} of legend.entries) {
        const y = box.line * (line + 0.5);
        this.stroke(series, () => this.rule(x, y, x + legend.gap - 8, y));
        if (series.shape !== undefined) page.mark(context, series.shape, x + (legend.gap - 8) / 2, y, series.dashed);
        context.fillStyle = page.ink();
        context.fillText(series.name, x + legend.gap, y, box.width - legend.gap);
      }
      const zoomed = this.view ? " (double click or Escape: all)" : "";
      context.textAlign = "right";
      context.fillText((options.x || "") + zoomed, box.right, box.bottom + 1.8 * box.line, box.width - 12);
    }

    stroke(series, path) {
      const {context} = this;
      context.save();
      [context.strokeStyle, context.lineWidth] = [series.colour, series.dashed ? 1.3 : 2.2];
      context.setLineDash(series.dashed ? DASH : []);
      path();
      context.restore();
      context.fillStyle = series.colour;
    }

    lines() {
      const {context, box} = this;
      context.save();
      context.beginPath();
      context.rect(box.left - 8, box.top - 6, box.right - box.left + 16, box.bottom - box.top + 6);
      context.clip();
      this.series.filter(({band}) => band).forEach((series) => this.band(series));
      for (const series of this.series) {
        this.stroke(series, () => this.line(series.points));
        this.marks(series);
      }
      context.restore();
    }

    band({band, colour}) {
      const {context, scales} = this;
      const shown = band.filter(([, low, high]) => this.drawable(low) && this.drawable(high));
      context.save();
      [context.globalAlpha, context.fillStyle] = [0.2, colour];
      context.beginPath();
      shown.forEach(([x, low]) => context.lineTo(scales.x(x), scales.y(low)));
      shown.reverse().forEach(([x, , high]) => context.lineTo(scales.x(x), scales.y(high)));
      context.fill();
      context.restore();
    }

    line(points) {
      const {context, scales} = this;
      context.beginPath();
      let on = false;
      for (const [x, y] of points) {
        const there = this.drawable(y);
        if (there && on) context.lineTo(scales.x(x), scales.y(y));
        else if (there) context.moveTo(scales.x(x), scales.y(y));
        on = there;
      }
      context.stroke();
    }

    // At most MARKS marks, or all of few points, as of published numbers with epochs between them.
    marks({points, shape, dashed}) {
      if (shape === undefined) return;
      const shown = points.filter(([x, y]) => x >= this.x[0] && x <= this.x[1] && this.drawable(y));
      const every = Math.max(1, Math.ceil(shown.length / MARKS));
      for (let i = shown.length - 1; i >= 0; i -= every) {
        page.mark(this.context, shape, this.scales.x(shown[i][0]), this.scales.y(shown[i][1]), dashed);
      }
    }

    value(y) {
      return y === null || !Number.isFinite(y) ? "no number" : this.options.format(y);
    }

    words() {
      const [from, to] = this.x.map((x) => page.number(Number(x.toPrecision(4))));
      const last = this.series.filter(({name, points}) => name && points.length)
        .map(({name, points}) => `${name} ${this.value(points[points.length - 1][1])}`);
      const {x, y} = this.options;
      return `${y || "y"} by ${x || "x"}, ${from} to ${to}. Last values: ${last.join(", ") || "none"}.`;
    }

    // The marked line; a chart adds what is pointed at.
    pointed() {
      const {context, box, scales, marked, x} = this;
      if (marked === null || marked < x[0] || marked > x[1]) return;
      [context.strokeStyle, context.lineWidth] = [page.ink(), 1.5];
      this.rule(scales.x(marked), box.top - 4, scales.x(marked), box.bottom);
    }
  }

  page.Lines = Lines;
})();
