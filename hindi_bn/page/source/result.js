// 1: the result. Curves, the epoch that the whole page follows, the table, and how all was made.
(() => {
  "use strict";
  const {el, runs} = page, {made, published} = page.aboard, section = page.section("result");
  const PLAY = page.reduced ? 1500 : 450; // milliseconds an epoch is shown

  page.defaults({"result.of": "test"});

  const points = (share) => (100 * share).toFixed(2);
  const last = (run) => run.history[run.history.length - 1];

  // ---- one sentence, from the numbers ---------------------------------------------------------

  const sentence = () => {
    const ordered = [...runs].sort((a, b) => last(b).test_accuracy - last(a).test_accuracy);
    const [best, worst] = [ordered[0], ordered[ordered.length - 1]];
    const by = points(last(best).test_accuracy) - points(last(worst).test_accuracy);
    const epochs = [...new Set(runs.map((run) => last(run).epoch))].join(" and ");
    const said = ordered.map((run) => `${points(last(run).test_accuracy)} % (${run.words})`).join(" and ");
    const higher = by > 0
      ? `The network ${best.words} ends ${by.toFixed(2)} points higher than the one ${worst.words}`
      : "The networks end equal";
    return `${higher}: after ${epochs} epochs, ${said} of the test digits are read correctly. Data: ${made.data_title}.`;
  };

  // ---- the table -------------------------------------------------------------------------------

  // The first of the best epochs, as in the article's own tables.
  const best = (run) => run.history.reduce((found, row) => (row.test_accuracy > found.test_accuracy ? row : found));
  const lastFive = (run) => {
    const five = run.history.slice(-5);
    return five.reduce((sum, row) => sum + row.test_accuracy, 0) / five.length;
  };
  const printed = (run) => {
    const rows = published[run.name] || [];
    return rows.length ? points(rows[rows.length - 1].test_accuracy) : "–";
  };
  const at = (run, epoch) => run.history.find((row) => row.epoch === epoch);

  const table = () => {
    const there = Object.keys(published).length > 0, live = runs.map(() => el("td"));
    const heads = ["Test digits, %", "this epoch", "last epoch", "best (epoch)", "last five", ...(there ? ["published"] : [])];
    const rows = runs.map((run, i) => {
      const top = best(run), cells = [points(last(run).test_accuracy), `${points(top.test_accuracy)} (${top.epoch})`,
        points(lastFive(run)), ...(there ? [printed(run)] : [])];
      return el("tr", {}, el("th", {scope: "row"}, page.name(run)), live[i], ...cells.map((text) => el("td", {text})));
    });
    page.on("epoch", () => runs.forEach((run, i) => {
      const row = at(run, page.get("epoch"));
      live[i].textContent = row ? points(row.test_accuracy) : "–";
    }));
    return el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Test accuracy of each network"},
      el("table", {id: "result-table"},
        el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", {scope: "col", text})))), el("tbody", {}, ...rows)));
  };

  // ---- the curves ------------------------------------------------------------------------------

  const value = (number, factor) => (number === null || number === undefined ? null : factor * number);

  // Published points; what lies between two that are not neighbours is not drawn.
  const gaps = (rows, key, factor) => rows.filter((row) => key in row).flatMap((row, i, all) => {
    const point = [row.epoch, value(row[key], factor)];
    return i && row.epoch > all[i - 1].epoch + 1 ? [[row.epoch - 0.5, undefined], point] : [point];
  });

  // Published numbers are rings on top: where ours are the same, both are seen.
  const series = (key, factor) => {
    const ours = runs.map((run, shape) => ({
      name: run.words, colour: page.colour(run), shape, points: run.history.map((row) => [row.epoch, value(row[key], factor)]),
    }));
    const theirs = runs.map((run, shape) => ({
      name: `${run.words}, published`, colour: page.ink(), shape, dashed: true, points: gaps(published[run.name] || [], key, factor),
    }));
    return [...ours, ...theirs.filter(({points: there}) => there.length)];
  };

  const curve = (what, label, factor, options) => {
    const canvas = el("canvas", {id: `result-${what}`}), holder = el("div", {}, canvas);
    const chart = new page.Chart(canvas, {
      x: "epochs trained", y: label, choose: (epoch) => page.set({epoch: Math.round(epoch)}), ...options,
    });
    page.on(["result.of", "theme"], () => {
      const of = page.get("result.of") === "train" ? "train" : "test";
      chart.options.y = label.replace("…", of === "train" ? "training" : "test");
      chart.set(series(`${of}_${what}`, factor));
    });
    page.on("epoch", () => chart.mark(page.get("epoch")));
    return holder;
  };

  const chooseDigits = () => {
    const select = el("select", {id: "result-of", onchange: () => page.set({"result.of": select.value})},
      el("option", {value: "test", text: "test digits"}), el("option", {value: "train", text: "training digits"}));
    page.on("result.of", () => (select.value = page.get("result.of") === "train" ? "train" : "test"));
    return el("div", {class: "row"}, el("div", {class: "field"}, el("label", {for: "result-of", text: "Curves of the"}), select));
  };

  // ---- the epoch ---------------------------------------------------------------------------------

  const player = () => {
    let timer = 0;
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      button.textContent = "Play";
    };
    const next = () => {
      page.set({epoch: Math.min(page.get("epoch") + 1, page.last)});
      if (page.get("epoch") >= page.last) stop();
    };
    const button = el("button", {id: "epoch-play", type: "button", text: "Play", onclick: () => {
      if (timer) return stop();
      if (page.get("epoch") >= page.last) page.set({epoch: 0});
      timer = setInterval(next, PLAY);
      button.textContent = "Pause";
    }});
    return {button, stop};
  };

  const slider = () => {
    const {button, stop} = player(), output = el("output", {for: "epoch", style: "white-space: nowrap"});
    const input = el("input", {id: "epoch", type: "range", min: 0, max: page.last, step: 1, oninput: () => {
      stop();
      page.set({epoch: Number(input.value)});
    }});
    page.on("epoch", () => {
      const epoch = page.get("epoch");
      input.value = epoch;
      output.textContent = epoch ? `${epoch} of ${page.last}` : "untrained";
      input.setAttribute("aria-valuetext", output.textContent);
    });
    return el("div", {class: "epoch"}, el("div", {class: "row", style: "flex-wrap: nowrap; gap: 0.6rem; align-items: center; margin: 0"},
      button, el("label", {for: "epoch", text: "Epoch"}), input, output));
  };

  // ---- how it was made ---------------------------------------------------------------------------

  const how = () => {
    const lines = [
      ["Command", made.command], ["Commit", made.commit && `${made.commit}${made.dirty ? ", with changes that are not committed" : ""}`],
      ["Data", made.data_title], ["Numerics", made.numerics], ["Device", [made.device, made.device_name].filter(Boolean).join(", ")],
      ["Versions", Object.entries(made.versions || {}).map(([name, version]) => `${name} ${version}`).join(", ")],
      ...runs.map((run) => [run.words, `seed ${run.seed}, batches of ${run.batch_size}, learning rate ${run.lr}, momentum ${run.momentum}` +
        (run.description ? `; ${run.description}` : "")]),
    ].filter(([, text]) => text);
    return el("details", {id: "made"}, el("summary", {text: "How this was made"}),
      el("dl", {}, ...lines.flatMap(([name, text]) => [el("dt", {text: name}), el("dd", {}, el("code", {text}))])));
  };

  section.append(
    el("p", {id: "result-sentence", text: sentence()}), table(), chooseDigits(),
    el("div", {class: "sides"}, curve("accuracy", "Accuracy on … digits (%)", 100, {}),
      curve("loss", "Loss on … digits (nats)", 1, {log: true})),
    el("p", {class: "quiet", text: "Point at a curve, or use arrow keys, for its values; click to go to that epoch; drag or + to zoom" +
      (Object.keys(published).length ? ". Rings and dashes: what the article prints." : ".")}),
    how(),
  );
  section.after(slider());
})();
