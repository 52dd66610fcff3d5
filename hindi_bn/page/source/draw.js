// Section "Draw a digit": a pad, a strip of test digits, and what every network makes of the digit.
(() => {
  "use strict";

  const {el, reading} = page, {digits} = page.aboard;
  const MARKS = ["▲", "●", "■", "◆", "★", "✚"]; // one for each run: colour is not the only sign
  const DRAWN = "drawn";
  const order = [...new Set([...digits.hard, ...Array.from({length: digits.test}, (_, place) => place)])];

  page.defaults({digit: String(order[0]), "draw.strokes": ""});

  // ---- what is shown ---------------------------------------------------------------------------

  const bars = page.runs.map((run) => page.bars(run));
  const about = el("p"), spoken = el("p", {class: "unseen", "aria-live": "polite"});
  const seen = el("canvas", {class: "digit", role: "img", "aria-label": "What the networks see"});
  const canvas = el("canvas", {class: "pad", role: "img",
    "aria-label": "Draw a digit here with mouse, pen or finger; or choose one below by the arrow keys"});
  const undo = el("button", {type: "button", text: "Undo", onclick: () => keep(pad.strokes.slice(0, -1))});
  const clear = el("button", {type: "button", text: "Clear", onclick: () => keep([])});
  const list = el("div", {class: "strip scroll", role: "listbox", tabindex: 0, "aria-label": "Test digits, hard ones first",
    "aria-orientation": "horizontal"});
  const options = new Map(); // by place, as text

  const legend = () => el("p", {class: "quiet"},
    "Test digits, hard ones first. Marks below a digit: misread at the epoch shown ",
    ...page.runs.flatMap((run, i) => [i ? ", " : "", el("span", {class: "mark", style: `color:var(--arm-${i})`,
      text: MARKS[i % MARKS.length]}), ` ${run.words}`]), ". Choose with the arrow keys, or type a digit.");

  const layOut = () => {
    const board = el("div", {class: "board"}, canvas, el("div", {class: "sees"}, undo, clear, seen));
    const who = page.runs.length === 2 ? "Both networks" : "All networks";
    page.section("draw").append(
      el("p", {text: "Draw a digit from ० to ९, or choose a test digit. " + who + " read it at once, at the " +
        "epoch chosen above: the bars are what each of them gives every digit."}),
      el("div", {class: "drawing"}, el("div", {}, board, about, spoken), el("div", {class: "answers"}, ...bars.map(({node}) => node))),
      legend(), list,
    );
  };

  // ---- the strip -------------------------------------------------------------------------------

  const option = (place, image, label) => {
    const picture = el("canvas", {"aria-hidden": "true"}), marks = el("span", {class: "marks"});
    page.digit(image, picture);
    const name = el("span", {}, label === null ? "yours" : reading.both(label));
    const node = el("div", {role: "option", id: `digit-${place}`, "aria-selected": "false",
      onclick: () => page.set({digit: place})}, picture, name, marks);
    options.set(place, {node, picture, marks, label});
    return node;
  };

  const fill = async () => {
    const test = await page.test();
    list.append(option(DRAWN, new Uint8Array(1024), null),
      ...order.map((place) => option(String(place), reading.image(test, place), test.labels[place])));
    options.get(DRAWN).node.hidden = true;
  };

  // Marks of the runs that misread each digit at an epoch, once the slider rests there.
  let marking = 0;
  const mark = async (epoch) => {
    const answers = [];
    for (const run of page.runs) answers.push(await reading.answers(run, epoch));
    if (epoch !== page.get("epoch")) return;
    for (const [place, {node, marks, label}] of options) {
      if (place === DRAWN) continue;
      const wrong = page.runs.map((run, i) => i).filter((i) => answers[i][place] !== label);
      const words = wrong.map((i) => `, ${page.runs[i].words} reads ${reading.both(answers[i][place])}`).join("");
      node.setAttribute("aria-label", `${reading.both(label)}${words}`);
      node.title = `Test digit ${digits.test_places[place]}: ${reading.both(label)}${words}`;
      marks.replaceChildren(...wrong.map((i) => el("span", {style: `color:var(--arm-${i})`, text: MARKS[i % MARKS.length]})));
    }
  };

  const select = (place) => {
    if (options.get(place).node.getAttribute("aria-selected") === "true") return;
    for (const each of list.querySelectorAll('[aria-selected="true"]')) each.setAttribute("aria-selected", "false");
    const {node} = options.get(place);
    node.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", node.id);
    const left = node.offsetLeft - list.offsetLeft;
    if (left < list.scrollLeft || left + node.offsetWidth > list.scrollLeft + list.clientWidth)
      list.scrollLeft = left - (list.clientWidth - node.offsetWidth) / 2;
  };

  // The place that a key leads to from this one, or undefined.
  const led = (key, from) => {
    const places = [...options.keys()].filter((place) => !options.get(place).node.hidden), at = places.indexOf(from);
    const steps = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10,
      Home: -places.length, End: places.length};
    if (key in steps) return places[Math.min(places.length - 1, Math.max(0, at + steps[key]))];
    const after = [...places.slice(at + 1), ...places.slice(0, at + 1)];
    return after.find((place) => String(options.get(place).label) === key);
  };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const place = led(event.key, chosen());
    if (place === undefined) return;
    event.preventDefault();
    page.set({digit: place});
  });

  // ---- the digit -------------------------------------------------------------------------------

  // The place that is chosen: the first digit where the address names none, or an empty drawing.
  const chosen = () => {
    const place = page.get("digit");
    if (place === DRAWN ? pad.strokes.length : options.has(place)) return place;
    return String(order[0]);
  };

  const digit = async () => {
    const place = chosen();
    if (place === DRAWN) return {image: page.drawn(pad.strokes), label: null, place};
    const test = await page.test();
    return {image: reading.image(test, Number(place)), label: test.labels[place], place};
  };

  const told = ({label, place}) => (place === DRAWN ? "Your drawing, as the networks see it: 32 x 32 pixels."
    : `Test digit ${digits.test_places[place]}, a ${reading.both(label)}, as the networks see it: 32 x 32 pixels.`);

  // For those who do not see the bars, once the pen is up.
  const speak = (now, answers) => {
    const reads = answers.map(({logits}, i) => `${page.runs[i].words} reads ${reading.largest(logits)}`);
    const words = `${now.place === DRAWN ? "Your drawing" : `A ${now.label}`}: ${reads.join(", ")}.`;
    if (spoken.textContent !== words) spoken.textContent = words;
  };

  let latest = 0;
  const update = async () => {
    const mine = latest += 1, now = await digit();
    const answers = await Promise.all(page.runs.map((run) => reading.one(run, now.image, page.get("epoch"))));
    if (mine !== latest) return;
    answers.forEach(({logits}, i) => bars[i].show(reading.softmax(logits), now.label));
    page.digit(now.image, seen);
    about.textContent = told(now);
    if (pad.pen === null) speak(now, answers);
    const own = options.get(DRAWN);
    own.node.hidden = !pad.strokes.length;
    if (now.place === DRAWN) page.digit(now.image, own.picture);
    select(now.place);
    undo.disabled = clear.disabled = !pad.strokes.length;
    reading.show(now);
  };
  // Strokes are the drawing from now on, in the address too.
  const keep = (strokes) => {
    pad.set(strokes);
    page.set({"draw.strokes": page.written(strokes), digit: strokes.length ? DRAWN : String(order[0])});
    update();
  };

  const pad = new page.Pad(canvas, () => {
    page.set({digit: DRAWN});
    update();
  }, keep);

  const start = async () => {
    layOut();
    await fill();
    page.on("draw.strokes", () => {
      if (page.written(pad.strokes) !== page.get("draw.strokes")) pad.set(page.strokes(page.get("draw.strokes")));
    });
    page.on(["digit", "epoch", "draw.strokes"], update);
    page.on("epoch", () => {
      clearTimeout(marking);
      marking = setTimeout(mark, 150, page.get("epoch"));
    });
  };
  start();
})();
