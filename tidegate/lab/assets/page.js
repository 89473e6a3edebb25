(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const said = document.getElementById("said");
  const boxes = [...document.querySelectorAll(".chart")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = new Map();

  // As wide as the label of several decisions.
  const MARK_PIXELS = 50;
  const HOUR = 60;
  const DAY = 24 * HOUR;
  const MINUTE_STEPS = [1, 2, 5, 10, 20, 30];
  const HOUR_STEPS = [1, 2, 3, 6, 12].map((hours) => hours * HOUR);
  const DAY_STEPS = [1, 2, 5, 7, 14, 28, 56, 112].map((days) => days * DAY);
  const DASHES = { line: [], dash: [9, 5], dot: [2, 4], mixed: [11, 4, 2, 4] };
  const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const FINE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

  function worded(value, unit) {
    if (value === null || value === undefined) {
      return "–";
    }
    const number = Math.abs(value) >= 1000 ? WHOLE.format(value) : FINE.format(value);
    return unit === "%" ? `${number} %` : number;
  }

  // A logarithmic scale has no place for nothing.
  function drawable(series, isLog) {
    return isLog ? series.values.map((each) => (each > 0 ? each : null)) : series.values;
  }

  function lastFigure(chart) {
    const ends = chart.series.map((each) => each.values.findLastIndex((value) => value !== null));
    return Math.max(0, Math.min(...ends));
  }

  function clock(minute) {
    const [days, hours, minutes] = [minute / DAY, (minute % DAY) / HOUR, minute % HOUR];
    if (minute === 0 || minute % 1 !== 0) {
      return `${minute}`;
    }
    if (minute % DAY === 0) {
      return `${days} d`;
    }
    if (minute % HOUR === 0) {
      return minute > DAY ? `${Math.floor(days)} d ${hours} h` : `${hours} h`;
    }
    return minute > HOUR ? `${Math.floor(minute / HOUR)}:${`${minutes}`.padStart(2, "0")}` : `${minutes} min`;
  }

  function rangeOf(isLog) {
    if (!isLog) {
      return (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 1, 1) * 1.08];
    }
    return (_, low, high) => {
      if (low === null || high === null) {
        return [1, 10];
      }
      const bottom = 10 ** Math.floor(Math.log10(low) + 1e-9);
      const top = 10 ** Math.ceil(Math.log10(high) - 1e-9);
      return [bottom, Math.max(top, bottom * 10)];
    };
  }

  function decades(low, high) {
    const [first, last] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))];
    const factors = last - first > 2 ? [1] : [1, 2, 5];
    const splits = [];
    for (let power = first; power <= last; power++) {
      splits.push(...factors.map((factor) => factor * 10 ** power));
    }
    return splits.filter((each) => each <= high * 1.001);
  }

  function axis(unit, isLog) {
    return {
      scale: "y",
      stroke: colour("faint"),
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { stroke: colour("grid"), width: 1 },
      size: 54,
      splits: isLog ? (_, index, low, high) => decades(low, high) : undefined,
      values: (_, splits) =>
        splits.map((each) => (each === null ? "" : COMPACT.format(each) + (unit === "%" ? " %" : ""))),
    };
  }

  function drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("faint");
    ctx.lineWidth = devicePixelRatio;
    ctx.globalAlpha = 0.45;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    for (const { minute } of data.marks) {
      const x = Math.round(plot.valToPos(minute, "x", true)) + 0.5;
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
    }
    ctx.stroke();
    ctx.restore();
  }

  function labelMarks(box, plot) {
    box.querySelectorAll(".mark").forEach((each) => each.remove());
    let last = null;
    for (const { number, minute } of data.marks) {
      const left = plot.over.offsetLeft + plot.valToPos(minute, "x");
      if (last && left - last.left < MARK_PIXELS) {
        last.link.textContent = `${last.number}–${number}`;
        last.link.setAttribute("aria-label", `decisions ${last.number} to ${number}`);
        continue;
      }
      const link = document.createElement("a");
      link.className = "mark";
      link.href = `#decision-${number}`;
      link.textContent = number;
      link.setAttribute("aria-label", `decision ${number}, minute ${minute}`);
      link.style.left = `${left}px`;
      box.append(link);
      last = { left, link, number };
    }
  }

  function sampleLines(plot, series) {
    const [minute, ...rows] = plot.root.querySelectorAll(".u-legend .u-series");
    minute.querySelector(".u-marker")?.remove();
    rows.forEach((row, index) => {
      const { colour: name, form } = series[index];
      const marker = row.querySelector(".u-marker");
      const dashes = DASHES[form].join(" ");
      marker.style.cssText = "width: 2em; height: 0.8em; border: 0";
      marker.innerHTML =
        '<svg width="100%" height="100%" aria-hidden="true"><line x1="0" x2="100%" y1="50%" y2="50%" ' +
        `stroke="${colour(name)}" stroke-width="2.5" stroke-dasharray="${dashes}"/></svg>`;
    });
  }

  function draw(box) {
    const index = boxes.indexOf(box);
    const chart = data.charts[index];
    const labelled = index === 0;
    const scales = { x: { time: false }, y: { distr: chart.is_log ? 3 : 1, range: rangeOf(chart.is_log) } };
    const axes = [
      {
        stroke: colour("faint"),
        grid: { stroke: colour("grid"), width: 1 },
        ticks: { stroke: colour("grid"), width: 1 },
        incrs: [...MINUTE_STEPS, ...HOUR_STEPS, ...DAY_STEPS],
        values: (_, splits) => splits.map(clock),
      },
      axis(chart.unit, chart.is_log),
    ];
    const onReady = (ready) => {
      sampleLines(ready, chart.series);
      ready.setLegend({ idx: lastFigure(chart) });
      if (labelled) {
        labelMarks(box, ready);
      }
    };
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: labelled ? 300 : 220,
        padding: [labelled ? 26 : 10, 16, 0, 0],
        scales,
        axes,
        cursor: { sync: { key: "rollout" }, drag: { x: false, y: false }, y: false },
        series: [
          { label: "minute", value: (_, minute) => (minute === null ? "–" : WHOLE.format(minute)) },
          ...chart.series.map((each) => ({
            label: each.label,
            scale: "y",
            stroke: colour(each.colour),
            width: 2,
            dash: DASHES[each.form],
            points: { show: false },
            paths: each.has_steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
            value: (_, __, ___, index) => worded(index === null ? null : each.values[index], each.unit),
          })),
        ],
        hooks: { drawAxes: [drawMarks], ready: [onReady] },
      },
      [data.minutes, ...chart.series.map((each) => drawable(each, chart.is_log))],
      box,
    );
    plots.set(box, plot);
  }

  function redraw() {
    for (const box of boxes) {
      plots.get(box)?.destroy();
      draw(box);
    }
  }

  function nearest(minute) {
    const found = data.minutes.findIndex((each) => each >= minute);
    return found < 0 ? data.minutes.length - 1 : found;
  }

  function show(index) {
    for (const plot of plots.values()) {
      plot.setCursor({ left: plot.valToPos(data.minutes[index], "x"), top: 0 });
    }
  }

  function tell(box, index) {
    const chart = data.charts[boxes.indexOf(box)];
    const figures = chart.series.map((each) => `${each.label} ${worded(each.values[index], each.unit)}`);
    said.textContent = `minute ${data.minutes[index]}: ${figures.join(", ")}`;
  }

  const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };

  function onKey(event) {
    const step = STEPS[event.key];
    if (step === undefined || event.target !== event.currentTarget) {
      return;
    }
    event.preventDefault();
    const box = event.currentTarget;
    const here = plots.get(box).cursor.idx ?? (step > 0 ? -1 : 0);
    const index = Math.max(0, Math.min(data.minutes.length - 1, here + step));
    show(index);
    tell(box, index);
  }

  function onSize(entries) {
    for (const { target } of entries) {
      const plot = plots.get(target);
      if (plot && plot.width !== target.clientWidth && target.clientWidth > 0) {
        plot.setSize({ width: target.clientWidth, height: plot.height });
        if (target === boxes[0]) {
          labelMarks(target, plot);
        }
      }
    }
  }

  redraw();
  const sizes = new ResizeObserver(onSize);
  for (const box of boxes) {
    box.addEventListener("keydown", onKey);
    sizes.observe(box);
  }
  dark.addEventListener("change", redraw);
  for (const link of document.querySelectorAll("a[data-minute]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      boxes[0].scrollIntoView({ block: "center" });
      boxes[0].focus({ preventScroll: true });
      const index = nearest(Number(link.dataset.minute));
      show(index);
      tell(boxes[0], index);
    });
  }
})();
