// Pictures of a layer: its 16 feature maps, a histogram, bars of its numbers, a field of the input.
(() => {
  "use strict";

  const {SIDE, AREA, CHANNELS} = page.products;
  const ACROSS = 4, STEP = SIDE + 1, WHOLE = ACROSS * STEP + 1; // tiles in a row, with lines between

  // Black at 0, white at the largest value, blue below 0.
  const shade = (value, most) => {
    const share = most ? Math.min(1, Math.abs(value) / most) : 0;
    return value < 0 ? [0, 114 * share, 178 * share, 255] : [255 * share, 255 * share, 255 * share, 255];
  };

  const tiles = (map, most) => {
    const canvas = page.el("canvas", {width: WHOLE, height: WHOLE}), context = canvas.getContext("2d");
    context.fillStyle = "#777";
    context.fillRect(0, 0, WHOLE, WHOLE);
    for (let c = 0; c < CHANNELS; c += 1) {
      const picture = context.createImageData(SIDE, SIDE);
      for (let p = 0; p < AREA; p += 1) {
        shade(map[c * AREA + p], most).forEach((value, i) => { picture.data[4 * p + i] = value; });
      }
      context.putImageData(picture, 1 + (c % ACROSS) * STEP, 1 + Math.floor(c / ACROSS) * STEP);
    }
    return canvas;
  };

  const frame = (context, colour, x, y, side, width) => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x, y, side, side);
  };

  // Draws tiles (as made above) as wide as the canvas, and where {c, y, x} is in them.
  const show = (canvas, picture, {c, y, x}) => {
    const side = canvas.clientWidth, unit = side / WHOLE, context = page.fit(canvas, side);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, side, side);
    const left = 1 + (c % ACROSS) * STEP, top = 1 + Math.floor(c / ACROSS) * STEP;
    frame(context, "#e69f00", (left - 0.5) * unit, (top - 0.5) * unit, STEP * unit, 2);
    frame(context, "#e69f00", (left + x - 0.5) * unit, (top + y - 0.5) * unit, 2 * unit, 2);
  };

  // The pixel {c, y, x} at a place of the page, or null between the tiles.
  const pixelAt = (canvas, event) => {
    const box = canvas.getBoundingClientRect(), unit = box.width / WHOLE;
    const right = (event.clientX - box.left) / unit - 1, down = (event.clientY - box.top) / unit - 1;
    const column = Math.floor(right / STEP), row = Math.floor(down / STEP);
    const x = Math.floor(right - column * STEP), y = Math.floor(down - row * STEP);
    const within = [column, row].every((each) => each >= 0 && each < ACROSS) && x < SIDE && y < SIDE;
    return within ? {c: row * ACROSS + column, y, x} : null;
  };

  // A digit (bytes), with a frame around all pixels within `reach` of one.
  const field = (canvas, image, {y, x}, reach) => {
    const side = canvas.clientWidth, unit = side / SIDE, context = page.fit(canvas, side);
    context.imageSmoothingEnabled = false;
    context.drawImage(page.digit(image), 0, 0, side, side);
    const [left, top] = [x, y].map((at) => Math.max(0, at - reach));
    const [right, bottom] = [x, y].map((at) => Math.min(SIDE, at + reach + 1));
    Object.assign(context, {strokeStyle: "#e69f00", lineWidth: 2});
    context.strokeRect(left * unit, top * unit, (right - left) * unit, (bottom - top) * unit);
  };

  const BINS = 64;
  const counted = (values, low, high) => {
    const counts = new Float64Array(BINS), scale = BINS / (high - low || 1);
    for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor((value - low) * scale)))] += 1;
    return counts;
  };

  // Histograms [{values, colour, line}] on one axis, each as high as its fullest bin.
  const histogram = (canvas, height, parts) => {
    const context = page.fit(canvas, height), width = canvas.clientWidth, {pixels, family} = page.font(0.75);
    const low = Math.min(...parts.map(({ends}) => ends[0]), 0), high = Math.max(...parts.map(({ends}) => ends[1]), 0);
    const floor = height - 1.6 * pixels, at = (value) => (value - low) / (high - low || 1) * width;
    for (const {values, colour, line} of parts) {
      const counts = counted(values, low, high), most = Math.max(...counts), wide = width / BINS;
      Object.assign(context, {fillStyle: colour, strokeStyle: colour, lineWidth: 2});
      context.beginPath();
      counts.forEach((count, bin) => {
        const top = floor - count / most * (floor - 4);
        if (line) context.lineTo(bin * wide, top), context.lineTo((bin + 1) * wide, top);
        else if (count) context.fillRect(bin * wide, Math.min(top, floor - 1), wide - 0.5, Math.max(1, floor - top));
      });
      if (line) context.stroke();
    }
    Object.assign(context, {strokeStyle: page.ink(), fillStyle: page.ink(), lineWidth: 1});
    Object.assign(context, {font: `${pixels}px ${family}`, textBaseline: "bottom"});
    context.strokeRect(at(0), 0, 0, floor);
    context.strokeRect(0, floor, width, 0);
    for (const [value, align, x] of [[low, "left", 0], [high, "right", width]]) {
      context.textAlign = align;
      context.fillText(page.format(value), x, height);
    }
  };

  // Rows of 16 bars, one for each channel: [{name, values}], one channel marked.
  const numbers = (canvas, rows, marked, colour) => {
    const {pixels, family} = page.font(0.75), tall = 4.6 * pixels, head = 1.5 * pixels;
    const context = page.fit(canvas, rows.length * tall), wide = canvas.clientWidth / CHANNELS;
    Object.assign(context, {font: `${pixels}px ${family}`, textBaseline: "top"});
    rows.forEach(({name, values}, row) => {
      const low = Math.min(0, ...values), high = Math.max(0, ...values), span = high - low || 1;
      const at = (value) => row * tall + head + (high - value) / span * (tall - head - 6);
      context.fillStyle = page.ink();
      context.fillText(`${name}: ${page.format(Math.min(...values))} to ${page.format(Math.max(...values))}`, 0, row * tall);
      values.forEach((value, c) => {
        context.fillStyle = c === marked ? "#e69f00" : colour;
        context.fillRect(c * wide + 1, Math.min(at(0), at(value)), wide - 2, Math.max(1, Math.abs(at(0) - at(value))));
      });
      context.fillStyle = page.grid();
      context.fillRect(0, at(0), canvas.clientWidth, 1);
    });
  };

  page.maps = {tiles, show, pixelAt, field, histogram, numbers};
})();
