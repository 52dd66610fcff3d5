// A curve that grows while its memory does not: once it is full, neighbours become one point.
(() => {
  "use strict";

  const MOST = 300; // points

  // Points are means of `width` values that follow each other; or the last of these, where `last`.
  class Trace {
    constructor({last = false} = {}) {
      Object.assign(this, {last, points: [], width: 1, waiting: []});
    }

    add(x, values) {
      this.waiting.push([x, ...[values].flat()]);
      if (this.waiting.length < this.width) return;
      this.points.push(this.merged(this.waiting));
      this.waiting = [];
      if (this.points.length < MOST) return;
      const pairs = Array.from({length: MOST / 2}, (_, i) => this.points.slice(2 * i, 2 * i + 2));
      this.points = pairs.map((pair) => this.merged(pair));
      this.width *= 2;
    }

    merged(points) {
      const end = points[points.length - 1];
      if (this.last) return end;
      const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
      return end.map((value, i) => (i ? mean(i) : value));
    }
  }

  page.Trace = Trace;
})();
