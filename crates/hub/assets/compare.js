// The page /compare: one stream of messages, received by four transports side by side. Each lane speaks the protocol by
// what the browser has, without the client library, so that it shows what a transport costs and nothing else.

import { Chart } from './compare-chart.js';

const CHANNEL = `compare:${crypto.randomUUID().slice(0, 8)}`;
const STREAM = `/stream?channel=${CHANNEL}`;
const WINDOW_MS = 60_000;

const TITLES = {
  poll: 'Polling',
  long_poll: 'Long polling',
  sse: 'Server-Sent Events',
  websocket: 'WebSocket',
};

const byId = (id) => document.getElementById(id);
const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const bytesOf = (text) => new TextEncoder().encode(text).length;

let running = true;
/** What a request's head of this browser has, as the server has counted it. */
let requestHead = 0;

/** One transport: what it has cost, and when its messages came. */
class Lane {
  requests = 0;
  bytes = 0;
  arrivals = [];
  messages = 0;
  slowest = 0;

  constructor(transport) {
    this.transport = transport;
    this.article = byId('lane').content.firstElementChild.cloneNode(true);
    this.article.dataset.transport = transport;
    this.article.querySelector('h2').textContent = TITLES[transport];
    byId('lanes').append(this.article);
  }

  /** A request was made and answered. */
  countRequest(answerBytes) {
    this.requests += 1;
    this.bytes += requestHead + answerBytes;
  }

  receive(message) {
    if (message.type !== 'message') return;
    const at = now();
    const delay = Math.max(0, at - message.data.sent);
    this.messages += 1;
    this.slowest = Math.max(this.slowest, delay);
    this.arrivals.push({ at, delay });
  }

  median() {
    const delays = this.arrivals.map((arrival) => arrival.delay).sort((a, b) => a - b);
    return delays[Math.floor(delays.length / 2)];
  }

  forgetBefore(time) {
    const first = this.arrivals.findIndex((arrival) => arrival.at >= time);
    this.arrivals.splice(0, first < 0 ? this.arrivals.length : first);
  }

  show(most) {
    const set = (figure, text) => {
      this.article.querySelector(`[data-figure=${figure}]`).textContent = text;
    };
    set('median', milliseconds(this.median()));
    set('requests', this.requests.toLocaleString());
    set('bytes', size(this.bytes));
    set('each', this.messages > 0 ? size(this.bytes / this.messages) : '–');
    set('messages', this.messages.toLocaleString());
    set('slowest', this.messages > 0 ? `${milliseconds(this.slowest)} ms` : '–');
    for (const figure of ['requests', 'bytes']) {
      const share = most[figure] > 0 ? this[figure] / most[figure] : 0;
      this.article.querySelector(`[data-meter=${figure}]`).style.width = `${100 * share}%`;
    }
  }
}

function milliseconds(ms) {
  if (ms === undefined) return '–';
  return ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString();
}

function size(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The bytes of an answer: its head as the page can see it, and its body. */
function answerBytes(answer, body) {
  let head = 'HTTP/1.1 200 OK\r\n\r\n'.length;
  for (const [name, value] of answer.headers) head += name.length + value.length + ': \r\n'.length;
  return head + bytesOf(body);
}

async function poll(lane, wait) {
  let cursor = 'now';
  let client = '';
  for (;;) {
    if (!running) { await pause(200); continue; }
    try {
      const since = encodeURIComponent(cursor);
      const answer = await fetch(`${STREAM}&since=${since}&client=${client}${wait ? '&wait=25' : ''}`);
      const body = await answer.text();
      lane.countRequest(answerBytes(answer, body));
      const batch = JSON.parse(body);
      if (batch.type !== 'batch') throw new Error(batch.message);
      ({ cursor, client } = batch);
      batch.messages.forEach((message) => lane.receive(message));
    } catch (error) {
      complain(error);
      await pause(1000);
    }
    if (!wait) await pause(Number(byId('interval').value));
  }
}

function listen(lane) {
  const events = new EventSource(STREAM);
  const take = (event) => {
    // "data: " and the line's end, "id: " and the cursor's, the empty line.
    lane.bytes += bytesOf(event.data) + bytesOf(event.lastEventId) + 'data: \nid: \n\n'.length + (event.type === 'control' ? 'event: control\n'.length : 0);
    lane.receive(JSON.parse(event.data));
  };
  events.onopen = () => lane.countRequest(300);
  events.onmessage = take;
  events.addEventListener('control', take);
}

function talk(lane) {
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${STREAM}`);
  socket.onopen = () => lane.countRequest('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'.length);
  socket.onmessage = (event) => {
    const payload = bytesOf(event.data);
    lane.bytes += payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);
    lane.receive(JSON.parse(event.data));
  };
  socket.onclose = () => setTimeout(() => talk(lane), 1000);
}

/** Publishes at the chosen rate, each message with the time at which it left. */
async function publish() {
  for (let number = 1; ; number += 1) {
    const rate = Number(byId('rate').value);
    await pause(1000 / rate);
    if (!running) continue;
    const body = JSON.stringify({ sent: now(), number });
    const headers = { 'content-type': 'application/json' };
    fetch(`/publish?channel=${CHANNEL}`, { method: 'POST', headers, body })
      .then(async (answer) => {
        if (!answer.ok) throw new Error((await answer.json()).message);
        byId('trouble').hidden = true;
      })
      .catch(complain);
  }
}

function complain(error) {
  byId('trouble').textContent = `The server cannot be reached: ${error.message}. Trying again.`;
  byId('trouble').hidden = false;
}

async function start() {
  const lanes = Object.keys(TITLES).map((transport) => new Lane(transport));
  const [polling, longPolling, events, socket] = lanes;
  requestHead = await fetch(`${STREAM}&since=now`.replace('/stream', '/compare/request-size'))
    .then((answer) => answer.json()).then((answer) => answer.bytes).catch(() => 500);
  poll(polling);
  poll(longPolling, 'wait');
  listen(events);
  talk(socket);
  publish();

  byId('run').onclick = (event) => {
    running = !running;
    event.target.textContent = running ? 'Pause' : 'Go on';
    event.target.setAttribute('aria-pressed', String(running));
  };
  const chart = new Chart(byId('chart'), WINDOW_MS);
  setInterval(() => {
    const most = { requests: 0, bytes: 0 };
    for (const lane of lanes) {
      lane.forgetBefore(now() - WINDOW_MS);
      most.requests = Math.max(most.requests, lane.requests);
      most.bytes = Math.max(most.bytes, lane.bytes);
    }
    lanes.forEach((lane) => lane.show(most));
    if (running) chart.draw(lanes, now());
  }, 250);
}

start();
