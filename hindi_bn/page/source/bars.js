// Ten bars: what a network makes of a digit. page.bars(run, name) gives {node, show(...)}.
(() => {
  "use strict";

  const row = (digit, colour) => {
    const bar = page.el("span", {class: "bar"}), value = page.el("td", {class: "share"});
    bar.style.background = colour;
    const line = page.el("tr", {},
      page.el("th", {scope: "row"}, page.el("span", {lang: "hi", text: page.reading.numeral(digit)}), ` ${digit}`),
      page.el("td", {class: "track"}, bar), value);
    return {line, bar, value};
  };

  // show(probabilities, label): label is the digit's own class, where it is known.
  page.bars = (run, name = run.words) => {
    const colour = `var(--arm-${page.runs.indexOf(run)})`;
    const rows = Array.from({length: 10}, (_, digit) => row(digit, colour));
    const said = page.el("strong"), node = page.el("table", {class: "bars"},
      page.el("caption", {}, `${name}: `, said), page.el("tbody", {}, ...rows.map(({line}) => line)));
    const show = (shares, label) => {
      const best = page.reading.largest(shares);
      shares.forEach((share, digit) => {
        const {line, bar, value} = rows[digit];
        bar.style.width = `${100 * share}%`;
        value.textContent = page.percent(share);
        value.dataset.share = share;
        line.className = digit === best ? "largest" : "";
      });
      const wrong = label !== null && label !== undefined && label !== best;
      said.textContent = `${page.reading.both(best)}${wrong ? ", wrong" : ""}`;
      node.dataset.answer = best;
    };
    return {node, show};
  };
})();
