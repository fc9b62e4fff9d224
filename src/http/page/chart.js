// The chart of the balance, and the table behind it.
//
// Numbers are for positions alone: what is written anywhere is the text that D7
// sent. A balance holds until the next sample, so the line goes in steps.

/* global uPlot */

import { wording } from "./time.js";

/** The table shows no more than this: a week has ten thousand samples. */
const ROWS = 200;

const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const timeToTheSecond = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/**
 * A sample is `{ at, text }`: seconds since 1970, and the digits.
 */
export class Chart {
  #plot = document.getElementById("plot");
  #empty = document.getElementById("empty");
  #readout = document.getElementById("readout");
  #buttons = [...document.querySelectorAll("[data-range]")];
  #uplot = null;
  /** All samples, oldest first. */
  #samples = [];
  /** The latest that the table has been made of. */
  #tabulated = null;
  /** Whether the samples are known, be there none. */
  #isKnown = false;
  /** Until when the last one is known to hold, in seconds since 1970. */
  #until = 0;
  /** The length of the time shown in seconds, or null for all of it. */
  #range = null;
  /** The samples that are drawn, by their place in the data. */
  #drawn = [];
  /** The one that the keyboard has chosen. */
  #chosen = null;

  constructor() {
    for (const button of this.#buttons) {
      button.addEventListener("click", () => this.#show(button));
    }
    this.#plot.addEventListener("keydown", (event) => this.#key(event));
    this.#plot.addEventListener("mousemove", () => (this.#chosen = null));
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
    // uPlot draws with the colours that it was made with.
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => this.#rebuild());
    }
  }

  /** Shows other samples; the last one holds until the given moment, in seconds since 1970. */
  update(samples, until) {
    this.#samples = samples;
    this.#until = until;
    this.#isKnown = true;
    this.#draw();
    this.#tabulate();
  }

  #show(button) {
    for (const other of this.#buttons) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    const { range } = button.dataset;
    this.#range = range === "all" ? null : Number(range);
    this.#chosen = null;
    this.#draw();
  }

  /** The ends of the time shown. */
  #ends() {
    const now = Math.max(this.#until, this.#samples.at(-1)?.at ?? 0);
    const begin = this.#range === null ? this.#samples[0].at : now - this.#range;
    return [Math.min(begin, now - 1), now];
  }

  /** The data for uPlot: what holds at the begin, the samples, and the end. */
  #data() {
    const [begin, end] = this.#ends();
    const first = this.#samples.findIndex((sample) => sample.at >= begin);
    const from = first === -1 ? this.#samples.length : first;
    const xs = [];
    this.#drawn = [];
    const push = (x, sample) => {
      xs.push(x);
      this.#drawn.push(sample);
    };
    const before = this.#samples[from - 1];
    if (before && this.#samples[from]?.at !== begin) {
      push(begin, before);
    }
    for (const sample of this.#samples.slice(from)) {
      push(sample.at, sample);
    }
    if (xs.length > 0 && xs.at(-1) < end) {
      push(end, this.#drawn.at(-1));
    }
    return [xs, this.#drawn.map(({ text }) => position(text))];
  }

  #draw() {
    const words = this.#isKnown ? emptyWords(this.#samples) : "The samples have not come yet.";
    this.#empty.hidden = words === null;
    this.#empty.textContent = words ?? "";
    if (words !== null) {
      this.#destroy();
      this.#drawn = [];
      this.#tell(null);
      return;
    }
    const data = this.#data();
    if (this.#uplot) {
      this.#uplot.setData(data);
    } else {
      this.#build(data);
    }
    this.#plot.setAttribute("aria-valuemax", String(this.#drawn.length - 1));
    const chosen = this.#chosen ? this.#drawn.indexOf(this.#chosen) : -1;
    if (chosen !== -1) {
      this.#point(chosen);
    } else if (!(this.#uplot?.cursor.left >= 0)) {
      this.#tell(null);
    }
  }

  #build(data) {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (width === 0 || height === 0) {
      return;
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const forced = matchMedia("(forced-colors: active)").matches;
    const [accent, soft] = forced ? ["CanvasText", "CanvasText"] : [colour("accent"), colour("soft")];
    const axis = {
      stroke: soft,
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { show: false },
    };
    const options = {
      width,
      height,
      legend: { show: false },
      padding: [12, 28, 0, 0],
      scales: {
        x: { time: true, range: () => this.#ends() },
        y: { range: (_, low, high) => padded(low, high) },
      },
      axes: [
        { ...axis, space: 72, size: 32, values: (_, splits, __, ___, step) => splits.map(momentWith(step)) },
        {
          ...axis,
          values: (_, splits, __, ___, step) => splits.map(numberWith(step)),
          size: (_, values) => 20 + 7 * Math.max(3, ...(values ?? []).map((text) => text.length)),
        },
      ],
      series: [
        {},
        {
          stroke: accent,
          fill: forced ? undefined : colour("fill"),
          width: 2,
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
        },
      ],
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 9, width: 2 },
        // The sample that holds there, which is the last one before.
        dataIdx: (u, series, nearest, x) => {
          const halfPixel = (u.scales.x.max - u.scales.x.min) / u.over.clientWidth / 2;
          return nearest > 0 && u.data[0][nearest] > x + halfPixel ? nearest - 1 : nearest;
        },
      },
      hooks: { setCursor: [(u) => this.#tell(u.cursor.idxs?.[1] ?? null)] },
    };
    this.#uplot = new uPlot(options, data, this.#plot);
  }

  #destroy() {
    this.#uplot?.destroy();
    this.#uplot = null;
  }

  #rebuild() {
    this.#destroy();
    this.#draw();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (this.#uplot && width > 0 && height > 0) {
      this.#uplot.setSize({ width, height });
    } else {
      this.#draw();
    }
  }

  /** The arrow keys move from sample to sample, as they do on a slider. */
  #key(event) {
    const last = this.#drawn.length - 1;
    const at = this.#chosen ? this.#drawn.indexOf(this.#chosen) : last + 1;
    const to = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || last < 0 || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    this.#point(Math.min(Math.max(to, 0), last));
  }

  #point(index) {
    this.#chosen = this.#drawn[index];
    const u = this.#uplot;
    if (!u) {
      return;
    }
    const [xs, ys] = u.data;
    u.setCursor({ left: u.valToPos(xs[index], "x"), top: u.valToPos(ys[index] ?? 0, "y") });
  }

  /** Says in words what the cursor is at, or what there is. */
  #tell(index) {
    const sample = index === null ? undefined : this.#drawn[index];
    const words = sample ? `${sample.text} at ${moment(sample)}` : this.#summary();
    this.#readout.textContent = words;
    this.#plot.setAttribute("aria-valuenow", String(sample ? index : Math.max(this.#drawn.length - 1, 0)));
    this.#plot.setAttribute("aria-valuetext", words);
  }

  #summary() {
    const [first, last] = [this.#drawn[0], this.#drawn.at(-1)];
    if (!first) {
      return "What this service has seen of the balance.";
    }
    if (first.text === last.text && new Set(this.#drawn.map(({ text }) => text)).size === 1) {
      return `${last.text}, all of the time.`;
    }
    return `From ${first.text} to ${last.text}.`;
  }

  #tabulate() {
    const newest = this.#samples.at(-1) ?? null;
    if (this.#tabulated === newest) {
      return;
    }
    this.#tabulated = newest;
    const latest = this.#samples.slice(-ROWS).reverse();
    const all = this.#samples.length;
    document.getElementById("rows-caption").textContent =
      all > ROWS ? `The latest ${ROWS} of ${all} samples` : count(all);
    document.getElementById("rows").replaceChildren(...latest.map(row));
  }
}

function row(sample) {
  const row = document.createElement("tr");
  const seen = document.createElement("time");
  seen.dateTime = new Date(sample.at * 1000).toISOString();
  seen.textContent = moment(sample);
  row.insertCell().append(seen);
  row.insertCell().textContent = sample.text;
  return row;
}

function moment(sample) {
  return wording(new Date(sample.at * 1000));
}

function count(samples) {
  return { 0: "No samples", 1: "One sample" }[samples] ?? `${samples} samples`;
}

/** What stands in the chart's place where there is no line to draw. */
function emptyWords(samples) {
  if (samples.length === 0) {
    return "Nothing seen yet. The chart begins with the first balance.";
  }
  if (samples.length === 1) {
    return `One sample so far: ${samples[0].text} at ${moment(samples[0])}. The line begins with the second.`;
  }
  return null;
}

/** Where a number is drawn; one that is beyond all bounds is a gap. */
function position(text) {
  const number = Number(text);
  return Math.abs(number) < 1e300 ? number : null;
}

/** The ends of the vertical scale, with air above and below. */
function padded(low, high) {
  if (low === null || high === null) {
    return [0, 1];
  }
  const air = (high - low) * 0.12 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}

/** How to write moments that are `step` seconds apart. */
function momentWith(step) {
  const format = step >= 86400 ? day : step < 60 ? timeToTheSecond : time;
  return (seconds) => format.format(new Date(seconds * 1000));
}

/** How to write numbers along the axis that are `step` apart. */
function numberWith(step) {
  let digits = 0;
  // As many as 2.5 or 0.025 has: else 97.5 would be written as 98.
  while (digits < 12 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) {
    digits += 1;
  }
  const plain = new Intl.NumberFormat(undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return (number) => (Math.abs(number) < 1e9 ? plain.format(number) : number.toPrecision(3));
}
