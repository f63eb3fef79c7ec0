// A world in memory: a clock that only moves when told, and a push server that speaks docs/protocol.md over a fake
// WebSocket and a fake fetch. `blocked` transports fail at once, `silent` ones open and say nothing.

import { setImmediate as turn } from 'node:timers/promises';
import { Sockeye } from '../sockeye.js';

export class World {
  clock = new FakeClock();
  server = new FakeServer(this.clock);
  window = new FakeWindow();
  random = () => 0.5;

  client(options = {}) {
    const { server, clock, window } = this;
    const client = new Sockeye('http://push.test/stream', {
      WebSocket: server.WebSocket, fetch: server.fetch, clock, window, random: () => this.random(), pingInterval: 0, ...options,
    });
    return Object.assign(client, { seen: recordOf(client) });
  }

  /** Lets everything happen that needs no time. */
  async settle() {
    for (let i = 0; i < 12; i += 1) await turn();
  }

  /** Lets time pass, one timer after the other. */
  async pass(milliseconds) {
    const end = this.clock.now() + milliseconds;
    await this.settle();
    while (this.clock.fireNext(end)) await this.settle();
    this.clock.time = end;
  }
}

/** What the client's events have told. */
function recordOf(client) {
  const seen = { data: [], events: [], gaps: [], transports: [], errors: [], delays: [] };
  client.addEventListener('message', ({ channel, data }) => seen.data.push(`${channel}:${data}`));
  client.addEventListener('gap', ({ channel, from, to, reason }) => seen.gaps.push({ channel, from, to, reason }));
  client.addEventListener('transport', ({ transport, delay }) => {
    seen.transports.push(transport);
    if (!transport) seen.delays.push(delay);
  });
  client.addEventListener('error', ({ error }) => seen.errors.push(error));
  for (const type of ['open', 'error', 'close', 'join', 'leave']) {
    client.addEventListener(type, ({ code }) => seen.events.push(code === undefined ? type : `${type} ${code}`));
  }
  return seen;
}

class FakeClock {
  time = 1_000_000;
  #timers = new Map();
  #count = 0;

  now() {
    return this.time;
  }

  setTimeout(callback, milliseconds) {
    this.#timers.set((this.#count += 1), { at: this.time + Math.max(0, milliseconds), callback });
    return this.#count;
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  get pending() {
    return this.#timers.size;
  }

  fireNext(end) {
    const [next] = [...this.#timers].sort(([a, one], [b, other]) => one.at - other.at || a - b);
    if (!next || !(next[1].at <= end)) return false;
    this.#timers.delete(next[0]);
    this.time = next[1].at;
    next[1].callback();
    return true;
  }
}

class FakeWindow extends EventTarget {
  document = Object.assign(new EventTarget(), { visibilityState: 'visible', baseURI: 'http://push.test/page' });
}

/** What may still be sent. */
class Bucket {
  fullAt = 0;

  constructor(server) {
    this.server = server;
  }

  admits() {
    const { rate, clock } = this.server;
    const fullAt = Math.max(this.fullAt, clock.now()) + 1000 / rate;
    if (fullAt > clock.now() + 1000) return false;
    this.fullAt = fullAt;
    return true;
  }
}

const TOO_MANY = { type: 'error', code: 4306, name: 'too_many_channels', message: 'at most 32' };
const PORT = { websocket: 'websocket', sse: 'sse', long_poll: 'long_poll', poll: 'poll' };

class FakeServer {
  blocked = new Set();
  silent = new Set();
  refusal = null; // { code, name, status }: what every new link is told
  heartbeat = 25;
  epoch = '5f';
  historySize = 100;
  logs = new Map(); // channel -> { head, entries }
  streams = new Set(); // open WebSockets, event streams and waiting polls
  asks = []; // what was asked for, by each link
  publications = []; // requests to publish, those repeated too
  granted = [];
  refused = new Set(); // channels that nobody may subscribe to
  wantsToken = false;
  rate = Infinity; // messages per second of a WebSocket, and publications over HTTP; as many at once
  loseAnswers = 0; // publications whose answer is lost with the connection

  constructor(clock) {
    this.clock = clock;
    this.posts = new Bucket(this);
    const server = this;
    this.WebSocket = class extends FakeWebSocket {
      constructor(url, protocols) {
        super(server, url, protocols);
      }
    };
    this.fetch = (url, init) => this.#fetch(new URL(url), init);
  }

  log(channel) {
    if (!this.logs.has(channel)) this.logs.set(channel, { head: 0, entries: [], keys: new Map() });
    return this.logs.get(channel);
  }

  position(channel, offset = this.log(channel).head) {
    return `${channel}~${this.epoch}.${offset}`;
  }

  publish(channel, fields, key) {
    const log = this.log(channel);
    if (key && log.keys.has(key)) return log.keys.get(key);
    log.head += 1;
    const position = this.position(channel);
    log.keys.set(key, position);
    log.entries.push({ type: 'message', channel, position, ...fields, meta: { time: 1, ...fields.meta } });
    log.entries.splice(0, log.entries.length - this.historySize);
    for (const stream of [...this.streams]) stream.deliver(channel);
    return position;
  }

  /** Everything behind a position, with a gap where it is no longer held. */
  read(channel, since) {
    const { head, entries } = this.log(channel);
    const first = head - entries.length + 1;
    const [epoch, offset] = since.slice(since.lastIndexOf('~') + 1).split('.');
    const from = epoch === this.epoch ? Number(offset) + 1 : first;
    const gap = { type: 'gap', channel, position: this.position(channel, first - 1) };
    if (epoch !== this.epoch) return [{ ...gap, to: first - 1, reason: 'epoch' }, ...entries];
    return from >= first ? entries.slice(from - first) : [{ ...gap, from, to: first - 1, reason: 'expired' }, ...entries];
  }

  /** Where each channel of a request starts. */
  starts({ channels, since }) {
    const all = [...new Set([...channels, ...this.granted])].filter((channel) => !this.refused.has(channel));
    return new Map(all.map((channel) => [channel, this.startOf(channel, since)]));
  }

  startOf(channel, since) {
    if (since === 'start') return `${channel}~0.0`;
    return since.split(',').find((one) => one.startsWith(`${channel}~`)) ?? this.position(channel);
  }

  /** Every connection breaks without a word. */
  break() {
    for (const stream of [...this.streams]) stream.break();
  }

  /** The server starts anew, with nothing. */
  restart(epoch) {
    this.break();
    this.epoch = epoch;
    this.logs.clear();
  }

  refusedErrors(channels) {
    return channels.filter((channel) => this.refused.has(channel)).map((channel) => {
      return { type: 'error', code: 4308, name: 'not_permitted', message: `no right to ${channel}`, channel };
    });
  }

  ask(transport, url, token) {
    const query = url.searchParams;
    const ask = { transport, channels: query.getAll('channel'), since: query.get('since'), client: query.get('client'), token };
    this.asks.push(ask);
    return ask;
  }

  problem({ code, name }, fields) {
    return { code, name, message: `it is ${name}`, ...fields };
  }

  async #fetch(url, init = {}) {
    const token = init.headers?.authorization?.replace('Bearer ', '');
    if (url.pathname === '/publish') return this.#publish(url, init);
    if (url.pathname === '/presence') return json({ type: 'presence', channel: url.searchParams.get('channel'), members: this.members });
    if (url.pathname === '/history') return json(this.history(Object.fromEntries(url.searchParams)));
    const isStream = init.headers?.accept === 'text/event-stream';
    const wait = url.searchParams.get('wait');
    const transport = isStream ? PORT.sse : wait === null ? PORT.poll : PORT.long_poll;
    const ask = this.ask(transport, url, token);
    if (this.blocked.has(transport)) throw new TypeError('blocked');
    if (this.silent.has(transport)) return untilAborted(init.signal);
    if (this.wantsToken && !token) return json({ type: 'error', code: 4200, name: 'token_required', message: 'who are you?' }, 401);
    if (!isStream && ask.channels.length > 32) return json(TOO_MANY, 400);
    if (this.refusal && !isStream) return json({ type: 'error', ...this.refusal }, this.refusal.status);
    return isStream ? new FakeEventStream(this, ask, init.signal).response : new FakePoll(this, ask, wait, init.signal).answer();
  }

  members = [{ client: 'q1' }];

  history({ channel, limit = 100 }) {
    const { entries } = this.log(channel);
    return { type: 'history', channel, position: this.position(channel), messages: entries.slice(-limit) };
  }

  async #publish(url, init) {
    const channel = url.searchParams.get('channel');
    const key = url.searchParams.get('key');
    const type = init.headers['content-type'];
    this.publications.push({ channel, key, type, body: init.body });
    if (this.blocked.has('publish')) throw new TypeError('blocked');
    if (this.publishRefusal) return json({ type: 'error', ...this.publishRefusal }, this.publishRefusal.status);
    if (!this.posts.admits()) return json({ type: 'error', code: 4307, name: 'rate_limited', message: 'too fast' }, 429);
    const isText = typeof init.body === 'string';
    const fields = isText ? { data: /json/i.test(type) ? JSON.parse(init.body) : init.body } : { b64: btoa(String.fromCharCode(...init.body)) };
    const position = this.publish(channel, fields, key);
    if (this.loseAnswers-- > 0) throw new TypeError('lost');
    return json({ type: 'published', channel, position });
  }
}

function json(body, status = 200) {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
}

function untilAborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
}

class FakeWebSocket {
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  #channels = new Map();

  constructor(server, url, protocols) {
    this.server = server;
    this.url = new URL(url.replace(/^ws/, 'http'));
    this.protocols = protocols;
    this.protocol = protocols[0];
    const token = protocols.find((one) => one.startsWith('sockeye.token.'))?.slice('sockeye.token.'.length);
    this.ask = server.ask(PORT.websocket, this.url, token);
    this.allowance = new Bucket(server);
    setImmediate(() => this.#accept());
  }

  #accept() {
    const { server, ask } = this;
    if (this.readyState > 1) return;
    if (server.blocked.has(PORT.websocket)) return this.shut({ code: 1006, reason: '', wasClean: false });
    this.readyState = 1;
    server.streams.add(this);
    this.onopen?.({});
    if (server.silent.has(PORT.websocket)) return;
    if (server.wantsToken && !ask.token) return;
    if (server.refusal) return this.shut({ code: server.refusal.code, reason: server.refusal.name, wasClean: true });
    this.#channels = server.starts(ask);
    const cursor = [...this.#channels.values()].join();
    const channels = [...this.#channels.keys()];
    this.say({ type: 'open', client: ask.client || 'q1.sig', cursor, channels, transport: 'websocket', heartbeat: server.heartbeat });
    for (const error of server.refusedErrors(ask.channels)) this.say(error);
    for (const channel of channels) this.deliver(channel);
  }

  say(message) {
    if (this.readyState !== 1) return;
    this.onmessage?.({ data: typeof message === 'object' && !(message instanceof ArrayBuffer) ? JSON.stringify(message) : message });
  }

  deliver(channel) {
    if (this.server.silent.has(PORT.websocket) || !this.#channels.has(channel)) return;
    for (const message of this.server.read(channel, this.#channels.get(channel))) {
      this.#channels.set(channel, message.position);
      this.say(message);
    }
  }

  send(data) {
    if (this.readyState !== 1) throw new Error('send on a WebSocket that is not open');
    this.sent.push(data);
    const request = typeof data === 'string' ? JSON.parse(data) : { ...headOf(data), binary: true };
    setImmediate(() => this.readyState < 3 && !this.server.silent.has(PORT.websocket) && this.#answer(request));
  }

  #answer(request) {
    const { server } = this;
    const { type, id, channel } = request;
    if (!this.allowance.admits()) return this.shut({ code: 4005, reason: 'flooding', wasClean: true });
    if (server.wantsToken && !this.ask.token) this.say({ type: 'error', id, code: 4200, name: 'token_required', message: 'who are you?' });
    else if (type === 'ping') this.say({ type: 'pong', id });
    else if (type === 'token') this.say({ type: 'token', id, user: 'alice', expires: 1 });
    else if (type === 'presence') this.say({ type, id, channel, members: server.members });
    else if (type === 'history') this.say({ ...server.history(request), id });
    else if (type === 'subscribe') this.#subscribe(request);
    else if (type === 'unsubscribe') {
      this.#channels.delete(channel);
      this.say({ type: 'unsubscribed', id, channel });
    } else this.#publish(request);
  }

  #subscribe({ id, channel, since }) {
    const { server } = this;
    if (server.refused.has(channel)) return this.say({ ...server.refusedErrors([channel])[0], id });
    if (this.#channels.has(channel)) return this.say({ type: 'error', id, code: 4310, name: 'already_subscribed', message: 'it is', channel });
    const position = server.startOf(channel, since);
    this.#channels.set(channel, position);
    this.say({ type: 'subscribed', id, channel, position });
    this.deliver(channel);
  }

  #publish({ id, channel, key, data, b64, binary, content_type: type }) {
    const { server } = this;
    server.publications.push({ channel, key, data, type });
    if (server.publishRefusal) return this.say({ type: 'error', id, ...server.publishRefusal, channel });
    const position = server.publish(channel, binary || b64 ? { b64: b64 ?? 'AP8Q' } : { data }, key);
    if (server.loseAnswers-- > 0) return this.break();
    this.say({ type: 'published', id, channel, position });
  }

  close(code = 1005, reason = '') {
    if (this.readyState >= 2) return;
    const wasConnecting = this.readyState === 0;
    this.readyState = 2;
    this.server.streams.delete(this);
    setImmediate(() => this.shut({ code: wasConnecting ? 1006 : code, reason, wasClean: !wasConnecting }));
  }

  break() {
    this.shut({ code: 1006, reason: '', wasClean: false });
  }

  shut({ code, reason, wasClean }) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.streams.delete(this);
    if (!wasClean) this.onerror?.({});
    this.onclose?.({ code, reason, wasClean });
  }
}

function headOf(frame) {
  const length = (frame[0] << 8) | frame[1];
  return JSON.parse(new TextDecoder().decode(frame.slice(2, 2 + length)));
}

class FakeEventStream {
  #channels;
  #controller;

  constructor(server, ask, signal) {
    Object.assign(this, { server, ask });
    const body = new ReadableStream({ start: (controller) => (this.#controller = controller) });
    this.response = new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
    signal.addEventListener('abort', () => this.break());
    server.streams.add(this);
    this.#channels = server.starts(ask);
    const channels = [...this.#channels.keys()];
    this.#write('retry: 700\n\n');
    if (server.refusal) {
      const { status, ...refusal } = server.refusal;
      this.say({ type: 'close', message: 'refused', ...refusal });
      return this.break();
    }
    if (channels.length > 32) {
      this.say({ ...TOO_MANY, type: 'close' });
      return this.break();
    }
    const cursor = [...this.#channels.values()].join();
    this.say({ type: 'open', client: ask.client || 'q1.sig', cursor, channels, transport: 'sse', heartbeat: server.heartbeat });
    for (const error of server.refusedErrors(ask.channels)) this.say(error);
    for (const channel of channels) this.deliver(channel);
  }

  #write(text) {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  say(message) {
    const event = message.type === 'message' ? '' : 'event: control\n';
    this.#write(`${event}data: ${JSON.stringify(message)}\nid: x\n\n`);
  }

  deliver(channel) {
    if (!this.#channels.has(channel)) return;
    for (const message of this.server.read(channel, this.#channels.get(channel))) {
      this.#channels.set(channel, message.position);
      this.say(message);
    }
  }

  break() {
    if (this.server.streams.delete(this)) this.#controller.close();
  }
}

class FakePoll {
  #channels;
  #done;

  constructor(server, ask, wait, signal) {
    Object.assign(this, { server, ask, wait: Number(wait) });
    this.#channels = server.starts(ask);
    signal.addEventListener('abort', () => this.break());
  }

  answer() {
    const batch = this.#batch();
    if (batch.messages.length || !this.wait) return json(batch);
    this.server.streams.add(this);
    const promise = new Promise((resolve, reject) => (this.#done = { resolve, reject }));
    this.timer = this.server.clock.setTimeout(() => this.#finish(() => this.#done.resolve(json(this.#batch()))), 1000 * this.wait);
    return promise;
  }

  #batch() {
    const messages = this.server.refusedErrors(this.ask.channels);
    for (const [channel, since] of this.#channels) {
      for (const message of this.server.read(channel, since)) {
        this.#channels.set(channel, message.position);
        messages.push(message);
      }
    }
    return { type: 'batch', client: this.ask.client || 'q1.sig', messages, cursor: [...this.#channels.values()].join() };
  }

  deliver(channel) {
    if (this.#channels.has(channel)) this.#finish(() => this.#done.resolve(json(this.#batch())));
  }

  break() {
    this.#finish(() => this.#done.reject(new TypeError('broken')));
  }

  #finish(how) {
    if (!this.server.streams.delete(this)) return;
    this.server.clock.clearTimeout(this.timer);
    how();
  }
}
