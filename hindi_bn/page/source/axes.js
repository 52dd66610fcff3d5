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

  // Round numbers in [low, high], at most so many: steps of 1, 2 or 5 times a power of ten.
  page.ticks = ([low, high], most, log) => {
    if (log && high / low >= 10) return decades(low, high, most);
    const raw = (high - low) / Math.max(most, 1) || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= raw * (1 - 1e-9));
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9; i += 1) found.push(i * step);
    return found.map((value) => Number(value.toPrecision(12)));
  };

  const decades = (low, high, most) => {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(most, 1))), found = [];
    for (let power = first; power <= last; power += step) found.push(Number(`1e${power}`));
    return found;
  };

  // The reader's own text size, times size.
  page.font = (size = 0.8) => {
    const root = getComputedStyle(document.documentElement);
    return {pixels: size * parseFloat(root.fontSize), family: getComputedStyle(document.body).fontFamily};
  };

  // A mark of the shape (circle, square, triangle, diamond) around a place, radius 3.5.
  page.mark = (context, shape, x, y) => {
    const corners = {1: [[-3, -3], [3, -3], [3, 3], [-3, 3]], 2: [[0, -4], [4, 3], [-4, 3]],
      3: [[0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]]}[shape];
    context.beginPath();
    if (corners) corners.forEach(([right, down]) => context.lineTo(x + right, y + down));
    else context.arc(x, y, 3.3, 0, 7);
    context.fill();
  };

  // A number beside an axis.
  page.number = (value) => {
    const size = Math.abs(value);
    return size && (size >= 1e5 || size < 1e-3) ? value.toExponential().replace("e+", "e") : String(value);
  };
})();
