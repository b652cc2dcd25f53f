// The report's page: everything is drawn from the JSON in #data, without network and without other code.

const kernelLines = (k) => [
  `${si(k.seconds, "s")}, ${percent(k.share, 1)} of the time, ${k.launches} launches`,
  `${percent(k.roofline)} of the roofline, bound by ${k.bound}`,
  k.line && short(k.line) + (k.scope ? "  " + k.scope : ""),
];

// ---- summary

function summary() {
  const m = D.meta;
  $("title").textContent = m.program;
  $("subtitle").textContent = `on ${m.target.name}, simulated by jax-ascend ${m.version}`;
  const cards = [
    [si(m.seconds, "s"), m.what],
    [percent(m.roofline), "of the roofline"],
    [si(m.flops, "flop"), `${si(m.flops / (m.seconds || 1), "flop/s")}`],
    [si((m.bytes["HBM read"] || 0) + (m.bytes["HBM written"] || 0), "B"), "moved by HBM"],
    [si(m.hbm_peak, "B"), `of ${si(m.target.hbm_bytes, "B")} HBM at the peak`],
    [String(m.launches), `launches, dispatch ${percent(m.dispatch / (m.seconds || 1))}`],
    [percent(m.assumed), "rests on assumed rates"],
  ];
  $("cards").append(...cards.map(([a, b]) => node("div", { class: "card" }, node("b", { text: a }), node("span", { text: b }))));
  const parts = new Map();
  for (const k of D.kernels) {
    const [, colour, name] = kindOf(k.bound);
    const part = parts.get(name) || { seconds: 0, colour };
    part.seconds += k.seconds;
    parts.set(name, part);
  }
  const sorted = [...parts].sort((a, b) => b[1].seconds - a[1].seconds);
  const strip = node("div", { class: "strip" });
  const legend = node("div", { class: "legend" });
  for (const [name, p] of sorted) {
    const share = p.seconds / (m.seconds || 1);
    strip.append(node("div", { style: `width:${100 * share}%;background:var(${p.colour})`, title: `${name}: ${percent(share, 1)}` }));
    legend.append(node("span", {}, node("i", { style: `background:var(${p.colour})` }), `${name} ${percent(share, 1)}, ${si(p.seconds, "s")}`));
  }
  $("mix").append(node("h2", { text: "What bounds the time" }), strip, legend);
  for (const l of D.losses) {
    const where = node("p", { class: "quiet" }, node("code", { text: l.line ? short(l.line) : "" }), l.code ? "  " + l.code : "");
    const item = node("li", {}, node("b", { text: l.title }), l.text, where);
    if (l.kernel >= 0) {
      item.style.cursor = "pointer";
      item.addEventListener("click", () => select(l.kernel, true));
    }
    $("loss-list").append(item);
  }
  if (!D.losses.length) $("loss-list").append(node("li", { text: "Nothing is executed." }));
  for (const w of D.what_if) {
    const saved = D.kernels.map((k, i) => [k.seconds - w.kernels[i], k]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([s]) => s > 0.001 * m.seconds);
    const gains = saved.length ? ": " + saved.map(([s, k]) => `${k.name} −${si(s, "s")}`).join(", ") : "; no kernel gains by it";
    $("mix").append(node("p", { class: "what-if" }, node("b", { text: `With ${w.title}` }), ` it takes ${si(w.seconds, "s")}, ${(m.seconds / (w.seconds || 1)).toPrecision(3)} times as fast${gains}.`));
  }
  const notes = m.notes.length ? m.notes : ["nothing is assumed that the program does not say"];
  $("note-list").append(...notes.map((a) => node("li", { text: a })), node("li", { text: D.meta.lanes }));
}

const change = (before, after) => (Math.abs(after - before) < 0.0005 * before ? "same" : `${after < before ? "−" : "+"}${percent(Math.abs(after - before) / (before || 1), 1)}`);

// ---- table

const COLUMNS = [
  // title, numeric, sort key, cell
  ["time", 1, (k) => k.seconds, (k) => si(k.seconds, "s")],
  ["share", 1, (k) => k.share, (k) => [percent(k.share, 1), node("i", { class: "share", style: `width:${Math.max(k.share * 60, 0.5)}px` })]],
  ["launches", 1, (k) => k.launches, (k) => String(k.launches)],
  ["each", 1, (k) => k.seconds / (k.launches || 1), (k) => si(k.seconds / (k.launches || 1), "s")],
  ["core", 0, (k) => k.core, (k) => k.core],
  ["name", 0, (k) => k.name, (k) => k.name],
  ["bound by", 0, (k) => k.bound, (k) => [node("i", { class: "dot", style: `background:${colourOf(k.bound)}` }), k.bound]],
  ["roofline", 1, (k) => k.roofline, (k) => percent(k.roofline)],
  ["line", 0, (k) => k.line, (k) => short(k.line)],
  ["scope", 0, (k) => k.scope, (k) => k.scope],
  ["flop", 1, (k) => k.flops, (k) => si(k.flops, "")],
  ["HBM", 1, (k) => k.hbm, (k) => si(k.hbm, "B")],
];
for (const [n, w] of D.what_if.entries()) {
  const other = (k) => (k.id >= 0 ? w.kernels[k.id] : null);
  COLUMNS.splice(8 + n, 0, [w.title, 1, (k) => (k.id >= 0 ? other(k) - k.seconds : 0), (k) => (k.id >= 0 ? change(k.seconds, other(k)) : "")]);
}
if (D.kernels.some((k) => k.host !== null)) COLUMNS.splice(4, 0, ["host", 1, (k) => k.host || 0, (k) => (k.host ? si(k.host, "s") : "")]);
const table = { rows: D.kernels, sort: 0, down: true, shown: 200, selected: -1 };

function drawTable() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = table.rows.filter((k) => words.every((w) => `${k.name} ${k.line} ${k.scope} ${k.bound} ${k.core}`.toLowerCase().includes(w)));
  const key = COLUMNS[table.sort][2];
  found.sort((a, b) => {
    const x = key(a), y = key(b);
    return (x < y ? -1 : x > y ? 1 : 0) * (table.down ? -1 : 1);
  });
  $("table").tHead.replaceChildren(
    node("tr", {}, ...COLUMNS.map(([title, numeric], i) => {
      const mark = i === table.sort ? (table.down ? " ▾" : " ▴") : "";
      const th = node("th", { class: "sortable" + (numeric ? " n" : ""), text: title + mark });
      th.addEventListener("click", () => {
        table.down = table.sort === i ? !table.down : Boolean(numeric);
        table.sort = i;
        drawTable();
      });
      return th;
    })),
  );
  const body = found.slice(0, table.shown).map((k) => {
    const tr = node("tr", { class: (k.id >= 0 ? "click" : "") + (k.id >= 0 && k.id === table.selected ? " on" : "") });
    COLUMNS.forEach(([title, numeric, , cell]) => {
      const td = node("td", { class: numeric ? "n" : title });
      td.append(...[cell(k)].flat());
      if (title === "line") td.title = k.lines.join("\n");
      if (title === "name" || title === "scope") td.title = td.textContent;
      tr.append(td);
    });
    if (k.id >= 0) tr.addEventListener("click", () => select(k.id, false));
    return tr;
  });
  $("table").tBodies[0].replaceChildren(...body);
  const seconds = found.reduce((s, k) => s + k.seconds, 0);
  $("count").textContent = `${found.length} of ${table.rows.length}, ${si(seconds, "s")}`;
  $("more").hidden = found.length <= table.shown;
  $("more").textContent = `show ${Math.min(found.length - table.shown, 1000)} more of ${found.length}`;
}

function groupings() {
  const groups = [["kernels", D.kernels], ["lines", D.lines], ["scopes", D.scopes]];
  for (const [name, rows] of groups) {
    const b = node("button", { text: `by ${name.slice(0, -1)}`, role: "tab", class: name === "kernels" ? "on" : "" });
    b.addEventListener("click", () => {
      for (const other of $("groupings").children) other.classList.toggle("on", other === b);
      table.rows = rows;
      table.shown = 200;
      drawTable();
    });
    $("groupings").append(b);
  }
  $("filter").addEventListener("input", () => { table.shown = 200; drawTable(); });
  $("more").addEventListener("click", () => { table.shown += 1000; drawTable(); });
}

function select(id, move) {
  table.selected = table.selected === id && !move ? -1 : id;
  drawTable();
  drawDetail();
  lanes.draw();
  roofline();
  if (move) $("kernels").scrollIntoView();
}

function drawDetail() {
  const box = $("detail"), k = D.kernels[table.selected];
  box.hidden = !k;
  document.body.classList.toggle("drawer", Boolean(k));
  if (!k) return;
  const close = node("button", { text: "close", title: "Escape" });
  close.addEventListener("click", () => select(-1, false));
  const facts = [
    ["time", si(k.seconds, "s")], ["launches", `${k.launches} of ${si(k.seconds / (k.launches || 1), "s")}`], ["dispatch", si(k.dispatch, "s")],
    ["blocks", k.blocks], ["operations", si(k.flops, "flop")], ["achieved", si(k.flops / k.seconds, "flop/s")],
    ["on assumed rates", percent(k.assumed / k.seconds)],
    ...D.what_if.map((w) => [`with ${w.title}`, `${si(w.kernels[k.id], "s")}, ${change(k.seconds, w.kernels[k.id])}`]), ...Object.entries(k.bytes).map(([m, n]) => [m, si(n, "B")]),
  ];
  const list = node("dl", {}, ...facts.flatMap(([a, b]) => [node("dt", { text: a }), node("dd", { text: String(b) })]));
  const pipes = Object.entries(k.busy).map(([name, share]) =>
    node("div", { class: "meter" }, name.replace("_ratio", ""), node("div", {}, node("i", { style: `width:${100 * share}%` })), percent(share)));
  const sources = k.lines.slice(0, 12).map((line) => node("div", { class: "source", title: line }, node("span", { text: short(line) + "  " }), D.code[line] || ""));
  if (k.lines.length > 12) sources.push(node("div", { class: "quiet", text: `and ${k.lines.length - 12} more lines` }));
  const scopes = k.scopes.slice(0, 8).map((s) => node("div", { class: "source", text: s }));
  box.replaceChildren(
    node("div", {}, node("h3", { text: k.name }), node("p", { class: "quiet", text: `bound by ${k.bound}` }), list),
    node("div", {}, node("h3", { text: "Busy pipes" }), ...(pipes.length ? pipes : [node("p", { class: "quiet", text: "no core runs it" })])),
    node("div", {}, node("h3", { text: "JAX lines" }), ...sources, ...(scopes.length ? [node("h3", { text: "Scopes" }), ...scopes] : [])),
    close,
  );
}

// ---- timeline

class Lanes extends TimeCanvas {
  constructor() {
    // A lane: its name, and slices by start: start, end, kernel or -1, text, whether it is of a pipe.
    const queues = { loops: [], dispatch: [], kernels: [], AICPU: [], copies: [], host: [] };
    const queueOf = { aic: "kernels", aiv: "kernels", mix: "kernels", aicpu: "AICPU", sdma: "copies", links: "copies", host: "host" };
    const pipes = new Map(D.lanes.map((l) => [l, []]));
    const e = D.events;
    for (let i = 0; i < e.start.length; i++) {
      const start = e.start[i], end = start + e.times[i] * (e.dispatch[i] + e.seconds[i]), work = start + e.times[i] * e.dispatch[i];
      if (e.kernel[i] < 0) {
        queues.loops.push([start, end, -1, e.text[i]]);
        continue;
      }
      const k = D.kernels[e.kernel[i]];
      queues.dispatch.push([start, work, e.kernel[i], ""]);
      queues[queueOf[k.core] || "kernels"].push([work, end, e.kernel[i], e.times[i] > 1 ? `× ${e.times[i]}` : "", i]);
      const list = D.intervals[i];
      if (list) {
        for (let j = 0; j < list.length; j += 4) {
          const first = work + list[j + 2] * D.meta.tick;
          pipes.get(D.lanes[list[j]]).push([first, first + list[j + 3] * D.meta.tick, e.kernel[i], D.instructions[list[j + 1]], i]);
        }
      }
    }
    const all = [...Object.entries(queues).filter(([, s]) => s.length), ...pipes];
    super($("lanes"), D.meta.seconds, 22 + all.length * 19 + 6, 170);
    this.lanes = all.map(([name, slices]) => ({ name, slices: slices.sort((a, b) => a[0] - b[0]), pipe: pipes.has(name) }));
    this.controls();
    const middle = () => (this.from + this.to) / 2;
    $("zoom-in").onclick = () => this.zoom(0.5, middle());
    $("zoom-out").onclick = () => this.zoom(2, middle());
    $("zoom-all").onclick = () => this.view(0, this.end);
  }
  paint() {
    this.start();
    this.axis(0);
    const g = this.context, ink = css("--ink"), quiet = css("--quiet");
    this.lanes.forEach((lane, row) => {
      const y = 22 + row * 19, slices = lane.slices;
      g.fillStyle = quiet;
      g.fillText(lane.name, 6, y + 9);
      let low = 0, high = slices.length; // the first that ends in view; slices of a lane follow each other, those of loops nest
      while (low < high) {
        const middle = (low + high) >> 1;
        if (slices[middle][0] < this.from) low = middle + 1; else high = middle;
      }
      low = lane.name === "loops" ? 0 : Math.max(low - 1, 0);
      let painted = -1;
      for (let i = low; i < slices.length && slices[i][0] <= this.to; i++) {
        const s = slices[i];
        if (s[1] < this.from) continue;
        const x0 = Math.max(this.x(s[0]), this.left), x1 = Math.min(this.x(s[1]), this.left + this.width);
        const right = Math.max(x1, x0 + 0.6);
        if (right <= painted + 0.3) continue; // nothing of it would be seen
        const k = s[2] >= 0 ? D.kernels[s[2]] : null;
        g.globalAlpha = table.selected >= 0 && s[2] !== table.selected ? 0.25 : 1;
        g.fillStyle = k ? (lane.name === "dispatch" ? COLOURS["--launch"] : colourOf(k.bound)) : COLOURS["--wait"];
        g.fillRect(x0, y + 2, right - x0, 15);
        if (x1 - x0 > 34) {
          g.save();
          g.beginPath();
          g.rect(x0 + 1, y, x1 - x0 - 3, 18);
          g.clip();
          g.fillStyle = k ? "#fff" : ink;
          g.fillText(lane.pipe ? s[3].replace(/^pto\./, "") : k ? `${k.name} ${s[3]}` : s[3], x0 + 4, y + 10);
          g.restore();
          g.fillStyle = css("--panel");
          g.fillRect(x1 - 0.5, y + 2, 0.5, 15);
        }
        painted = right;
      }
      g.globalAlpha = 1;
    });
    g.strokeStyle = css("--line");
    g.beginPath();
    g.moveTo(this.left - 0.5, 0);
    g.lineTo(this.left - 0.5, this.height);
    g.stroke();
  }
  at(e) {
    const lane = this.lanes[Math.floor((e.offsetY - 22) / 19)], time = this.time(e.offsetX), reach = ((this.to - this.from) / this.width) * 2;
    if (!lane || e.offsetX < this.left) return null;
    const inside = lane.slices.filter((s) => s[0] - reach <= time && time <= s[1] + reach);
    const best = inside.sort((a, b) => a[1] - a[0] - (b[1] - b[0]))[0];
    return best && { lane, s: best };
  }
  hover(e) {
    const found = this.at(e);
    if (!found) return hideTip();
    const { lane, s } = found, k = D.kernels[s[2]], place = D.events.place[s[4]];
    const when = `${si(s[0], "s")} + ${si(s[1] - s[0], "s")}`;
    if (lane.pipe) showTip(e, s[3], [`${lane.name}, ${when}`, `in ${k.name}`, place && D.places[place]]);
    else if (!k) showTip(e, s[3], [when]);
    else showTip(e, `${k.name} ${s[3]}`, [`${lane.name}, ${when}`, place ? D.places[place] : "", ...kernelLines(k)]);
  }
  click(e) {
    const found = this.at(e);
    if (found && found.s[2] >= 0) select(found.s[2], false);
  }
  fit(e) {
    const found = this.at(e);
    if (found) this.view(found.s[0] - (found.s[1] - found.s[0]) / 8, found.s[1] + (found.s[1] - found.s[0]) / 8);
  }
}

// ---- memory

class Buffers extends TimeCanvas {
  constructor() {
    super($("buffers"), D.meta.seconds, 300, 60);
    this.top = Math.max(D.memory.top, 1);
    this.controls();
  }
  paint() {
    this.start();
    this.axis(0);
    const g = this.context, high = this.height - 26, y = (bytes) => 22 + high - (bytes / this.top) * high;
    g.fillStyle = css("--quiet");
    for (let i = 0; i <= 4; i++) g.fillText(si((this.top * i) / 4, "B"), 4, y((this.top * i) / 4) + (i === 4 ? 6 : -5));
    const colours = { parameter: "--cube", result: "--vector", temporary: "--hbm", constant: "--other" };
    for (const b of D.memory.boxes) {
      if (b.end < this.from || b.start > this.to) continue;
      const x0 = Math.max(this.x(b.start), this.left), x1 = Math.min(this.x(b.end), this.left + this.width), h = y(b.at) - y(b.at + b.bytes);
      g.fillStyle = COLOURS[colours[b.kind]];
      g.globalAlpha = 0.75;
      g.fillRect(x0, y(b.at + b.bytes), Math.max(x1 - x0, 0.6), Math.max(h - (h > 2 ? 0.6 : 0), 0.4));
      g.globalAlpha = 1;
      if (h > 11 && x1 - x0 > 60) {
        g.save();
        g.beginPath();
        g.rect(x0, y(b.at + b.bytes), x1 - x0 - 2, h);
        g.clip();
        g.fillStyle = "#fff";
        g.fillText(`${b.name}  ${si(b.bytes, "B")}`, x0 + 4, y(b.at + b.bytes / 2));
        g.restore();
      }
    }
    g.strokeStyle = css("--ink");
    g.beginPath();
    let last = y(0);
    D.memory.curve.forEach(([time, live], i) => {
      const x = Math.min(Math.max(this.x(time), this.left), this.left + this.width);
      if (i) g.lineTo(x, last); else g.moveTo(x, y(live));
      last = y(live);
      g.lineTo(x, last);
    });
    g.stroke();
  }
  hover(e) {
    const time = this.time(e.offsetX), high = this.height - 26, bytes = ((22 + high - e.offsetY) / high) * this.top;
    const b = D.memory.boxes.find((b) => b.start <= time && time <= b.end && b.at <= bytes && bytes < b.at + b.bytes);
    let live = 0;
    for (const [t, n] of D.memory.curve) { if (t > time) break; live = n; }
    if (b) showTip(e, b.name, [`${si(b.bytes, "B")}, ${b.kind}`, b.line && short(b.line), `${si(b.start, "s")} to ${si(b.end, "s")}`, `live at ${si(time, "s")}: ${si(live, "B")}`]);
    else showTip(e, si(live, "B"), [`live at ${si(time, "s")}`]);
  }
}

function memory() {
  const m = D.memory;
  $("memory-lead").textContent = `At most ${si(D.meta.hbm_peak, "B")} are live, at ${si(m.peak_at, "s")}; ${si(D.meta.hbm_allocated, "B")} are allocated. Largest at the peak:`;
  $("peak").tHead.append(node("tr", {}, ...["size", "arrays", "what", "kind", "line"].map((t, i) => node("th", { text: t, class: i > 1 ? "" : "n" }))));
  $("peak").tBodies[0].append(...m.at_peak.map((b) => node("tr", {},
    node("td", { class: "n", text: si(b.bytes, "B") }), node("td", { class: "n", text: String(b.count) }), node("td", { class: "name", text: b.name, title: b.name }), node("td", { text: b.kind }), node("td", { class: "line", text: short(b.line), title: b.line }))));
}

// ---- roofline

function roofline() {
  const svg = $("roof"), W = svg.clientWidth || 600, H = 430, left = 78, right = 14, top = 12, bottom = 38;
  const make = (tag, attributes, text) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    svg.append(e);
    return e;
  };
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  const points = D.kernels.filter((k) => k.flops > 0 && k.seconds > 0).map((k) => ({ k, x: k.flops / Math.max(k.hbm, k.gm * 1e-3, 1), y: k.flops / k.seconds }));
  const bandwidth = D.meta.target.hbm_bandwidth, peak = Math.max(...D.roofs.map((r) => r[1]));
  const xs = points.map((p) => p.x), x0 = Math.max(Math.min(0.05, ...xs), 1e-3), x1 = Math.min(Math.max(2000, ...xs), 1e6) * 2;
  const y0 = Math.max(Math.min(...points.map((p) => p.y), peak / 1e5), peak / 1e7), y1 = peak * 2;
  for (const p of points) [p.cx, p.cy] = [Math.min(Math.max(p.x, x0), x1), Math.max(p.y, y0)]; // at the edge, what lies beyond
  const X = (v) => left + (Math.log(v / x0) / Math.log(x1 / x0)) * (W - left - right);
  const Y = (v) => H - bottom - (Math.log(v / y0) / Math.log(y1 / y0)) * (H - top - bottom);
  for (let d = Math.ceil(Math.log10(x0)); d <= Math.log10(x1); d++) {
    make("line", { x1: X(10 ** d), x2: X(10 ** d), y1: top, y2: H - bottom, stroke: css("--line") });
    make("text", { x: X(10 ** d), y: H - bottom + 15, "text-anchor": "middle" }, d < -2 || d > 4 ? `1e${d}` : String(10 ** d));
  }
  for (let d = Math.ceil(Math.log10(y0)); d <= Math.log10(y1); d++) {
    make("line", { x1: left, x2: W - right, y1: Y(10 ** d), y2: Y(10 ** d), stroke: css("--line") });
    make("text", { x: left - 6, y: Y(10 ** d) + 4, "text-anchor": "end" }, si(10 ** d, "flop/s").replace(/\.0+ /, " "));
  }
  make("text", { x: (left + W - right) / 2, y: H - 6, "text-anchor": "middle" }, "operations per byte that HBM moves");
  for (const [name, flops] of D.roofs) {
    const knee = flops / bandwidth;
    make("path", { d: `M${X(x0)},${Y(Math.max(x0 * bandwidth, y0))} L${X(Math.max(knee, x0))},${Y(flops)} L${X(x1)},${Y(flops)}`, fill: "none", stroke: css("--quiet"), "stroke-width": 1.4 });
    make("text", { x: W - right - 4, y: Y(flops) - 5, "text-anchor": "end" }, `${name} ${si(flops, "flop/s")}`);
  }
  const slope = Math.sqrt(x0 * Math.min(...D.roofs.map((r) => r[1] / bandwidth)));
  const angle = (-Math.atan2(Y(slope * bandwidth) - Y(slope * 10 * bandwidth), X(slope * 10) - X(slope)) * 180) / Math.PI;
  make("text", { x: X(slope), y: Y(slope * bandwidth) - 6, transform: `rotate(${angle} ${X(slope)} ${Y(slope * bandwidth) - 6})`, "text-anchor": "middle" }, `HBM ${si(bandwidth, "B/s")}`);
  for (const p of points.sort((a, b) => b.k.share - a.k.share).slice(0, 2000)) {
    const on = p.k.id === table.selected;
    const c = make("circle", { cx: X(p.cx), cy: Y(p.cy), r: Math.max(Math.sqrt(p.k.share) * 42, 3), fill: colourOf(p.k.bound), "fill-opacity": on ? 0.95 : 0.5, stroke: on ? css("--ink") : colourOf(p.k.bound), "stroke-width": on ? 2 : 1, style: "cursor:pointer" });
    c.addEventListener("pointermove", (e) => showTip(e, p.k.name, [...kernelLines(p.k), `${si(p.y, "flop/s")} at ${p.x.toPrecision(3)} operations per byte`]));
    c.addEventListener("pointerleave", hideTip);
    c.addEventListener("click", () => select(p.k.id, false));
  }
}

addEventListener("keydown", (e) => { if (e.key === "Escape" && table.selected >= 0) select(-1, false); });
summary();
groupings();
memory();
drawTable();
const lanes = new Lanes();
const buffers = new Buffers();
lanes.draw();
buffers.draw();
roofline();
new ResizeObserver(roofline).observe($("roofline"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const name of Object.keys(COLOURS)) COLOURS[name] = css(name);
  lanes.draw();
  buffers.draw();
  roofline();
  drawTable();
});
