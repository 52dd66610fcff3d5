// Lines over x: new page.Chart(canvas, {series, x, y, log, range, height, cursor, choose, format}).
//
// series: [{name, colour, points: [[x, y], ...], dashed, band: [[x, low, high], ...], shape}]; points
// ascend in x; a y that is no number, or not positive where log, leaves a gap, and is said to be no
// number unless it is undefined. shape (0 to 3) is a mark along the line, so that colour is not the
// only one. range: [low, high] of y, null for what the points say. cursor(x) is told the x that is
// pointed at, or null; choose(x) one that is clicked. Arrow keys point; dragging, + and - zoom;
// Escape and double click show all again.
(() => {
  "use strict";

  const NEAR = 0.005, DRAG = 6; // a share of what is shown; pixels

  class Chart extends page.Lines {
    constructor(canvas, options) {
      super(canvas, options);
      Object.assign(this, {hovered: null, drag: null});
      canvas.tabIndex = 0;
      canvas.style.touchAction = "pan-y";
      this.spoken = page.el("span", {class: "unseen", "aria-live": "polite"});
      this.listen();
    }

    // The x of the points that are shown, in order, each once.
    places() {
      const [from, to] = this.x;
      const found = new Set(this.series.flatMap(({points}) => points.filter(([, y]) => y !== undefined).map(([x]) => x)));
      return [...found].filter((x) => x >= from && x <= to).sort((a, b) => a - b);
    }

    // What each series says at x: [[series, y], ...] of those that have a point there or close by.
    at(x) {
      const close = NEAR * (this.x[1] - this.x[0]);
      return this.series.filter(({name}) => name).flatMap((series) => {
        const nearest = series.points.filter(([, y]) => y !== undefined).reduce(
          (best, point) => (best && Math.abs(best[0] - x) <= Math.abs(point[0] - x) ? best : point), null,
        );
        return nearest && Math.abs(nearest[0] - x) <= close ? [[series, nearest[1]]] : [];
      });
    }

    said(x) {
      const values = this.at(x).map(([{name}, y]) => `${name} ${this.value(y)}`);
      return [`${this.options.x || "x"} ${page.number(x)}`, ...values];
    }

    // Draws what is dragged over, or the values at the x that is pointed at.
    pointed() {
      super.pointed();
      const {context, box, drag} = this;
      if (drag && Math.abs(drag.to - drag.from) > DRAG) {
        context.save();
        [context.globalAlpha, context.fillStyle] = [0.15, page.ink()];
        context.fillRect(drag.from, box.top, drag.to - drag.from, box.bottom - box.top);
        context.restore();
      } else if (this.hovered !== null) this.values();
    }

    values() {
      const {context, box, scales, hovered} = this, x = scales.x(hovered), lines = this.said(hovered);
      [context.strokeStyle, context.fillStyle, context.lineWidth] = [page.grid(), page.ink(), 1];
      this.rule(x, box.top, x, box.bottom);
      const wide = Math.min(box.width, 16 + Math.max(...lines.map((each) => context.measureText(each).width)));
      const left = Math.max(0, x + 10 + wide > box.right ? Math.min(x - 10 - wide, box.width - wide) : x + 10);
      const style = getComputedStyle(document.documentElement), top = box.top + 2;
      context.fillStyle = style.getPropertyValue("--paper") || "#fff";
      context.fillRect(left, top, wide, lines.length * box.line + 8);
      context.strokeRect(left, top, wide, lines.length * box.line + 8);
      context.textAlign = "left";
      context.fillStyle = page.ink();
      lines.forEach((each, i) => context.fillText(each, left + 8, top + 4 + box.line * (i + 0.5), wide - 16));
      for (const [series, y] of this.at(hovered).filter(([, y]) => this.drawable(y))) {
        context.fillStyle = series.colour;
        page.mark(context, series.shape || 0, x, scales.y(y));
      }
    }

    listen() {
      const on = (name, fn) => this.canvas.addEventListener(name, fn);
      on("pointerdown", (event) => this.press(event));
      on("pointermove", (event) => this.move(event));
      on("pointerup", () => this.release());
      on("pointercancel", () => this.leave());
      on("pointerleave", (event) => event.pointerType === "mouse" && this.leave());
      on("blur", () => this.leave());
      on("dblclick", () => this.zoom(null));
      on("keydown", (event) => this.key(event));
    }

    press(event) {
      if (event.button) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.drag = {from: this.inside(event), to: this.inside(event)};
      this.point(this.nearest(this.drag.from));
    }

    move(event) {
      if (!this.box) return;
      if (this.drag) this.drag.to = this.inside(event);
      this.point(this.nearest(this.inside(event)));
    }

    release() {
      const {drag} = this;
      this.drag = null;
      if (!drag) return;
      const [from, to] = [drag.from, drag.to].sort((a, b) => a - b);
      if (to - from > DRAG) this.zoom([this.scales.x.back(from), this.scales.x.back(to)]);
      else if (this.options.choose && this.hovered !== null) this.options.choose(this.hovered);
    }

    leave() {
      this.drag = null;
      this.point(null);
    }

    inside(event) {
      const {left, right} = this.box, x = event.clientX - this.canvas.getBoundingClientRect().left;
      return Math.min(Math.max(x, left), right);
    }

    nearest(pixel) {
      const x = this.scales.x.back(pixel);
      return this.places().reduce(
        (best, each) => (best !== null && Math.abs(best - x) <= Math.abs(each - x) ? best : each), null,
      );
    }

    point(x) {
      const other = x !== this.hovered;
      this.hovered = x;
      if (other && this.options.cursor) this.options.cursor(x);
      this.redraw();
    }

    // Shows x from one to the other only, or all where null; never less than two points.
    zoom(view) {
      const inside = view && this.places().filter((x) => x >= view[0] && x <= view[1]);
      if (inside && inside.length < 2) return;
      this.view = view;
      this.redraw();
    }

    key(event) {
      const places = this.box ? this.places() : [], last = places.length - 1;
      const now = this.hovered === null ? -1 : places.indexOf(this.hovered);
      const to = {ArrowLeft: now < 0 ? last : now - 1, ArrowRight: now + 1, Home: 0, End: last}[event.key];
      if (to !== undefined && last >= 0) {
        this.point(places[Math.min(Math.max(to, 0), last)]);
        if (!this.spoken.isConnected) this.canvas.after(this.spoken);
        this.spoken.textContent = this.said(this.hovered).join(", ");
      } else if (event.key === "Escape") this.zoom(null);
      else if (event.key === "+" || event.key === "-") this.closer(event.key === "+" ? 0.5 : 2);
      else if (event.key === "Enter" && this.hovered !== null && this.options.choose) this.options.choose(this.hovered);
      else return;
      event.preventDefault();
    }

    // Shows so many times as much around the x that is pointed at, or around the middle.
    closer(times) {
      const [from, to] = this.x, middle = this.hovered ?? (from + to) / 2;
      const [low, high] = [middle - (middle - from) * times, middle + (to - middle) * times];
      const all = low <= this.whole[0] && high >= this.whole[1];
      this.zoom(all ? null : [Math.max(low, this.whole[0]), Math.min(high, this.whole[1])]);
    }
  }

  page.Chart = Chart;
})();
