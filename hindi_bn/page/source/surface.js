// The surface: the loss in a plane around each network, as a net to turn.
(() => {
  "use strict";
  const {el} = page, section = page.section("surface"), results = page.aboard.surfaces || [];
  const STATISTICS = {batch: "of each batch", running: "running averages", reestimated: "of all images, estimated anew"};
  const WAYS = {filters: "random directions, as long as the filters", plain: "random directions", path: "plane of the path"};
  const NEAR = 40, IN_FRONT = 6; // pixels from the pointer to a corner of the net, and more to others
  const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis

  if (!results.length) {
    const folders = page.runs.map((run) => `results/${page.aboard.made.study}/${run.name}`).join(" ");
    const path = page.runs.every((run) => run.epochs.length > 2) ? " --directions path" : "";
    section.append(el("p", {}, "The loss around these networks has not been computed. ",
      el("code", {text: `hindi-bn landscape surface ${folders}${path}`}),
      " computes it, beside the runs, and ", el("code", {text: "hindi-bn page"}), " then shows it here."));
    return;
  }

  page.defaults({"surface.result": results[0].name, "surface.network": "trained", "surface.statistics": "batch"});
  const result = () => results.find((each) => each.name === page.get("surface.result")) || results[0];
  const present = (key) => [...new Set(result().planes.map((plane) => plane[key]))];
  const chosen = (key) => (present(key).includes(page.get(`surface.${key}`)) ? page.get(`surface.${key}`) : present(key)[0]);
  // A network without BN has one surface, "none", whichever statistics are chosen.
  const planeOf = (run) => {
    const own = result().planes.filter((plane) => plane.run === run.name && plane.network === chosen("network"));
    return own.find((plane) => plane.statistics === statistics()) || own.find((plane) => plane.statistics === "none");
  };
  const statistics = () => {
    const there = present("statistics").filter((name) => name !== "none"), asked = page.get("surface.statistics");
    return there.includes(asked) ? asked : there[0];
  };

  // Heights are logarithms of the loss, on one scale for all networks that are shown.
  const heights = () => {
    const all = views.map(({run}) => planeOf(run)).filter(Boolean).flatMap((plane) => plane.loss.flat());
    return page.bounds(all.filter((loss) => loss > 0));
  };
  const colourOf = (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1), i = Math.min(Math.floor(at), STOPS.length - 2);
    return `rgb(${STOPS[i].map((from, j) => Math.round(from + (at - i) * (STOPS[i + 1][j] - from))).join(" ")})`;
  };

  const grid = (plane, place, height) => plane.loss.map((row, i) => row.map((loss, j) => (loss > 0
    ? {x: plane.x[j], y: plane.y[i], loss, z: height(loss),
      at: place([2 * j / (row.length - 1) - 1, 2 * i / (plane.loss.length - 1) - 1, height(loss)])}
    : null)));

  // The net's cells, the farthest first.
  const cells = (net) => net.slice(1).flatMap((row, i) => row.slice(1).map((corner, j) => [net[i][j], net[i][j + 1], corner, row[j]]))
    .filter((corners) => corners.every(Boolean))
    .map((corners) => ({corners, depth: corners.reduce((sum, {at}) => sum + at[2], 0), z: corners.reduce((sum, {z}) => sum + z, 0) / 4}))
    .sort((a, b) => a.depth - b.depth);

  const draw = (view) => {
    const {canvas, run} = view, plane = planeOf(run), width = canvas.clientWidth;
    if (!width) return;
    const tall = Math.min(Math.max(0.8 * width, 240), 420), context = page.fit(canvas, tall);
    context.clearRect(0, 0, width, tall);
    view.net = [];
    if (!plane) return;
    const place = turnable.placed(width, tall), ends = heights(), height = page.scale(ends, [-1, 1], true);
    const label = page.frame(context, place, {x: "x", y: "y", z: "loss"}, ends.map((loss) => page.format(loss, 2)));
    view.net = grid(plane, place, height);
    for (const {corners, z} of cells(view.net)) {
      context.fillStyle = context.strokeStyle = colourOf((z + 1) / 2);
      context.lineWidth = 0.6;
      context.beginPath();
      corners.forEach(({at}) => context.lineTo(at[0], at[1]));
      context.closePath();
      context.fill();
      context.stroke();
    }
    if (plane.path) path(context, plane, place, height, page.colour(run));
    point(context, view);
    label();
  };

  const path = (context, plane, place, height, colour) => {
    const [x, y] = [plane.x, plane.y].map((values) => page.scale([values[0], values[values.length - 1]], [-1, 1]));
    const points = plane.path.epoch.map((epoch, i) => ({epoch,
      at: place([x(plane.path.x[i]), y(plane.path.y[i]), height(plane.path.loss[i])])}));
    context.fillStyle = colour;
    for (const [ink, wide] of [[page.paper(), 4], [colour, 2]]) {
      [context.strokeStyle, context.lineWidth] = [ink, wide];
      context.beginPath();
      points.forEach(({at}) => context.lineTo(at[0], at[1]));
      context.stroke();
    }
    const now = points.filter(({epoch}) => epoch <= page.get("epoch")).pop();
    if (now) page.mark(context, 0, now.at[0], now.at[1]);
  };

  const point = (context, {pointed}) => {
    if (!pointed) return;
    [context.strokeStyle, context.lineWidth] = [page.ink(), 2];
    context.beginPath();
    context.arc(pointed.at[0], pointed.at[1], 5, 0, 7);
    context.stroke();
  };

  // The corner of the net that is nearest to the pointer, if it is near; of several, the one in front.
  const find = (view, event) => {
    const box = view.canvas.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const far = ({at}) => Math.hypot(at[0] - x, at[1] - y);
    const corners = view.net.flat().filter(Boolean), nearest = Math.min(NEAR, ...corners.map(far));
    const close = corners.filter((corner) => far(corner) < Math.min(nearest + IN_FRONT, NEAR));
    view.pointed = close.sort((one, other) => other.at[2] - one.at[2])[0] || null;
    view.said.textContent = view.pointed ? said(view.pointed) : summed(view);
    draw(view);
  };
  const forget = (view) => {
    view.pointed = null;
    view.said.textContent = summed(view);
    draw(view);
  };
  const said = ({x, y, loss}) => `At x ${page.format(x, 3)}, y ${page.format(y, 3)}: loss ${page.format(loss, 4)} nats.`;
  const summed = ({run}) => {
    const plane = planeOf(run);
    if (!plane) return "Not computed.";
    const losses = plane.loss.flat(), [low, high] = page.bounds(losses.filter((loss) => loss !== null)), none = losses.filter((loss) => loss === null).length;
    return `Loss ${page.format(low, 3)} to ${page.format(high, 3)} nats at ${losses.length} points` + (none ? `, none at ${none}.` : ".");
  };

  const views = page.runs.map((run, i) => ({run, net: [], pointed: null, canvas: el("canvas", {id: `surface-${i}`}), said: el("p", {class: "quiet"})}))
    .filter(({run}) => results.some(({planes}) => planes.some((plane) => plane.run === run.name)));
  const turnable = new page.Turnable(views.map(({canvas}) => canvas), () => views.forEach((view) => {
    view.pointed = null;
    draw(view);
  }), {tilt: 0.7});
  views.forEach((view) => {
    view.canvas.addEventListener("pointermove", (event) => turnable.held || find(view, event));
    view.canvas.addEventListener("pointerdown", (event) => find(view, event));
    view.canvas.addEventListener("pointerleave", () => forget(view));
  });

  const choice = (key, label, values, words) => {
    const id = `surface-${key}`, select = el("select", {id, onchange: () => page.set({[`surface.${key}`]: select.value})});
    const fill = () => {
      const there = values();
      select.replaceChildren(...there.map((value) => el("option", {value, text: words(value)})));
      select.value = key === "result" ? result().name : key === "statistics" ? statistics() : chosen(key);
      select.disabled = there.length < 2;
    };
    page.on(["surface.result", `surface.${key}`], fill);
    return el("div", {class: "field"}, el("label", {for: id, text: label}), select);
  };
  const inWords = ({directions, name}) => `${WAYS[directions] || directions} (${name})`;
  const all = () => views.forEach((view) => {
    view.pointed = null;
    draw(view);
    view.said.textContent = summed(view);
    view.canvas.setAttribute("aria-label", `Loss around the network ${view.run.words}: ${view.said.textContent}`);
  });

  const images = el("p", {class: "quiet"});
  section.append(
    el("p", {text: "The training loss where the weights are moved along two directions, x and y. A network with BN has several such surfaces: one for each way to " +
      "normalise at the moved weights. Drag, or use arrow keys, to turn; point for the loss there. Heights and colours are logarithmic, and one scale for all."}),
    el("div", {class: "row"}, choice("result", "Plane", () => results.map(({name}) => name), (name) => inWords(results.find((each) => each.name === name))),
      choice("network", "Network", () => present("network"), (name) => name),
      choice("statistics", "BN normalises by statistics", () => present("statistics").filter((name) => name !== "none"), (name) => STATISTICS[name] || name)),
    el("div", {class: "sides"}, ...views.map(({run, canvas, said: text}) => el("div", {}, el("h3", {}, page.name(run)), canvas, text))), images);
  page.on("surface.result", () => (images.textContent = `Loss on ${result().images}.` +
    (result().planes.some(({path: own}) => own) ? " The line is the network's own path, at its own loss; it need not lie in the plane." : "")));
  page.on(["surface.result", "surface.network", "surface.statistics", "theme", "epoch"], all);
  page.resized(all);
})();
