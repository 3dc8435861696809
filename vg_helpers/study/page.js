"use strict";
const study = JSON.parse(document.getElementById("study").textContent);
const at = (id) => document.getElementById(id);
const KEY = `study-${study.study}`; // a page that was closed goes on where it was
let visit, order, shown;

function random(seed) { // mulberry32: the same numbers from a seed in every browser
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// The questions about Van Gogh come first: those about photos show which pictures are repainted.
function shuffle(seed) {
  const next = random(seed), all = [];
  for (const kind of Object.keys(study.kinds)) {
    const part = study.questions.filter((question) => question.kind === kind);
    for (let i = part.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [part[i], part[j]] = [part[j], part[i]];
    }
    for (const question of part) {
      const pair = [question.first, question.second];
      all.push({ ...question, pair: next() < 0.5 ? pair : pair.reverse() });
    }
  }
  return all;
}

function open(previous) {
  const [rater, seed] = crypto.getRandomValues(new Uint32Array(2));
  visit = previous || { rater: rater.toString(16).padStart(8, "0"), seed, started: "", place: 0, answers: {} };
  order = shuffle(visit.seed);
}

function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(visit)); } catch { /* a browser may keep nothing for a file */ }
}

function kept() {
  try {
    const previous = JSON.parse(localStorage.getItem(KEY));
    return previous && Object.keys(previous.answers).length ? previous : null;
  } catch { return null; }
}

function show() {
  const done = visit.place >= order.length;
  at("start").hidden = true;
  at("ask").hidden = done;
  at("end").hidden = !done;
  keep();
  if (done) return at("thanks").focus();
  const question = order[visit.place], answer = visit.answers[question.id];
  at("ask").className = question.kind;
  at("count").textContent = `Question ${visit.place + 1} of ${order.length}`;
  at("progress").max = order.length;
  at("progress").value = visit.place;
  at("question").textContent = study.kinds[question.kind];
  at("original").hidden = !question.photo;
  if (question.photo) at("photo").src = study.pictures[question.kind][question.photo];
  ["left", "right"].forEach((side, number) => {
    at(side).querySelector("img").src = study.pictures[question.kind][question.pair[number]];
    at(side).setAttribute("aria-pressed", String(answer ? answer.choice === question.pair[number] : false));
  });
  at("back").disabled = visit.place === 0;
  at("question").focus({ preventScroll: true });
  scrollTo(0, 0);
  shown = performance.now();
}

function choose(number) {
  const { id, pair } = order[visit.place];
  const seconds = Math.round(performance.now() - shown) / 1000;
  visit.answers[id] = { question: id, left: pair[0], right: pair[1], choice: pair[number], seconds };
  visit.place += 1;
  show();
}

function back() {
  if (visit.place === 0) return;
  visit.place -= 1;
  show();
}

function save() {
  const answers = order.map(({ id }) => visit.answers[id]).filter(Boolean);
  const content = { format: 1, study: study.study, rater: visit.rater, seed: visit.seed, started: visit.started,
    saved: new Date().toISOString(), answers };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = `answers_${visit.rater}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  at("saved").textContent = `Saved ${answers.length} answers as ${link.download} in your downloads.`;
}

at("begin").addEventListener("click", () => {
  visit.started = visit.started || new Date().toISOString();
  show();
});
at("left").addEventListener("click", () => choose(0));
at("right").addEventListener("click", () => choose(1));
at("back").addEventListener("click", back);
at("change").addEventListener("click", back);
at("save").addEventListener("click", save);
at("again").addEventListener("click", () => {
  try { localStorage.removeItem(KEY); } catch { /* as above */ }
  open(null);
  at("end").hidden = true;
  at("start").hidden = false;
  at("saved").textContent = "";
});
document.addEventListener("keydown", (event) => {
  if (at("ask").hidden || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const onButton = event.target.closest("button"); // there the space bar presses it
  if (event.key === "ArrowLeft") choose(0);
  else if (event.key === "ArrowRight") choose(1);
  else if (event.key === "Backspace" || (event.key === " " && !onButton)) back();
  else return;
  event.preventDefault();
});
at("title").textContent = `${study.questions.length} quick questions about pictures`;
at("minutes").textContent = Math.max(1, Math.round(study.questions.length / 13));
open(kept());
if (visit.place || Object.keys(visit.answers).length) at("begin").textContent = "Continue";
