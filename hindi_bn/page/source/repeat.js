// The ledger's rows: trains a run of the evidence again and compares the sha256 of its weights.
(() => {
  "use strict";

  const {el} = page;
  const arms = page.aboard.rows || [];
  const STEPS = 20; // of a piece of work
  const PIECE = 2 ** 20; // bytes that are hashed at a time

  // ---- the digits -------------------------------------------------------------------------

  let dropped = null; // {train, test, name}

  const digits = async () => {
    if (dropped) return dropped;
    const [train, test] = [await page.training(), await page.test()];
    return {train, test, name: page.aboard.digits.title};
  };

  const pause = () => new Promise((resolve) => setTimeout(resolve));

  const sha256 = async (bytes) => {
    const whole = new page.Sha256();
    for (let at = 0; at < bytes.length; at += PIECE) {
      whole.update(bytes.subarray(at, at + PIECE));
      await pause();
    }
    return whole.hex();
  };

  // Throws where the pixels are not those that the row was trained on.
  const check = async (data, expected) => {
    for (const split of ["train", "test"]) {
      data.digests ||= {};
      data.digests[split] ||= await sha256(data[split].images);
      if (data.digests[split] === expected[split]) continue;
      const shown = [data.digests[split], expected[split]].map((each) => `${each.slice(0, 16)}...`);
      throw new Error(
        `The ${split}ing digits of ${data.name} are not those of this row: their pixels' sha256 is ` +
          `${shown[0]}, the row's ${shown[1]}. Drop the archive of the article's digits here.`,
      );
    }
  };

  const take = async (file) => {
    try {
      const progress = (done, of) => say(`Reading ${file.name}: ${done} of ${of} images.`, done / of);
      dropped = {...(await page.archive.read(file, progress)), name: file.name};
      const [train, test] = [dropped.train.count, dropped.test.count].map(counted);
      say(`${file.name} is read: ${train} training and ${test} test digits. It stays in this page.`);
    } catch (error) {
      say(`${file.name} cannot be used. ${error.message}`, null, true);
    }
  };

  // ---- a row --------------------------------------------------------------------------------

  const words = (arm) => {
    const norm = page.norms[arm.norm.name] || `${arm.norm.name} norm`;
    const network = `${arm.convolutions} convolution${arm.convolutions > 1 ? "s" : ""}`;
    const all = `${norm}, ${arm.epochs} epochs, learning rate ${arm.lr}, batches of ${arm.batch}, ${network}`;
    return `${all}${arm.after ? ", norm after ReLU" : ""}${arm.average ? ", mean pooling" : ""}`;
  };
  const counted = (n) => n.toLocaleString("en");

  // Trains a run of an arm; gives the sha256 of its weights. `trainer` may be ended meanwhile.
  const train = async (trainer, arm, run, data) => {
    const settings = {...arm, seed: run.seed, scale: 1};
    await trainer.begin(page.shapeOf(arm), settings, data.train, data.test);
    const each = Math.ceil(data.train.count / arm.batch);
    const all = each * arm.epochs;
    let spent = 0;
    for (let done = 0; done < all; ) {
      const steps = Math.min(STEPS, each - (done % each));
      const {seconds, steps: made} = await trainer.advance(steps);
      done = made;
      spent += seconds;
      const left = Math.ceil((spent / done) * (all - done));
      const rate = Math.round((done * arm.batch) / spent);
      say(`Step ${counted(done)} of ${counted(all)}, ${counted(rate)} images a second, ${time(left)} left.`, done / all);
      if (done % each === 0) line(done / each, (await trainer.evaluate()).accuracy, run);
    }
    return (await trainer.digest()).sha256;
  };

  const time = (seconds) => (seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`);

  let trainer = null;
  const repeat = async () => {
    const [arm, run] = chosen();
    const mine = (trainer = new page.Trainer());
    lines.replaceChildren();
    verdict.textContent = "";
    start.textContent = "Stop";
    try {
      const data = await digits();
      say(`Checking ${data.name}.`);
      await check(data, arm.data);
      const found = await train(mine, arm, run, data);
      say(`Row ${run.key} is trained.`, 1);
      judge(found, run);
    } catch (error) {
      say(error.message, null, true);
    }
    if (trainer === mine) stop();
  };
  const stop = () => {
    trainer.end();
    trainer = null;
    start.textContent = "Repeat this row";
  };

  const judge = (found, run) => {
    const same = found === run.sha256;
    verdict.replaceChildren(
      same ? "Your browser has just repeated this run, to the bit. " : "Other weights than the row's. ",
      "Here: ",
      el("code", {text: found}),
      ". In the evidence: ",
      el("code", {text: run.sha256}),
      ".",
    );
    verdict.dataset.same = String(same);
  };

  // ---- what is shown ------------------------------------------------------------------------

  const status = el("p", {role: "status", id: "repeat-status"});
  const bar = el("progress", {max: 1, value: 0, "aria-label": "Progress"});
  const say = (text, share = null, wrong = false) => {
    status.setAttribute("aria-busy", String(share !== null && share < 1)); // its end alone is read out
    status.textContent = text;
    status.className = wrong ? "error" : "";
    bar.value = share || 0;
  };
  const verdict = el("p", {role: "status", id: "repeat-verdict"});
  const lines = el("tbody");
  const heads = ["epoch", "test accuracy here", "in the evidence"].map((text) => el("th", {text, scope: "col"}));
  const table = el("table", {hidden: true}, el("thead", {}, el("tr", {}, ...heads)), lines);
  const line = (epoch, accuracy, run) => {
    const cells = [epoch, page.percent(accuracy, 2), page.percent(run.test_accuracy[epoch - 1], 2)];
    table.hidden = false;
    lines.append(el("tr", {}, ...cells.map((text) => el("td", {text}))));
  };

  const rows = arms.flatMap((arm) => arm.runs.map((run) => [arm, run]));
  const chosen = () => rows.find(([, run]) => run.key === page.get("repeat.row")) || rows[0];
  const select = el("select", {name: "repeat.row"});
  const about = el("p", {class: "quiet"});
  const options = (arm) =>
    arm.runs.map(({key, seed}) => el("option", {value: key, text: `seed ${seed}, row ${key}`}));
  const start = el("button", {
    type: "button",
    id: "repeat-start",
    text: "Repeat this row",
    onclick: () => {
      if (!trainer) return repeat();
      say("Stopped.");
      return stop();
    },
  });
  const file = el("input", {type: "file", accept: ".zip", name: "archive"});
  file.addEventListener("change", () => file.files.length && take(file.files[0]));

  const build = () => {
    select.append(...arms.map((arm) => el("optgroup", {label: words(arm)}, ...options(arm))));
    select.addEventListener("change", () => page.set({"repeat.row": select.value}));
    page.on("repeat.row", () => {
      const [arm, run] = chosen();
      select.value = run.key;
      about.textContent = `Row ${run.key}: ${words(arm)}, seed ${run.seed}.`;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
    return [
      el("p", {
        text:
          "Every run of the evidence has a row with the sha256 of its final weights. This trains one " +
          "again, here, on the article's digits: give their archive (the zip of Kaggle or UCI), or " +
          "drop it onto the page. It is read in the page and sent nowhere.",
      }),
      el(
        "div",
        {class: "row"},
        el("label", {class: "field"}, "Row of the evidence", select),
        el("label", {class: "field"}, "Archive of the digits", file),
        start,
      ),
      about,
      status,
      bar,
      verdict,
      table,
    ];
  };

  if (rows.length) {
    page.defaults({"repeat.row": rows[0][1].key});
    page.section("repeat").append(...build());
  } else {
    page.section("repeat").append(el("p", {text: "No evidence that it could repeat is aboard."}));
  }
})();
