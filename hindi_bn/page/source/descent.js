// The descent: the path of two weights and the training loss, epoch by epoch, in a box to turn.
(() => {
  "use strict";
  const {el} = page, section = page.section("descent"), runs = page.runs.filter((run) => run.pair);
  if (!runs.length) {
    section.append(el("p", {text: "The runs of this page have not recorded two weights while they trained; the article's do."}));
    return;
  }
  page.defaults({"descent.same": false});

  const AXES = ["wx", "wy", "loss"];
  const pathOf = (run) => run.history.map((row, i) => ({
    epoch: row.epoch, wx: run.pair.wx[i], wy: run.pair.wy[i], loss: row.train_loss,
  })).filter((point) => AXES.every((axis) => Number.isFinite(point[axis])));
  const paths = new Map(runs.map((run) => [run, pathOf(run)]));
  const ends = (axis, of) => page.bounds(of.flatMap((run) => paths.get(run).map((point) => point[axis])));

  const scaled = (run) => {
    const of = page.get("descent.same") ? runs : [run];
    return AXES.map((axis) => page.scale(ends(axis, of), [-1, 1]));
  };

  const views = runs.map((run) => ({run, canvas: el("canvas", {id: `descent-${page.runs.indexOf(run)}`}), said: el("p", {class: "quiet"})}));

  const draw = ({run, canvas}) => {
    const width = canvas.clientWidth;
    if (!width || !paths.get(run).length) return;
    const height = Math.min(Math.max(0.8 * width, 240), 400), context = page.fit(canvas, height);
    context.clearRect(0, 0, width, height);
    const place = turnable.placed(width, height), scales = scaled(run), of = page.get("descent.same") ? runs : [run];
    const label = page.frame(context, place, {x: "wx", y: "wy", z: "training loss"}, ends("loss", of).map((loss) => page.format(loss, 3)));
    const points = paths.get(run).map((point) => ({...point, at: AXES.map((axis, i) => scales[i](point[axis]))}));
    path(context, run, points, place);
    label();
  };

  // The path up to the chosen epoch is bold, the rest faint; a plumb line drops from the epoch.
  const path = (context, run, points, place) => {
    const epoch = page.get("epoch"), colour = page.colour(run);
    const stroke = (part, alpha, wide) => {
      [context.globalAlpha, context.strokeStyle, context.lineWidth] = [alpha, colour, wide];
      context.beginPath();
      part.forEach(({at}) => context.lineTo(...place(at).slice(0, 2)));
      context.stroke();
      context.globalAlpha = 1;
    };
    stroke(points, 0.35, 1.5);
    stroke(points.filter((point) => point.epoch <= epoch), 1, 2.5);
    context.fillStyle = colour;
    points.forEach(({at}) => context.fillRect(place(at)[0] - 1.5, place(at)[1] - 1.5, 3, 3));
    const now = points.find((point) => point.epoch === epoch);
    if (!now) return;
    const [x, y] = place(now.at), [floorX, floorY] = place([now.at[0], now.at[1], -1]);
    [context.strokeStyle, context.lineWidth] = [page.ink(), 1];
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(floorX, floorY);
    context.stroke();
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
    context.stroke();
  };

  const minus = (text) => text.replace("-", "−");
  const say = ({run, canvas, said}) => {
    const now = paths.get(run).find((point) => point.epoch === page.get("epoch"));
    const from = (axis) => `${axis} ranges over ${page.format(ends(axis, [run])[1] - ends(axis, [run])[0], 2)} around ` +
      minus(page.format((ends(axis, [run])[0] + ends(axis, [run])[1]) / 2, 4));
    const [wx, wy, loss] = AXES.map((axis) => (now ? minus(page.format(now[axis], 6)) : ""));
    said.textContent = `${from("wx")}, ${from("wy")}. ` +
      (now ? `After epoch ${now.epoch}: wx ${wx}, wy ${wy}, training loss ${loss}.` : "Nothing was recorded before training.");
    canvas.setAttribute("aria-label", `Path of two weights and the training loss ${run.words}, ${paths.get(run).length} epochs: ${said.textContent}`);
  };

  const all = () => views.forEach((view) => {
    draw(view);
    say(view);
  });
  const turnable = new page.Turnable(views.map(({canvas}) => canvas), () => views.forEach(draw));
  const same = el("input", {id: "descent-same", type: "checkbox", onchange: () => page.set({"descent.same": same.checked})});
  section.append(
    el("p", {text: "Two weights of each network, wx and wy, and the training loss after every epoch. Drag a box, or use arrow keys, to turn it."}),
    el("label", {for: "descent-same"}, same, " the same scales for all"),
    el("div", {class: "sides"}, ...views.map(({run, canvas, said}) => el("div", {}, el("h3", {}, page.name(run)), canvas, said))),
  );
  page.on("descent.same", () => (same.checked = page.get("descent.same")));
  page.on(["epoch", "theme", "descent.same"], all);
  page.resized(all);
})();
