// What drawings share: ends of values, places along an axis, round numbers, the font, marks.
(() => {
  "use strict";

  // The least and the greatest of values.
  page.bounds = (values) => values.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity],
  );

  // A place (pixel) for each value of [low, high]; its back() is the value of a place.
  page.scale = ([low, high], [from, to], log) => {
    const at = log ? Math.log10 : (value) => value;
    const span = at(high) - at(low) || 1;
    const place = (value) => from + (at(value) - at(low)) / span * (to - from);
    place.back = (pixel) => {
      const value = at(low) + (pixel - from) / (to - from) * span;
      return log ? 10 ** value : value;
    };
    return place;
  };

  // Round numbers in [low, high], at most so many: steps of 1, 2 or 5 times a power of ten; where
  // log, powers of ten, with 2 and 5 times them where there is room.
  page.ticks = ([low, high], most, log) => {
    if (log && high / low >= 4) return decades(low, high, most);
    const raw = (high - low) / Math.max(most, 1) || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= raw * (1 - 1e-9));
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9; i += 1) found.push(i * step);
    return found.map((value) => Number(value.toPrecision(12)));
  };

  const decades = (low, high, most) => {
    const powers = (factors, step) => {
      const found = [], first = Math.floor(Math.log10(low)), last = Math.floor(Math.log10(high));
      for (let power = first; power <= last; power += 1) {
        if (power % step === 0) found.push(...factors.map((factor) => Number(`${factor}e${power}`)));
      }
      return found.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
    };
    const all = [powers([1, 2, 5], 1), powers([1, 3], 1), ...[1, 2, 3, 5, 10, 20].map((step) => powers([1], step))];
    return all.find((found) => found.length <= Math.max(most, 2)) || [low];
  };

  // The reader's own text size, times size.
  page.font = (size = 0.8) => {
    const root = getComputedStyle(document.documentElement);
    return {pixels: size * parseFloat(root.fontSize), family: getComputedStyle(document.body).fontFamily};
  };

  // A mark of the shape (circle, square, triangle, diamond) around a place; a ring of it if hollow.
  page.mark = (context, shape, x, y, hollow = false) => {
    const size = hollow ? 1.7 : 1;
    const corners = {1: [[-3, -3], [3, -3], [3, 3], [-3, 3]], 2: [[0, -4], [4, 3], [-4, 3]],
      3: [[0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]]}[shape];
    context.beginPath();
    if (corners) corners.forEach(([right, down]) => context.lineTo(x + size * right, y + size * down));
    else context.arc(x, y, size * 3.3, 0, 7);
    context.closePath();
    if (!hollow) return context.fill();
    [context.strokeStyle, context.lineWidth] = [context.fillStyle, 1.3];
    context.stroke();
  };

  // A number beside an axis.
  page.number = (value) => {
    const size = Math.abs(value);
    return size && (size >= 1e5 || size < 1e-3) ? value.toExponential().replace("e+", "e") : String(value);
  };
})();
