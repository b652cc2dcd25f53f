// The explorer: panes of one program, linked by the lines of the user's source that their lines come from.

const state = { lit: new Set(), file: "", pane: 0, kernel: 0, launch: null };
const isLit = (places) => places.some((p) => state.lit.has(p));
const fileName = (path) => path.split(/[\\/]/).pop();

function light(places, launch = null) {
  state.launch = launch; // one kernel may be launched for several lines
  const same = places.length === state.lit.size && places.every((p) => state.lit.has(p));
  state.lit = new Set(same ? [] : places);
  if (state.lit.size) {
    const [file] = D.places[places[0]];
    if (D.files[file]) state.file = file;
    const current = D.kernels[state.kernel];
    if (!current || !isLit(current.places)) {
      const k = D.kernels.findIndex((k) => isLit(k.places));
      if (k >= 0) state.kernel = k;
    }
  }
  draw(true);
}

function line(text, places, mark) {
  const e = node("div", { text: text || " " });
  if (mark === "-") e.classList.add("gone");
  if (mark === "+") e.classList.add("new");
  if (places.length) {
    e.classList.add("at");
    e.addEventListener("click", () => light(places));
    if (isLit(places)) e.classList.add("lit");
  }
  return e;
}

function drawSource() {
  const files = Object.keys(D.files);
  $("files").replaceChildren(...files.map((f) => {
    const b = node("button", { text: fileName(f), title: f, class: f === state.file ? "on" : "" });
    b.addEventListener("click", () => { state.file = f; draw(false); });
    return b;
  }));
  const at = new Map();
  D.places.forEach(([file, number], i) => { if (file === state.file) at.set(number, [...(at.get(number) || []), i]); });
  const rows = (D.files[state.file] || []).map((text, i) => {
    const places = at.get(i + 1) || [];
    const e = line("", places, "");
    const cost = places.reduce((s, p) => s + (D.cost[p] || 0), 0);
    e.replaceChildren(node("span", { class: "cost", text: cost ? si(cost, "s") : "" }), node("span", { class: "number", text: String(i + 1) }), text || " ");
    return e;
  });
  if (!rows.length) rows.push(node("div", { class: "fold", text: "no source that can be read" }));
  $("source-code").replaceChildren(...rows);
}

function drawStages() {
  $("stages").replaceChildren(...D.panes.map((p, i) => {
    const li = node("li", { title: p.name }, node("span", { text: p.name }), node("span", { text: p.seconds === null ? "" : si(p.seconds, "s") }));
    if (!p.lines) li.classList.add("same");
    if (i === state.pane) li.classList.add("on");
    if (p.lines && p.lines.some((l) => isLit(l[1]))) li.classList.add("lit");
    li.addEventListener("click", () => { state.pane = i; draw(false); });
    return li;
  }));
  const pane = D.panes[state.pane];
  const rows = [];
  if (!pane.lines) {
    const text = pane.changed ? "its kernels are in the pane on the right, as they are at the end" : "leaves the graph as it is";
    rows.push(node("div", { class: "fold", text }));
  } else {
    const fold = $("fold").checked && pane.lines.some((l) => l[2]);
    const near = pane.lines.map((l, i) => !fold || isLit(l[1]) || pane.lines.slice(Math.max(i - 2, 0), i + 3).some((m) => m[2]));
    for (let i = 0; i < pane.lines.length; i++) {
      if (near[i]) {
        rows.push(line(...pane.lines[i]));
        continue;
      }
      let end = i;
      while (end < pane.lines.length && !near[end]) end++;
      const hidden = pane.lines.slice(i, end), e = node("div", { class: "fold", text: `⋯ ${hidden.length} lines as before` });
      e.addEventListener("click", () => e.replaceWith(...hidden.map((l) => line(...l))));
      rows.push(e);
      i = end - 1;
    }
    if (pane.cut) rows.push(node("div", { class: "fold", text: `cut: it has ${pane.cut} lines` }));
  }
  $("stage-code").replaceChildren(...rows);
}

function drawKernels() {
  $("kernels").replaceChildren(...D.kernels.map((k, i) => {
    const li = node("li", { title: `${k.name}, ${k.core}, ${k.launches} launches, bound by ${k.bound}` }, node("span", { text: k.name }), node("span", { text: si(k.seconds, "s") }));
    if (i === state.kernel) li.classList.add("on");
    if (isLit(k.places)) li.classList.add("lit");
    li.addEventListener("click", () => { state.kernel = i; state.launch = null; draw(false); });
    return li;
  }));
  const k = D.kernels[state.kernel];
  if (!k) return;
  const rows = k.lines.map((text) => {
    const e = line(text, state.launch || k.places, "");
    const name = (/pto\.(\w+)/.exec(text) || [])[1];
    if (name && D.manual[name]) {
      e.addEventListener("pointermove", (event) => showTip(event, name, [D.manual[name].replace(/^### .*\n+/, "")]));
      e.addEventListener("pointerleave", hideTip);
    }
    return e;
  });
  const head = `${k.launches} launches, ${percent(k.share, 1)} of the time, ${percent(k.roofline)} of the roofline, bound by ${k.bound}`;
  $("kernel-code").replaceChildren(node("div", { class: "fold", text: head }), ...rows);
}

class Launches extends TimeCanvas {
  constructor() {
    super($("lanes"), D.seconds, 56, 70);
    this.controls();
  }
  paint() {
    this.start();
    this.axis(0);
    const g = this.context;
    g.fillStyle = css("--quiet");
    g.fillText("launches", 6, 38);
    for (const [start, length, k, of] of D.events) {
      const x0 = Math.max(this.x(start), this.left), x1 = this.x(start + length);
      if (x1 < this.left || start > this.to) continue;
      const kernel = D.kernels[k];
      g.globalAlpha = (state.lit.size ? isLit(of) : k === state.kernel) ? 1 : 0.3;
      g.fillStyle = colourOf(kernel.bound);
      g.fillRect(x0, 26, Math.max(x1 - x0 - 0.5, 0.8), 24);
      if (x1 - x0 > 40) {
        g.save();
        g.beginPath();
        g.rect(x0, 26, x1 - x0 - 3, 24);
        g.clip();
        g.fillStyle = "#fff";
        g.fillText(kernel.name, x0 + 4, 38);
        g.restore();
      }
    }
    g.globalAlpha = 1;
  }
  at(e) {
    const time = this.time(e.offsetX), reach = ((this.to - this.from) / this.width) * 2;
    return D.events.find(([start, length]) => start - reach <= time && time <= start + length + reach);
  }
  hover(e) {
    const found = this.at(e);
    if (!found) return hideTip();
    const k = D.kernels[found[2]];
    showTip(e, k.name, [`${si(found[0], "s")} + ${si(found[1], "s")}`, `bound by ${k.bound}`]);
  }
  click(e) {
    const found = this.at(e);
    if (!found) return;
    state.kernel = found[2];
    state.lit = new Set();
    light(found[3], found[3]);
  }
}

function draw(scroll) {
  drawSource();
  drawStages();
  drawKernels();
  launches.draw();
  if (!scroll || !state.lit.size) return;
  for (const id of ["source-code", "stage-code", "kernel-code", "stages", "kernels"]) {
    const box = $(id), first = box.querySelector(".lit");
    if (first && (first.offsetTop < box.scrollTop + box.offsetTop || first.offsetTop > box.scrollTop + box.offsetTop + box.clientHeight - 20)) box.scrollTop = first.offsetTop - box.offsetTop - box.clientHeight / 3;
  }
}

$("title").textContent = D.title;
$("subtitle").textContent = `on ${D.target}: ${si(D.seconds, "s")}, compiled in ${si(D.panes.reduce((s, p) => s + (p.seconds || 0), 0), "s")}`;
const costs = new Map();
for (const [p, s] of Object.entries(D.cost)) costs.set(D.places[p][0], (costs.get(D.places[p][0]) || 0) + s);
state.file = Object.keys(D.files).sort((a, b) => (costs.get(b) || 0) - (costs.get(a) || 0))[0] || "";
state.kernel = D.kernels.reduce((best, k, i) => (k.seconds > D.kernels[best].seconds ? i : best), 0);
const launches = new Launches();
$("fold").addEventListener("change", () => draw(false));
addEventListener("keydown", (e) => { if (e.key === "Escape" && state.lit.size) { state.lit = new Set(); state.launch = null; draw(false); } });
draw(false);
