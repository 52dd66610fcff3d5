// A worker that trains one network; what it can do is in worker.js.
(() => {
  "use strict";

  let source = null; // of all workers

  class Trainer {
    constructor() {
      if (!source) {
        const text = page.section("worker").textContent;
        const blob = new Blob(["const page = {};\n", text], {type: "text/javascript"});
        source = URL.createObjectURL(blob);
      }
      this.worker = new Worker(source);
      this.calls = new Map();
      this.number = 0;
      this.worker.onmessage = ({data}) => this.answer(data);
      this.worker.onerror = (event) => {
        event.preventDefault();
        for (const number of [...this.calls.keys()]) this.answer({number, error: event.message});
      };
    }

    answer({number, result, error}) {
      const {resolve, reject} = this.calls.get(number);
      this.calls.delete(number);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    }

    call(call, argument) {
      this.number += 1;
      const {number} = this;
      return new Promise((resolve, reject) => {
        this.calls.set(number, {resolve, reject});
        this.worker.postMessage({number, call, argument});
      });
    }

    async begin(run, settings, train, test) {
      await this.call("begin", {module: await page.engine, run, settings, train, test});
    }

    advance(steps) {
      return this.call("advance", steps);
    }

    evaluate() {
      return this.call("evaluate");
    }

    look(digit) {
      return this.call("look", digit);
    }

    digest() {
      return this.call("digest");
    }

    // Ends the worker at once; calls that wait are never answered.
    end() {
      this.worker.terminate();
      this.calls.clear();
    }
  }

  page.Trainer = Trainer;
})();
