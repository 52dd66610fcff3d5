// A pen: strokes on a canvas, and what they are as a digit of the data: white on black, 32 x 32.
(() => {
  "use strict";

  // The data's digits fill 28 x 28 pixels inside an empty margin of two, whatever the proportions
  // of the handwriting; the median of their pens is 3.3 pixels (hindi_bn/digits/shapes.py).
  const SIDE = 32, BOX = 28, PEN = 3.2, LONGEST = 3, FINE = 1295, MOST = 4000;

  const ends = (values) => [Math.min(...values), Math.max(...values)];

  // Strokes ([[x, y], ...] each) moved and stretched so that pen and all fill the box.
  const fitted = (strokes) => {
    const points = strokes.flat();
    const [left, right] = ends(points.map(([x]) => x)), [top, bottom] = ends(points.map(([, y]) => y));
    const width = Math.max(right - left, (bottom - top) / LONGEST) || 1;
    const height = Math.max(bottom - top, (right - left) / LONGEST) || 1;
    const at = (value, low, high, span) => SIDE / 2 + (value - (low + high) / 2) * ((BOX - PEN) / span);
    return strokes.map((stroke) => stroke.map(([x, y]) => [at(x, left, right, width), at(y, top, bottom, height)]));
  };

  const distance = (x, y, [ax, ay], [bx, by]) => {
    const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    const along = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  };

  // Lights the pixels near the line from a to b; its edge is a pixel soft.
  const light = (image, a, b) => {
    const reach = PEN / 2 + 0.5;
    const [left, right] = ends([a[0], b[0]]), [top, bottom] = ends([a[1], b[1]]);
    for (let y = Math.max(0, Math.floor(top - reach)); y < Math.min(SIDE, bottom + reach); y += 1)
      for (let x = Math.max(0, Math.floor(left - reach)); x < Math.min(SIDE, right + reach); x += 1) {
        const share = Math.min(1, Math.max(0, reach - distance(x + 0.5, y + 0.5, a, b)));
        image[y * SIDE + x] = Math.max(image[y * SIDE + x], Math.round(255 * share));
      }
  };

  // Strokes as an image of the data, Uint8Array (1024). It is computed here and not read back from
  // a canvas, so that it is the same in every browser.
  page.drawn = (strokes) => {
    const image = new Uint8Array(SIDE * SIDE);
    for (const stroke of fitted(strokes))
      stroke.forEach((point, i) => light(image, stroke[Math.max(0, i - 1)], point));
    return image;
  };

  // A digit's image on a canvas, pixel by pixel.
  page.digit = (image, canvas = document.createElement("canvas")) => {
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d"), data = context.createImageData(SIDE, SIDE);
    const words = new Uint32Array(data.data.buffer); // alpha, blue, green, red
    image.forEach((value, i) => { words[i] = 0xff000000 + value * 0x010101; });
    context.putImageData(data, 0, 0);
    return canvas;
  };

  // Strokes as text for the page's address: points of two numbers, of two characters (0-9, a-z) each.
  const letters = (value) => Math.round(value * FINE).toString(36).padStart(2, "0");
  page.written = (strokes) => strokes.map((stroke) => stroke.flat().map(letters).join("")).join(".");
  page.strokes = (text) => {
    if (!/^([0-9a-z]{4})+(\.([0-9a-z]{4})+)*$/.test(text) || text.length > 4 * MOST) return [];
    const number = (each) => parseInt(each, 36) / FINE;
    return text.split(".").map((stroke) =>
      stroke.match(/.{4}/g).map((point) => [number(point.slice(0, 2)), number(point.slice(2))]));
  };

  // A canvas to draw on. changed(strokes) is told of every move, ended(strokes) when the pen is up.
  class Pad {
    constructor(canvas, changed, ended) {
      Object.assign(this, {canvas, changed, ended, strokes: [], pen: null});
      canvas.style.touchAction = "none";
      canvas.addEventListener("pointerdown", (event) => this.down(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
      page.resized(() => this.draw());
    }

    place(event) {
      const box = this.canvas.getBoundingClientRect();
      const share = (value) => Math.round(Math.min(1, Math.max(0, value)) * FINE) / FINE;
      return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
    }

    down(event) {
      if (this.pen !== null || event.button !== 0) return;
      this.pen = event.pointerId;
      this.canvas.setPointerCapture(this.pen);
      this.strokes = [...this.strokes, [this.place(event)]];
      this.put();
      event.preventDefault();
    }

    move(event) {
      if (event.pointerId !== this.pen) return;
      const stroke = this.strokes[this.strokes.length - 1];
      const passed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const each of passed.length ? passed : [event]) {
        const [x, y] = this.place(each), [lastX, lastY] = stroke[stroke.length - 1];
        if (Math.hypot(x - lastX, y - lastY) > 0.008) stroke.push([x, y]);
      }
      this.put();
    }

    up(event) {
      if (event.pointerId !== this.pen) return;
      this.pen = null;
      this.ended(this.strokes);
    }

    put() {
      this.draw();
      this.changed(this.strokes);
    }

    set(strokes) {
      this.strokes = strokes;
      this.draw();
    }

    draw() {
      const side = this.canvas.clientWidth, context = page.fit(this.canvas, side);
      context.fillStyle = "#000";
      context.fillRect(0, 0, side, side);
      if (!this.strokes.length) this.invite(context, side);
      Object.assign(context, {strokeStyle: "#fff", lineWidth: 0.09 * side, lineCap: "round", lineJoin: "round"});
      for (const stroke of this.strokes) {
        context.beginPath();
        context.moveTo(stroke[0][0] * side, stroke[0][1] * side);
        for (const [x, y] of stroke) context.lineTo(x * side, y * side);
        context.stroke();
      }
    }

    invite(context, side) {
      const {pixels, family} = page.font(1.1);
      Object.assign(context, {fillStyle: "#aaa", font: `${pixels}px ${family}`, textAlign: "center", textBaseline: "middle"});
      context.fillText("Draw here", side / 2, side / 2);
    }
  }
  page.Pad = Pad;
})();
