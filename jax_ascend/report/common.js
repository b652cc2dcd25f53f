"use strict";
// What the pages share: the JSON in #data, words and numbers, the tool tip, canvases with a time axis.
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---- words and numbers

function si(value, unit) {
  const steps = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
  if (!value) return "0 " + unit;
  const [factor, prefix] = steps.find(([f]) => Math.abs(value) >= f * 0.9995) || steps[steps.length - 1];
  const n = value / factor;
  return (Math.abs(n) >= 99.95 ? n.toFixed(0) : n.toPrecision(3)) + " " + prefix + unit;
}
const percent = (x, digits = 0) => (100 * x).toFixed(digits) + " %";
const short = (line) => line.split(/[\\/]/).slice(-2).join("/");
function node(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) {
    if (k === "text") e.textContent = v;
    else if (k === "style") e.style.cssText = v;
    else e.setAttribute(k, v);
  }
  e.append(...children);
  return e;
}

const KINDS = [
  // of what bounds a kernel: how it begins, colour, name in the legend
  ["cube", "--cube", "cube"],
  ["vector", "--vector", "vector"],
  ["HBM", "--hbm", "HBM"],
  ["L2", "--l2", "L2"],
  ["MTE2 at L2", "--l2", "L2"],
  ["MTE", "--move", "a pipe that moves"],
  ["FIXP", "--move", "a pipe that moves"],
  ["flag waits", "--wait", "flag waits"],
  ["launch", "--launch", "launch"],
  ["AICPU", "--aicpu", "AICPU"],
];
const kindOf = (bound) => {
  const exact = KINDS.find((k) => k[0] === bound);
  return exact || KINDS.find((k) => bound.startsWith(k[0])) || ["", "--other", "other"];
};
const COLOURS = Object.fromEntries([...KINDS, ["", "--other", ""]].map((k) => [k[1], css(k[1])]));
const colourOf = (bound) => COLOURS[kindOf(bound)[1]];

// ---- tool tip

const tip = $("tip");
function showTip(event, title, lines) {
  tip.replaceChildren(node("b", { text: title }), "\n" + lines.filter(Boolean).join("\n"));
  tip.hidden = false;
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const y = event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18;
  tip.style.left = Math.max(x, 4) + "px";
  tip.style.top = Math.max(y, 4) + "px";
}
const hideTip = () => (tip.hidden = true);

// ---- canvases with a time axis

class TimeCanvas {
  constructor(canvas, end, height, left) {
    Object.assign(this, { canvas, end: end || 1e-9, height, left, from: 0, to: end || 1e-9, pending: false });
    this.context = canvas.getContext("2d");
    new ResizeObserver(() => this.draw()).observe(canvas);
  }
  get width() { return this.canvas.clientWidth - this.left; }
  x(time) { return this.left + ((time - this.from) / (this.to - this.from)) * this.width; }
  time(x) { return this.from + ((x - this.left) / this.width) * (this.to - this.from); }
  view(from, to) {
    const span = Math.min(Math.max(to - from, 2e-9), this.end);
    this.from = Math.min(Math.max(from, 0), this.end - span);
    this.to = this.from + span;
    this.draw();
  }
  zoom(factor, around) { this.view(around - (around - this.from) * factor, around + (this.to - around) * factor); }
  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.paint(); });
  }
  start() {
    const ratio = devicePixelRatio || 1, c = this.canvas;
    c.style.height = this.height + "px";
    if (c.width !== Math.round(c.clientWidth * ratio) || c.height !== Math.round(this.height * ratio)) {
      c.width = Math.round(c.clientWidth * ratio);
      c.height = Math.round(this.height * ratio);
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, c.clientWidth, this.height);
    this.context.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    this.context.textBaseline = "middle";
  }
  axis(y) {
    const g = this.context, rough = (this.to - this.from) / Math.max(this.width / 110, 1);
    const power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    g.strokeStyle = css("--line");
    g.fillStyle = css("--quiet");
    for (let t = Math.ceil(this.from / step) * step; t <= this.to; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      g.beginPath();
      g.moveTo(x, y + 14);
      g.lineTo(x, this.height);
      g.stroke();
      g.fillText(t === 0 ? "0" : si(t, "s"), x + 3, y + 8);
    }
  }
  controls() {
    const c = this.canvas;
    let dragging = null;
    c.addEventListener("wheel", (e) => {
      e.preventDefault();
      if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        const shift = (e.deltaX / this.width) * (this.to - this.from);
        this.view(this.from + shift, this.to + shift);
      } else {
        this.zoom(Math.exp(Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 100) / 350), this.time(e.offsetX));
      }
    }, { passive: false });
    c.addEventListener("pointerdown", (e) => { dragging = [e.clientX, this.from, this.to, false]; c.setPointerCapture(e.pointerId); });
    c.addEventListener("pointermove", (e) => {
      if (!dragging) return this.hover(e);
      const shift = ((dragging[0] - e.clientX) / this.width) * (dragging[2] - dragging[1]);
      dragging[3] = dragging[3] || Math.abs(e.clientX - dragging[0]) > 3;
      hideTip();
      if (dragging[3]) this.view(dragging[1] + shift, dragging[2] + shift);
    });
    c.addEventListener("pointerup", (e) => { if (dragging && !dragging[3]) this.click(e); dragging = null; });
    c.addEventListener("pointerleave", hideTip);
    c.addEventListener("dblclick", (e) => this.fit(e));
    c.addEventListener("keydown", (e) => {
      const middle = (this.from + this.to) / 2, shift = (this.to - this.from) / 5;
      const keys = { w: () => this.zoom(0.7, middle), s: () => this.zoom(1.4, middle), a: () => this.view(this.from - shift, this.to - shift), d: () => this.view(this.from + shift, this.to + shift), 0: () => this.view(0, this.end) };
      if (keys[e.key]) keys[e.key]();
    });
  }
  hover() {}
  click() {}
  fit() {}
}
