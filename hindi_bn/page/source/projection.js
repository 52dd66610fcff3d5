// Solid drawings on flat canvases: page.Turnable holds two angles and turns them by hand.
(() => {
  "use strict";

  const STEP = 0.12, FLATTEST = 0.05, STEEPEST = Math.PI / 2 - 0.02, HIGH = 0.85;

  // draw() is called when the angles change: by dragging on one of the canvases, or by arrow keys.
  class Turnable {
    constructor(canvases, draw, {turn = 0.7, tilt = 0.5} = {}) {
      Object.assign(this, {turn, tilt, draw, held: null});
      canvases.forEach((canvas) => this.listen(canvas));
    }

    listen(canvas) {
      canvas.setAttribute("role", "img");
      canvas.tabIndex = 0;
      Object.assign(canvas.style, {width: "100%", touchAction: "pan-y", cursor: "grab"});
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        this.held = [event.clientX, event.clientY];
      });
      canvas.addEventListener("pointermove", (event) => this.drag(event));
      ["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, () => (this.held = null)));
      canvas.addEventListener("keydown", (event) => this.key(event));
    }

    drag(event) {
      if (!this.held) return;
      const [x, y] = this.held;
      this.held = [event.clientX, event.clientY];
      this.by((event.clientX - x) / 120, (event.clientY - y) / 120);
    }

    key(event) {
      const by = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]}[event.key];
      if (!by) return;
      event.preventDefault();
      this.by(...by);
    }

    by(turn, tilt) {
      this.turn += turn;
      this.tilt = Math.min(Math.max(this.tilt + tilt, FLATTEST), STEEPEST);
      this.draw();
    }

    // Places (x, y, z), each -1 to 1 and z upwards, on a canvas: [right, down, depth]; what is
    // nearest has the greatest depth.
    placed(width, height) {
      const [cos, sin, low, high] = [Math.cos(this.turn), Math.sin(this.turn), Math.sin(this.tilt), Math.cos(this.tilt)];
      const size = Math.min(width / 3.1, height / 3.3);
      return ([x, y, z]) => {
        const right = cos * x + sin * y, far = cos * y - sin * x;
        const up = far * low + z * high * HIGH;
        return [width / 2 + size * right, height / 2 - size * up, z * low * HIGH - far * high];
      };
    }
  }

  page.Turnable = Turnable;

  // Draws the box that a solid stands in, its floor and a rule for the height; returns what draws
  // the axes' names, beside the edges in front, and the two ends of the height: call it last.
  page.frame = (context, place, names, [low, high]) => {
    const floor = [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1]], at = floor.map(place);
    const left = at.reduce((best, corner, i) => (corner[0] < at[best][0] ? i : best), 0);
    const top = place([floor[left][0], floor[left][1], 1]);
    [context.strokeStyle, context.lineWidth] = [page.grid(), 1];
    context.beginPath();
    [...at, at[0]].forEach(([x, y]) => context.lineTo(x, y));
    context.moveTo(at[left][0], at[left][1]);
    context.lineTo(top[0], top[1]);
    context.stroke();
    return () => {
      const font = page.font(0.75), write = writer(context, font);
      const middle = (one, two) => place([(one[0] + two[0]) / 2, (one[1] + two[1]) / 2, -1]);
      const front = (one, other) => (middle(...one)[2] > middle(...other)[2] ? one : other);
      const [x, y] = [front([floor[0], floor[1]], [floor[3], floor[2]]), front([floor[0], floor[3]], [floor[1], floor[2]])];
      for (const [edge, name] of [[x, names.x], [y, names.y]]) {
        const [right, down] = middle(...edge);
        write(name, right, down + font.pixels * 1.3, right < place([0, 0, -1])[0] ? "right" : "left");
      }
      write(`${names.z} ${high}`, Math.max(4, top[0] - 30), top[1] - 8, "left");
      write(low, at[left][0] - 5, at[left][1] + 4, "right");
    };
  };

  // Writes on whatever is there, readable by a margin of paper, and never over the canvas's edge.
  const writer = (context, font) => (text, x, y, align) => {
    context.save();
    context.font = `${font.pixels}px ${font.family}`;
    const wide = context.measureText(text).width, left = align === "right" ? x - wide : x;
    const at = Math.min(Math.max(left, 2), context.canvas.clientWidth - wide - 2);
    Object.assign(context, {textAlign: "left", strokeStyle: page.paper(), fillStyle: page.ink(), lineWidth: 4, lineJoin: "round"});
    context.strokeText(text, at, y);
    context.fillText(text, at, y);
    context.restore();
  };
})();
