// The page /compare: the same dialogue by four transports side by side. Each lane sends messages into a channel of its own
// and waits until they come back. It speaks the protocol by what the browser has, without the client library, so that it
// shows what a transport costs and nothing else.

import { Chart } from './compare-chart.js';

const PAGE = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const WINDOW_MS = 60_000;
/** How long after a pause began polls still fetch what is on its way. */
const LATE_MS = 10_000;
const JSON_TYPE = 'application/json';

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

/** When the page was paused; 0 while it runs. */
let paused = 0;
/** The heads of this browser's requests without their addresses, as the server has counted them. */
const heads = { get: 500, post: 600 };

/** What one direction has cost. */
class Cost {
  messages = 0;
  requests = 0;
  bytes = 0;

  each() {
    if (this.messages === 0) return '–';
    const requests = (this.requests / this.messages).toFixed(1).replace(/\.0$/, '');
    return `${requests} ${requests === '1' ? 'request' : 'requests'}, ${size(this.bytes / this.messages)}`;
  }
}

/** One transport: what it has cost, and when its messages came. */
class Lane {
  sent = new Cost();
  received = new Cost();
  arrivals = [];
  slowest = 0;
  client = '';

  constructor(transport) {
    this.transport = transport;
    this.channel = `compare:${PAGE}-${transport}`;
    this.stream = `/stream?channel=${this.channel}`;
    this.article = byId('lane').content.firstElementChild.cloneNode(true);
    this.article.dataset.transport = transport;
    this.article.querySelector('h2').textContent = TITLES[transport];
    byId('lanes').append(this.article);
  }

  get requests() {
    return this.sent.requests + this.received.requests;
  }

  get bytes() {
    return this.sent.bytes + this.received.bytes;
  }

  /** Whether there is something to wait for. */
  isAwake() {
    return !paused || (this.received.messages < this.sent.messages && now() < paused + LATE_MS);
  }

  /** A request to receive was made and answered. */
  countRequest(address, answerBytes) {
    this.received.requests += 1;
    this.received.bytes += heads.get + address.length + answerBytes;
  }

  receive(message) {
    if (message.type !== 'message' || !Number.isFinite(message.data?.sent)) return;
    const at = now();
    const delay = Math.max(0, at - message.data.sent);
    this.received.messages += 1;
    this.slowest = Math.max(this.slowest, delay);
    this.arrivals.push({ at, delay });
  }

  /** Sends by a request; `talk` replaces it by what a socket does. */
  async send(data) {
    const body = JSON.stringify(data);
    const address = `/publish?channel=${this.channel}&client=${this.client}`;
    const answer = await fetch(address, { method: 'POST', headers: { 'content-type': JSON_TYPE }, body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(JSON.parse(text).message);
    this.sent.messages += 1;
    this.sent.requests += 1;
    this.sent.bytes += heads.post + address.length + body.length + answerBytes(answer, text);
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
    set('messages', this.received.messages.toLocaleString());
    set('sending', this.sent.each());
    set('receiving', this.received.each());
    set('slowest', this.received.messages > 0 ? `${milliseconds(this.slowest)} ms` : '–');
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
  for (;;) {
    if (!lane.isAwake()) { await pause(200); continue; }
    try {
      const address = `${lane.stream}&since=${encodeURIComponent(cursor)}&client=${lane.client}${wait ? '&wait=25' : ''}`;
      const answer = await fetch(address);
      const body = await answer.text();
      const batch = JSON.parse(body);
      if (batch.type !== 'batch') throw new Error(batch.message);
      lane.countRequest(address, answerBytes(answer, body));
      ({ cursor } = batch);
      lane.client = batch.client;
      batch.messages.forEach((message) => lane.receive(message));
    } catch (error) {
      complain(error);
      await pause(1000);
    }
    if (!wait) await pause(Number(byId('interval').value));
  }
}

function listen(lane) {
  const events = new EventSource(lane.stream);
  const take = (event) => {
    // "data: " and the line's end, "id: " and the cursor's, the empty line.
    lane.received.bytes += bytesOf(event.data) + bytesOf(event.lastEventId) + 'data: \nid: \n\n'.length + (event.type === 'control' ? 'event: control\n'.length : 0);
    const message = JSON.parse(event.data);
    if (message.type === 'open') lane.client = message.client;
    lane.receive(message);
  };
  events.onopen = () => lane.countRequest(lane.stream, 300);
  events.onmessage = take;
  events.addEventListener('control', take);
}

function talk(lane, since = 'now') {
  const address = `${lane.stream}&since=${encodeURIComponent(since)}`;
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${address}`);
  socket.onopen = () => lane.countRequest(address, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'.length);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    since = message.position ?? message.cursor ?? since;
    const cost = message.type === 'published' ? lane.sent : lane.received;
    cost.bytes += frameBytes(event.data);
    if (message.type === 'published') lane.sent.messages += 1;
    if (message.type === 'error') complain(new Error(message.message));
    lane.receive(message);
  };
  socket.onclose = () => setTimeout(() => talk(lane, since), 1000);
  lane.send = async (data) => {
    if (socket.readyState !== WebSocket.OPEN) throw new Error('the WebSocket is not open');
    const text = JSON.stringify({ type: 'publish', id: data.number, channel: lane.channel, data });
    lane.sent.bytes += frameBytes(text) + MASK;
    socket.send(text);
  };
}

/** Bytes of the key that a page's frames have in addition. */
const MASK = 4;

/** The bytes of a text message with its frame's header. */
function frameBytes(text) {
  const payload = bytesOf(text);
  return payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);
}

/** Lets all lanes send at the chosen rate, each message with the time at which it leaves; not in step with the polls, which
 * would have all of them wait equally long. */
async function converse(lanes) {
  for (let number = 1; ; number += 1) {
    await pause((500 + 1000 * Math.random()) / Number(byId('rate').value));
    if (paused) continue;
    const sending = lanes.map((lane) => lane.send({ sent: now(), number }));
    Promise.all(sending).then(() => { byId('trouble').hidden = true; }, complain);
  }
}

function complain(error) {
  const text = `The server cannot be reached: ${error.message}. Trying again.`;
  if (byId('trouble').textContent !== text) byId('trouble').textContent = text;
  byId('trouble').hidden = false;
}

/** Asks the server how long the heads of requests are. What only a POST has is added: its origin and its body's length. */
async function measureHeads() {
  const address = '/compare/request-size';
  const measure = async (headers) => (await (await fetch(address, { headers })).json()).bytes - address.length;
  try {
    heads.get = await measure({});
    heads.post = await measure({ 'content-type': JSON_TYPE }) + `origin: ${location.origin}\r\ncontent-length: 39\r\n`.length + 1;
  } catch { /* then the guess counts */ }
}

async function start() {
  const lanes = Object.keys(TITLES).map((transport) => new Lane(transport));
  const [polling, longPolling, events, socket] = lanes;
  await measureHeads();
  poll(polling);
  poll(longPolling, 'wait');
  listen(events);
  talk(socket);
  converse(lanes);

  const chart = new Chart(byId('chart'), WINDOW_MS);
  const show = () => {
    // Paused, the picture stands still at that time, or where the last message on its way has come.
    const time = paused ? Math.max(paused, ...lanes.map((lane) => lane.arrivals.at(-1)?.at ?? 0)) : now();
    const most = { requests: 0, bytes: 0 };
    for (const lane of lanes) {
      lane.forgetBefore(time - WINDOW_MS);
      most.requests = Math.max(most.requests, lane.requests);
      most.bytes = Math.max(most.bytes, lane.bytes);
    }
    lanes.forEach((lane) => lane.show(most));
    chart.draw(lanes, time);
  };
  byId('run').onclick = (event) => {
    paused = paused ? 0 : now();
    event.target.textContent = paused ? 'Go on' : 'Pause';
  };
  setInterval(show, 250);
}

start();
