// What every part of the page shares: the data aboard, the address, elements, canvases.
const page = {};

(() => {
  "use strict";

  page.aboard = JSON.parse(document.getElementById("aboard").textContent);
  page.runs = page.aboard.runs;
  page.last = Math.max(...page.runs.map((run) => run.epochs[run.epochs.length - 1]));
  page.reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // ---- elements ------------------------------------------------------------------------------

  // el("p", {class: "quiet", onclick: fn, text: "…"}, child, "text"): never parses HTML.
  page.el = (tag, props = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  page.section = (id) => document.getElementById(id);
  page.format = (x, digits = 3) => (Number.isFinite(x) ? Number(x.toPrecision(digits)).toString() : String(x));
  page.percent = (x, digits = 1) => `${(100 * x).toFixed(digits)} %`;

  // An arm's name with its colour before it.
  page.name = (run) => page.el("span", {}, page.el("span", {class: "swatch", style: `background:${page.colour(run)}`}), run.words);

  // ---- the address: all choices are in it ------------------------------------------------------

  const defaults = {epoch: page.last};
  const state = {};
  const listeners = new Map();

  const typed = (text, like) => {
    if (typeof like === "number") return Number.isFinite(Number(text)) && text !== "" ? Number(text) : like;
    if (typeof like === "boolean") return text === "true";
    return text;
  };
  const asked = () => new Map(new URLSearchParams(location.hash.slice(1)));
  const tell = (keys) => {
    const called = new Set(keys.flatMap((key) => listeners.get(key) || []));
    called.forEach((fn) => fn());
  };
  const write = () => {
    const words = new URLSearchParams();
    for (const key of Object.keys(state).sort())
      if (state[key] !== defaults[key]) words.set(key, state[key]);
    const hash = words.size ? `#${words}` : "";
    if (hash !== location.hash) history.replaceState(null, "", hash || location.href.split("#")[0]);
  };
  let writing = 0;

  page.get = (key) => (key in state ? state[key] : defaults[key]);
  page.set = (changes) => {
    const changed = Object.keys(changes).filter((key) => page.get(key) !== changes[key]);
    for (const key of changed) state[key] = changes[key];
    if (!changed.length) return;
    clearTimeout(writing);
    writing = setTimeout(write, 150); // browsers allow some hundred changes a minute
    tell(changed);
  };
  page.on = (keys, fn) => {
    for (const key of [keys].flat()) listeners.set(key, [...(listeners.get(key) || []), fn]);
    fn();
  };
  page.defaults = (more) => {
    Object.assign(defaults, more);
    const words = asked();
    for (const key of Object.keys(more)) if (words.has(key)) state[key] = typed(words.get(key), more[key]);
  };
  page.defaults({epoch: page.last});
  state.epoch = Math.min(Math.max(Math.round(page.get("epoch")), 0), page.last);
  addEventListener("hashchange", () => {
    const words = asked();
    if (![...words.keys()].some((key) => key in defaults) && location.hash.length > 1) return; // a part's anchor
    const changes = {};
    for (const key of Object.keys(defaults))
      changes[key] = words.has(key) ? typed(words.get(key), defaults[key]) : defaults[key];
    page.set(changes);
  });
  page.link = () => { write(); return location.href; };

  // ---- what is aboard --------------------------------------------------------------------------

  const bytesOf = (name) => {
    const text = atob(document.getElementById(`blob-${name}`).textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  };
  const inflate = async (bytes) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const kept = new Map();
  const once = (key, make) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
  page.blob = (name) => once(`blob ${name}`, () => inflate(bytesOf(name)));
  page.engine = WebAssembly.compile(bytesOf("engine"));

  const halves = (run) => once(`halves ${run.weights}`, async () => {
    const planes = await page.blob(run.weights), epochs = run.epochs.length, size = planes.length / epochs / 2;
    const ordered = new Int16Array(epochs * size);
    for (let epoch = 0; epoch < epochs; epoch++)
      for (let i = 0, low = 2 * epoch * size; i < size; i++) {
        const folded = planes[low + i] | (planes[low + size + i] << 8);
        ordered[epoch * size + i] = (epoch ? ordered[(epoch - 1) * size + i] : 0) + ((folded >> 1) ^ -(folded & 1));
      }
    return ordered;
  });
  const widen = (ordered) => {
    const sign = ordered < 0 ? -1 : 1, bits = Math.abs(ordered), power = bits >> 10, rest = bits & 1023;
    if (power === 31) return rest ? NaN : sign * Infinity;
    return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
  };
  // The epoch aboard that is nearest below the one asked for.
  page.aboardEpoch = (run, epoch) => Math.max(...run.epochs.filter((each) => each <= epoch), run.epochs[0]);
  page.weights = async (run, epoch) => {
    const ordered = await halves(run), size = ordered.length / run.epochs.length;
    const from = run.epochs.indexOf(page.aboardEpoch(run, epoch)) * size;
    return Float32Array.from(ordered.subarray(from, from + size), widen);
  };
  const digits = () => once("digits", async () => {
    const {train, test} = page.aboard.digits, bytes = await page.blob("digits"), size = 1024;
    const first = train * size + train;
    return {
      train: {images: bytes.subarray(0, train * size), labels: bytes.subarray(train * size, first), count: train},
      test: {images: bytes.subarray(first, first + test * size), labels: bytes.subarray(first + test * size), count: test},
    };
  });
  page.training = async () => (await digits()).train;
  page.test = async () => (await digits()).test;

  // ---- colours and canvases --------------------------------------------------------------------

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const lighter = (colour) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return `#${[r, g, b].map((x) => Math.round(x + 0.38 * (255 - x)).toString(16).padStart(2, "0")).join("")}`;
  };
  page.shade = (colour) => (dark.matches ? lighter(colour) : colour);
  page.colour = (run) => page.shade(run.colour);
  page.ink = () => css("--ink");
  page.quiet = () => css("--quiet");
  page.grid = () => css("--line");
  page.paper = () => css("--paper");
  const paint = () => page.runs.forEach((run, i) => document.documentElement.style.setProperty(`--arm-${i}`, page.colour(run)));
  paint();
  dark.addEventListener("change", () => {
    paint();
    tell(["theme"]);
  });
  page.resized = (fn) => {
    let asked = 0;
    addEventListener("resize", () => {
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(fn);
    });
  };
  page.fit = (canvas, height) => {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth || canvas.parentElement.clientWidth;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  };
})();
