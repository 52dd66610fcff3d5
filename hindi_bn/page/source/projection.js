// Solid drawings on a flat canvas: page.Turnable holds the two angles and turns them by hand.
(() => {
  "use strict";

  const STEP = 0.12, FLATTEST = 0.05, STEEPEST = Math.PI / 2 - 0.02;

  // draw() is called when the angles change: by dragging, or by arrow keys when focused.
  class Turnable {
    constructor(canvas, draw, {turn = 0.7, tilt = 0.5} = {}) {
      Object.assign(this, {turn, tilt, draw, held: null});
      canvas.tabIndex = 0;
      canvas.style.touchAction = "pan-y";
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

    // Places (x, y, z), each -1 to 1 and z upwards, in a box: [right, down, depth]; the nearest has
    // the greatest depth.
    placed({left, top, width, height}) {
      const [cos, sin, low, high] = [Math.cos(this.turn), Math.sin(this.turn), Math.sin(this.tilt), Math.cos(this.tilt)];
      const size = Math.min(width, height * 1.25) / 3.1;
      return ([x, y, z]) => {
        const [right, far] = [cos * x + sin * y, cos * y - sin * x];
        const up = far * low + z * high * 0.9;
        return [left + width / 2 + size * right, top + height / 2 - size * up, z * low - far * high];
      };
    }
  }

  page.Turnable = Turnable;
})();
