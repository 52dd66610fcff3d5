// The claims: the ledger as a forest plot, a row a claim, and its verdicts under other analyses.
(() => {
  "use strict";
  const {el} = page, section = page.section("claims"), {claims: ledger} = page.aboard;
  const LABELS = {test: "Test", correction: "Correction", epoch: "Accuracy read at",
    diverged: "A run that diverged counts", seeds: "Seeds"};
  const KEYS = Object.keys(LABELS), LINEAR = 0.8, FARTHEST = 300;

  if (!ledger) {
    section.append(el("p", {}, "No claim has been tested where this page was made. ",
      el("code", {text: "hindi-bn claims run"}), " tests them, and ", el("code", {text: "hindi-bn page"}),
      " then shows the ledger here."));
    return;
  }

  // ---- the chosen analysis ---------------------------------------------------------------------

  const {choices} = ledger, whole = KEYS.every((key) => (choices[key] || []).length);
  const usual = {test: "t", correction: "Holm", epoch: "as the rule", diverged: "as 10 %", seeds: "all"};
  const standard = (key) => (choices[key].includes(usual[key]) ? usual[key] : choices[key][0]);
  page.defaults({"claims.other": false});
  if (whole) page.defaults(Object.fromEntries(KEYS.map((key) => [`claims.${key}`, standard(key)])));

  const chosen = (key) => {
    const value = page.get(`claims.${key}`);
    return choices[key].indexOf(choices[key].includes(value) ? value : standard(key));
  };

  // The row of the claim's analyses that is chosen; where a choice makes no difference to a claim,
  // it has none, and its own, the first row's, stands.
  const analysis = (claim) => {
    if (!page.get("claims.other") || !claim.analyses.length) return null;
    const [own] = claim.analyses;
    const rows = KEYS.reduce((left, key, i) => {
      const kept = left.filter((row) => row[i] === chosen(key));
      return kept.length ? kept : left.filter((row) => row[i] === own[i]);
    }, claim.analyses);
    const [verdict, effect, low, high, n] = rows[0].slice(KEYS.length);
    return {verdict: choices.verdict[verdict], effect, low, high, n};
  };

  const shown = (claim) => {
    const test = claim.tests[claim.decisive], other = analysis(claim);
    const pilot = claim.words.startsWith("pilot:") ? "pilot: " : "";
    if (other) return {...other, words: `${pilot}${other.verdict}, n = ${other.n}`, hollow: !claim.confirmed};
    const words = claim.words.includes("n = ") ? claim.words : `${claim.words}, n = ${test.n}`;
    return {...test, verdict: claim.verdict, words, hollow: !claim.confirmed};
  };

  // ---- places in the plot: linear up to one margin, logarithmic beyond -------------------------

  const squeezed = (x) => Math.sign(x) * (Math.abs(x) <= 1 ? LINEAR * Math.abs(x) : LINEAR + Math.log10(Math.abs(x)));
  const inMargins = (claim, value) => claim.margins.inward * (value - claim.margins.end) / claim.margins.margin;
  let reach = 2;
  const place = (x) => {
    const inside = Math.min(Math.max(x, -reach), reach);
    return `${(50 + 48 * squeezed(inside) / squeezed(reach)).toFixed(2)}%`;
  };
  const measure = () => {
    const all = ledger.claims.flatMap((claim) => {
      const {effect, low, high} = shown(claim);
      return [effect, low, high].filter(Number.isFinite).map((value) => Math.abs(inMargins(claim, value)));
    });
    reach = Math.min(FARTHEST, 1.4 * Math.max(2, ...all));
  };

  const svg = (tag, props, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(props).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };
  const line = (from, to, y, props) => svg("line", {x1: from, x2: to, y1: y[0], y2: y[1], ...props});

  // The bar of a claim: where it would hold, its interval, its estimate.
  const bar = (claim, {effect, low, high, verdict, hollow}) => {
    const colour = page.shade(ledger.verdicts[verdict]), region = page.shade(ledger.verdicts.supported);
    const wide = parseFloat(place(claim.margins.width ?? Infinity)) - parseFloat(place(0)), parts = [];
    parts.push(svg("rect", {x: place(0), y: 0, width: `${wide}%`, height: "100%", fill: region, opacity: 0.15}),
      line(place(0), place(0), [0, "100%"], {stroke: page.ink()}));
    const ends = [low, high].map((value) => inMargins(claim, value));
    if (low !== null && high !== null) parts.push(line(place(ends[0]), place(ends[1]), ["50%", "50%"], {stroke: colour, "stroke-width": 3}));
    if (effect !== null) parts.push(svg("circle", {cx: place(inMargins(claim, effect)), cy: "50%", r: 5.5, stroke: colour,
      "stroke-width": 2.5, fill: hollow ? page.paper() : colour}));
    return parts;
  };

  const axis = () => [0, 1, 10, 100].filter((tick) => tick < reach).flatMap((tick) => (tick ? [-tick, tick] : [0]))
    .map((tick) => svg("text", {x: place(tick), y: "75%", "text-anchor": "middle", fill: page.ink()},
      tick > 0 ? `+${tick}` : String(tick).replace("-", "−")));

  // ---- rows --------------------------------------------------------------------------------------

  const signed = (x) => (x === null ? "none" : `${x > 0 ? "+" : ""}${page.format(x, 3)}`.replace("-", "−"));
  const inWords = ({effect, low, high}, unit) => {
    const interval = low === null || high === null ? "no interval" : `[${signed(low)}, ${signed(high)}]`;
    return effect === null ? "no estimate" : `${signed(effect)} ${interval} ${unit}`.trim();
  };

  const about = (claim) => {
    const tests = claim.tests.map((test) => el("li", {text: `${test.label}: ${inWords(test, test.unit)}; region: ${test.region}` +
      ` (n = ${test.n}, seeds ${test.seeds})`}));
    const entries = [["Source", [claim.source + (claim.says ? `: ${claim.says}` : "")]], ["Claim", [claim.statement]],
      ["Tests", [el("ul", {}, ...tests)]], ["How", [claim.method]],
      ["Runs", [`${claim.runs} of ${claim.epochs} epochs; ${claim.data}`]],
      ["Verdict", [`${claim.words}; p = ${page.format(claim.p, 2)}, corrected. Intervals are those of its level, ${page.format(claim.level, 2)}.`]],
      ["Rule", [el("code", {text: claim.rule})]]];
    return el("dl", {}, ...entries.flatMap(([name, texts]) => [el("dt", {text: name}), el("dd", {}, ...texts)]));
  };

  const row = (claim) => {
    const drawing = svg("svg", {width: "100%", height: 26, "aria-hidden": "true"});
    const verdict = el("span", {class: "verdict"}), effect = el("span", {class: "quiet"});
    const swatch = el("span", {class: "swatch"}), words = el("span");
    verdict.append(swatch, words);
    const draw = () => {
      const now = shown(claim), {unit} = claim.tests[claim.decisive];
      drawing.replaceChildren(...bar(claim, now));
      words.textContent = now.words;
      swatch.style.background = page.shade(ledger.verdicts[now.verdict]);
      effect.textContent = inWords(now, unit);
    };
    const summary = el("summary", {}, el("span", {class: "title", text: `${claim.id}  ${claim.title}`}), el("span", {}, drawing),
      el("span", {}, verdict, el("br"), effect));
    return {node: el("details", {class: "claim", id: `claim-${claim.id}`}, summary, about(claim)), draw};
  };

  // ---- the switch --------------------------------------------------------------------------------

  const choice = (key) => {
    const id = `claims-${key}`, select = el("select", {id, disabled: choices[key].length < 2,
      onchange: () => page.set({[`claims.${key}`]: select.value})}, ...choices[key].map((text) => el("option", {value: text, text})));
    page.on(`claims.${key}`, () => (select.value = choices[key][chosen(key)]));
    return el("div", {class: "field"}, el("label", {for: id, text: LABELS[key]}), select);
  };

  const switches = () => {
    const input = el("input", {id: "claims-other", type: "checkbox", onchange: () => page.set({"claims.other": input.checked})});
    const fields = el("fieldset", {class: "row", style: "border: 0; padding: 0"},
      el("legend", {class: "unseen", text: "The analysis"}), ...KEYS.map(choice));
    page.on("claims.other", () => {
      input.checked = page.get("claims.other");
      fields.hidden = !input.checked;
      fields.style.display = input.checked ? "" : "none";
    });
    return el("div", {}, el("label", {for: "claims-other"}, input, " Analyse otherwise than the rule: would the verdicts be others?"), fields);
  };

  const counted = (verdicts) => {
    const counts = Object.keys(ledger.verdicts).map((verdict) => [verdict, verdicts.filter((each) => each === verdict).length]);
    return counts.filter(([, n]) => n).map(([verdict, n]) => `${n} ${verdict}`).join(", ");
  };
  const summed = () => {
    const verdicts = ledger.claims.map((claim) => shown(claim).verdict);
    const others = ledger.claims.filter((claim, i) => claim.verdict !== verdicts[i]).length;
    const open = ledger.claims.filter(({confirmed}) => !confirmed).length;
    return `${ledger.claims.length} claims about batch norm: ${counted(verdicts)}` + (open ? ` (${open} by pilot runs alone).` : ".") +
      (page.get("claims.other") ? ` ${others} of the ledger's verdicts change by this analysis.` : "");
  };

  const rows = ledger.claims.map(row), ticks = svg("svg", {width: "100%", height: 22, "aria-hidden": "true", style: "overflow: visible"});
  const sum = el("p", {id: "claims-sum", "aria-live": "polite"});
  section.append(sum, whole ? switches() : el("p", {class: "quiet"}, "Other analyses of the same runs: ",
    el("code", {text: "hindi-bn claims multiverse"}), " computes them, and the page then has a switch here."),
    el("p", {class: "quiet", text: "A bar right of the line: the claim holds (its decisive test, with its interval). The axis counts margins " +
      "from the end of the test's region, and is logarithmic beyond 1. Hollow: runs that the number of seeds was found by, which decide nothing yet. " +
      "Open a row for its rule, source and seeds."}),
    el("div", {class: "claim axis", "aria-hidden": "true"}, el("span", {class: "title"}), el("span", {}, ticks), el("span")),
    ...rows.map(({node}) => node), el("details", {}, el("summary", {text: "What the verdicts mean"}), el("p", {text: ledger.rule})));
  page.on(["claims.other", "theme", ...KEYS.map((key) => `claims.${key}`)], () => {
    measure();
    ticks.replaceChildren(...axis());
    rows.forEach(({draw}) => draw());
    sum.textContent = summed();
  });
})();
