// What can be chosen of a training: all of it stands in the page's address.
(() => {
  "use strict";

  const {el} = page;
  const first = page.runs[0];
  const BATCHES = [1, 2, 4, 8, 16, 32, 64];
  const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];
  const SCALES = [0.01, 0.03, 0.1, 0.3, 1, 3, 10];
  page.norms = {none: "without BN", batch: "with BN", layer: "layer norm", group: "group norm"};

  const DEFAULTS = {
    "train.lr": first.lr,
    "train.batch": first.batch_size,
    "train.scale": 1,
    "train.seed": first.seed,
    "train.left": "none",
    "train.right": "batch",
    "train.steps": 100,
  };
  const KEYS = Object.keys(DEFAULTS);
  const CHOICES = KEYS.slice(0, -1); // on which the weights depend
  const whole = (least, most) => (x) => Number.isInteger(x) && x >= least && x <= most;
  const norm = (name) => Object.hasOwn(page.norms, name);
  const LEGAL = {
    "train.lr": (x) => x > 0 && x <= 100,
    "train.batch": whole(1, Math.max(64, first.batch_size)),
    "train.scale": (x) => x >= 0 && x <= 1000,
    "train.seed": whole(0, Number.MAX_SAFE_INTEGER),
    "train.left": norm,
    "train.right": norm,
    "train.steps": whole(1, 1e6),
  };
  page.defaults(DEFAULTS);

  // An address may say anything: what cannot be is as if it had not been said.
  page.on(KEYS, () => {
    const wrong = KEYS.filter((key) => !LEGAL[key](page.get(key)));
    if (wrong.length) page.set(Object.fromEntries(wrong.map((key) => [key, DEFAULTS[key]])));
  });

  // A labelled list of values for a key of the address; `words` are {value: words} or values.
  page.choice = (key, label, words) => {
    const numbers = Array.isArray(words);
    const options = numbers ? words.map((value) => [value, page.format(value)]) : Object.entries(words);
    const select = el("select", {name: key});
    select.append(...options.map(([value, text]) => el("option", {value, text})));
    select.addEventListener("change", () => {
      page.set({[key]: numbers ? Number(select.value) : select.value});
    });
    page.on(key, () => {
      const value = String(page.get(key));
      if (![...select.options].some((option) => option.value === value)) {
        if (numbers) select.append(el("option", {value, text: value}));
      }
      select.value = value;
    });
    return el("label", {class: "field"}, label, select);
  };

  const number = (key, label) => {
    const input = el("input", {type: "number", step: 1, name: key});
    input.addEventListener("change", () => {
      const value = Number(input.value);
      if (input.value !== "" && LEGAL[key](value)) page.set({[key]: value});
      else input.value = page.get(key);
    });
    page.on(key, () => (input.value = page.get(key)));
    return el("label", {class: "field"}, label, input);
  };

  // What each shows with 1,000 digits aboard was tried with several seeds.
  const article = {lr: 0.001, batch: 32, scale: 1, seed: first.seed, left: "none", right: "batch"};
  const PRESETS = {
    "the article": [article, "The article's settings, on the digits aboard."],
    "no BN fails: small weights": [
      {...article, lr: 0.01, scale: 0.1},
      "With a tenth of the usual initial weights, the network without BN keeps guessing.",
    ],
    "no BN fails: large weights": [
      {...article, lr: 0.03, scale: 10},
      "With ten times the usual initial weights, the first step throws the network without BN off.",
    ],
    "both fail: lr 0.3": [{...article, lr: 0.3}, "At this learning rate BN does not help either."],
    "batch of two": [
      {...article, lr: 0.01, batch: 2},
      "Sixteen times as many steps for as many images; BN's statistics are those of two images.",
    ],
  };

  const presets = () => {
    const hint = el("p", {class: "quiet", id: "train-hint"});
    const buttons = Object.entries(PRESETS).map(([text, [values]]) => {
      const changes = Object.fromEntries(Object.entries(values).map(([k, v]) => [`train.${k}`, v]));
      return [changes, el("button", {type: "button", text, onclick: () => page.set(changes)})];
    });
    page.on(CHOICES, () => {
      const chosen = buttons.filter(([changes, button]) => {
        const pressed = Object.entries(changes).every(([key, value]) => page.get(key) === value);
        button.setAttribute("aria-pressed", String(pressed));
        return pressed;
      });
      hint.textContent = chosen.length ? PRESETS[chosen[0][1].textContent][1] : "Settings of your own.";
    });
    const group = {class: "row", role: "group", "aria-label": "Presets"};
    return [el("div", group, ...buttons.map(([, button]) => button)), hint];
  };

  page.choices = {
    keys: CHOICES,
    controls: () => [
      ...presets(),
      el("div", {class: "row"},
        page.choice("train.lr", "Learning rate", RATES),
        page.choice("train.batch", "Batch size", BATCHES),
        page.choice("train.scale", "Initial weights, times", SCALES),
        number("train.seed", "Seed"),
        number("train.steps", "Steps")),
    ],
  };
})();
