// The chart of /compare: a dot per message, time to the right, delay upwards on a logarithmic scale.

const TICKS_MS = [1, 10, 100, 1000, 10_000];
const LOWEST_MS = 0.5;
const MARGIN = { left: 52, right: 12, top: 8, bottom: 24 };

export class Chart {
  constructor(canvas, windowMs) {
    this.canvas = canvas;
    this.windowMs = windowMs;
  }

  /** Draws what arrived in the window that ends now. */
  draw(lanes, now) {
    const { canvas } = this;
    const scale = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const x = (at) => width - MARGIN.right - ((now - at) / this.windowMs) * (width - MARGIN.left - MARGIN.right);
    const y = (delay) => {
      const share = Math.log10(Math.max(delay, LOWEST_MS) / LOWEST_MS) / Math.log10(TICKS_MS.at(-1) / LOWEST_MS);
      return height - MARGIN.bottom - Math.min(share, 1) * (height - MARGIN.top - MARGIN.bottom);
    };
    this.#grid(context, { x, y, width, height, style, now });
    for (const lane of lanes) {
      context.fillStyle = getComputedStyle(lane.article.querySelector('h2')).color;
      for (const { at, delay } of lane.arrivals) {
        context.beginPath();
        context.arc(x(at), y(delay), 3, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  #grid(context, { x, y, width, height, style, now }) {
    context.font = `12px ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.strokeStyle = style.color;
    context.globalAlpha = 0.7;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const tick of TICKS_MS) {
      context.fillText(tick < 1000 ? `${tick} ms` : `${tick / 1000} s`, MARGIN.left - 8, y(tick));
    }
    context.textAlign = 'center';
    for (const seconds of [60, 45, 30, 15]) {
      const at = now - seconds * 1000;
      if (now - at <= this.windowMs) context.fillText(`−${seconds} s`, Math.max(x(at), MARGIN.left), height - MARGIN.bottom / 2);
    }
    context.textAlign = 'right';
    context.fillText('now', width - MARGIN.right, height - MARGIN.bottom / 2);
    context.globalAlpha = 0.15;
    for (const tick of TICKS_MS) {
      context.beginPath();
      context.moveTo(MARGIN.left, y(tick));
      context.lineTo(width - MARGIN.right, y(tick));
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}
