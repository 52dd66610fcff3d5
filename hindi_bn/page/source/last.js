// The head of the page, its parts' links, and its foot.
(() => {
  "use strict";
  const {el} = page, {made, digits, half} = page.aboard;

  const sections = [...document.querySelectorAll("main > section")];
  page.section("parts").append(...sections.map((section) => el("a", {
    href: `#${section.id}`, text: section.querySelector("h2").textContent,
    onclick: (event) => {
      event.preventDefault();
      section.scrollIntoView({behavior: page.reduced ? "auto" : "smooth"});
      section.setAttribute("tabindex", "-1");
      section.focus({preventScroll: true});
    },
  })));
  page.section("skip").addEventListener("click", (event) => {
    event.preventDefault();
    page.section("main").focus();
  });
  page.section("lead").textContent =
    `A network ${page.runs.map((run) => run.words).join(" and one ")}, trained on: ${made.data_title}. ` +
    "Everything below is computed in your browser; nothing is sent anywhere.";

  const lines = [
    "The networks here are computed by the page's own engine, in float32: other bits than torch's, " +
      "the same bits in every browser. Their weights are aboard as float16" +
      (half ? `, which changes ${half.answers} of ${half.of.toLocaleString("en")} answers on the test digits.` : "."),
    `Digits aboard: ${digits.train.toLocaleString("en")} to train on and ${digits.test.toLocaleString("en")} to read: ${digits.title}.` +
      (digits.licence ? ` ${digits.licence}.` : ""),
    `Made by hindi-bn ${made.page_version}${made.page_command ? `: ${made.page_command}` : ""}.`,
  ];
  page.section("about").append(...lines.map((text) => el("p", {text})));
})();
