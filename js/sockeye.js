// The browser client of the Sockeye push server. It speaks docs/protocol.md; README.md says how it is used.
//
//   Sockeye      what a page holds: channels, events, the rules of the browser's WebSocket
//   Positions    how far the client has read, by channel
//
// The connection beneath is in sockeye-connection.js.
//
// A link's `channels` says how a channel stands on it: asked, on, refused, leaving (to be left), left. What comes for one
// that is asked, leaving or left belongs to an earlier subscription and is dropped.

import { Connection, GONE, Requests, SockeyeError, fail } from './sockeye-connection.js';

export { SockeyeError };

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
const { CONNECTING, OPEN, CLOSING, CLOSED } = STATES;
const DEFAULTS = {
  since: 'now', transports: ['websocket', 'sse', 'long_poll', 'poll'], binaryType: 'blob', timeout: 5000, requestTimeout: 30000,
  minDelay: 1000, maxDelay: 30000, climbDelay: 30000, pingInterval: 20000, wait: 25, interval: 3000,
};
/** Channels in a WebSocket's URL, which proxies want short; further ones are subscribed by message. */
const URL_CHANNELS = 8;
/** The epoch of the position before everything, `channel~0.0`. */
const START = '0';

export class Subscription extends EventTarget {
  constructor(channel, unsubscribe) {
    super();
    this.channel = channel;
    this.unsubscribe = () => unsubscribe(this);
  }
}

export class Sockeye extends EventTarget {
  #settings;
  #connection;
  #requests;
  #positions = new Positions();
  // Channel -> its subscriptions.
  #topics = new Map();
  // Unsubscribed channels, which the token may grant all the same.
  #left = new Set();
  #state = CONNECTING;
  // The transport that the last event named.
  #shown;
  // Bytes given to `send` after the end.
  #dropped = 0;
  #on = {};

  static {
    Object.assign(this, STATES);
    Object.assign(this.prototype, STATES);
    for (const type of ['open', 'message', 'close', 'error', 'gap', 'join', 'leave', 'transport']) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get() {
          return this.#on[type] ?? null;
        },
        set(handler) {
          if (!(type in this.#on)) this.addEventListener(type, (event) => this.#on[type]?.call(this, event));
          this.#on[type] = typeof handler === 'function' ? handler : null;
        },
      });
    }
  }

  constructor(url = '/stream', options = {}) {
    super();
    this.#settings = settingsOf(url, options);
    this.binaryType = this.#settings.binaryType;
    this.#positions.merge(this.#settings.since);
    this.#connection = new Connection(this.#settings, {
      ask: (name) => this.#ask(name),
      opened: (link, message) => this.#opened(link, message),
      received: (link, message) => this.#received(link, message),
      down: (end, delay) => {
        this.#requests.lost(end);
        this.#show(null, end, delay);
      },
      stopped: (end) => this.#end(end),
      sync: () => this.#sync(),
    });
    this.#requests = new Requests(this.#settings, this.#connection);
    if (this.#settings.token) queueMicrotask(() => this.#connection.start());
  }

  get url() {
    return this.#settings.url.href;
  }

  get readyState() {
    return this.#state;
  }

  get transport() {
    return this.#connection.link?.name ?? null;
  }

  get transports() {
    return [...this.#connection.transports];
  }

  set transports(names) {
    this.#connection.use(names);
  }

  get client() {
    return this.#requests.client.split('.')[0];
  }

  get cursor() {
    return this.#positions.cursor(() => true);
  }

  get rtt() {
    return this.#connection.rtt;
  }

  get bufferedAmount() {
    return this.#dropped + this.#requests.bytes + (this.#connection.link?.bufferedAmount ?? 0);
  }

  subscribe(channel, handler, { since = this.#settings.since } = {}) {
    if (this.#state > OPEN) fail('InvalidStateError', 'the client is closed');
    if (!/^[\w\-.:/@#$!+=%]{1,255}$/.test(channel)) fail('SyntaxError', `'${channel}' is no channel's name`);
    const subscription = new Subscription(channel, (one) => this.#leave(one));
    if (handler) subscription.addEventListener('message', (event) => handler(event));
    if (!this.#topics.has(channel)) {
      this.#settle(since === 'start' ? `${channel}~${START}.0` : since, (name) => name === channel);
      this.#topics.set(channel, new Set());
      this.#left.delete(channel);
      this.#sync();
    }
    this.#topics.get(channel).add(subscription);
    return subscription;
  }

  async publish(channel, data, { key = newKey(), fields, contentType } = {}) {
    const body = bodyOf(data, contentType);
    return (await this.#request({ type: 'publish', channel, key, fields, content_type: body.type }, body)).position;
  }

  async presence(channel) {
    return (await this.#request({ type: 'presence', channel })).members;
  }

  async history(channel, { limit, reverse, since } = {}) {
    const { messages, position } = await this.#request({ type: 'history', channel, limit, reverse, since });
    return { messages: messages.map((message) => this.#decoded(message)), position };
  }

  send(data) {
    if (this.#state === CONNECTING) fail('InvalidStateError', 'still connecting');
    const body = bodyOf(isBinary(data) ? data : String(data));
    if (this.#state > OPEN) {
      this.#dropped += body.size;
      return;
    }
    const [only, ...others] = this.#topics.keys();
    const channel = this.#settings.channel ?? (others.length ? undefined : only);
    if (channel === undefined) fail('InvalidStateError', 'send needs options.channel');
    this.#request({ type: 'publish', channel, key: newKey() }, body).catch((error) => {
      if (this.#state === OPEN) this.#emit('error', { error }, channel);
    });
  }

  close(code, reason = '') {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code < 5000)) {
      fail('InvalidAccessError', 'a close code is 1000 or 3000 to 4999');
    }
    if (sizeOf(reason) > 123) fail('SyntaxError', 'the reason has over 123 bytes');
    if (this.#state > OPEN) return;
    const wasOpen = this.#state === OPEN;
    this.#requests.pump(Infinity);
    this.#state = CLOSING;
    this.#connection.close(code, reason).then((end) => this.#end(wasOpen ? end : {}));
  }

  /** Gives the link the channels that the page follows, once the page's task is done. */
  #sync() {
    queueMicrotask(() => {
      const { link } = this.#connection;
      if (this.#state > OPEN) return;
      if (link) this.#align(link);
      else if (this.#topics.size) this.#connection.start();
    });
  }

  #align(link) {
    const isLeaving = (channel) => link.channels.get(channel) === 'leaving';
    const leaving = [...link.channels.keys()].filter(isLeaving);
    const missing = [...this.#topics.keys()].filter((channel) => !['asked', 'on', 'refused'].includes(link.channels.get(channel)));
    if (!link.send) {
      if (leaving.length || missing.length) this.#connection.open(link.name);
      return;
    }
    for (const channel of leaving) {
      link.send({ type: 'unsubscribe', channel });
      link.channels.set(channel, 'left');
    }
    for (const channel of missing) {
      const since = this.#positions.cursor((name) => name === channel) || 'now';
      link.asked.set(channel, link.send({ type: 'subscribe', channel, since }));
      link.channels.set(channel, 'asked');
    }
  }

  #leave(subscription) {
    const { channel } = subscription;
    const subscriptions = this.#topics.get(channel);
    if (!subscriptions?.delete(subscription) || subscriptions.size) return;
    this.#topics.delete(channel);
    this.#positions.delete(channel);
    this.#left.add(channel);
    for (const { channels } of this.#connection.links()) if (channels.has(channel)) channels.set(channel, 'leaving');
    this.#sync();
  }

  /** What a new link asks for. */
  #ask(name) {
    const channels = [...this.#topics.keys()].slice(0, name === 'websocket' ? URL_CHANNELS : undefined);
    const since = this.#positions.cursor((channel) => channels.includes(channel) || !this.#topics.has(channel));
    return { channels, client: this.#requests.client, since: since || 'now' };
  }

  #opened(link, message) {
    this.#requests.client = message.client;
    for (const channel of message.channels) {
      if (link.channels.get(channel) !== 'leaving') link.channels.set(channel, this.#left.has(channel) ? 'left' : 'on');
    }
    this.#settle(message.cursor, (channel) => this.#accepts(link, channel));
    this.#requests.lost();
    if (this.#state === CONNECTING) {
      this.#state = OPEN;
      this.#emit('open');
    }
    this.#show(link.name);
    this.#sync();
    this.#requests.pump();
  }

  #received(link, message) {
    if (this.#state > OPEN || this.#requests.answered(message)) return;
    const { type, channel, ...fields } = message;
    if (type === 'error') this.#failed(link, message);
    else if (type === 'batch') this.#positions.merge(message.cursor, (name) => this.#accepts(link, name));
    else if (type === 'subscribed') this.#subscribed(link, message);
    else if (!this.#accepts(link, channel)) return;
    else if (type === 'message') this.#publication(message);
    else if (type === 'gap') this.#gap(message);
    else if (type === 'join' || type === 'leave') this.#emit(type, { channel, ...fields }, channel);
  }

  #accepts(link, channel) {
    const state = link.channels.get(channel);
    return state === 'on' || state === 'refused' || (!state && !this.#left.has(channel));
  }

  #publication(message) {
    if (!this.#positions.advance(message.position)) return;
    const { type, ...fields } = this.#decoded(message);
    this.#emit(type, { ...fields, origin: this.#settings.url.origin, lastEventId: fields.position }, fields.channel);
  }

  /** Tells of a gap, without what an earlier link has brought. */
  #gap({ type, ...gap }) {
    const before = this.#positions.get(gap.channel);
    if (!this.#positions.advance(gap.position)) return;
    if (before?.epoch === START && gap.reason === 'epoch') return;
    if (before?.epoch === this.#positions.get(gap.channel).epoch && gap.from <= before.offset) gap.from = before.offset + 1;
    this.#emit(type, gap, gap.channel);
  }

  #subscribed(link, { id, channel, position }) {
    if (link.asked.get(channel) !== id || link.channels.get(channel) !== 'asked') return;
    link.channels.set(channel, 'on');
    this.#settle(position, () => true);
  }

  /** Notes where channels start that have no position yet. */
  #settle(cursor, isWanted) {
    this.#positions.merge(cursor, (channel) => isWanted(channel) && !this.#positions.has(channel));
  }

  #failed(link, { code, name, message, channel }) {
    // It was to be left anyway.
    if (code === 4309) return;
    if (link.channels.has(channel)) link.channels.set(channel, code === 4310 ? 'on' : 'refused');
    if (code !== 4310) this.#emit('error', { error: new SockeyeError({ code, name, reason: message, channel }) }, channel);
  }

  /** The message with its payload as the page wants it. */
  #decoded({ b64, bytes, ...message }) {
    if (b64 !== undefined) bytes = Uint8Array.from(atob(b64), (char) => char.charCodeAt(0));
    if (bytes) message.data = this.binaryType === 'blob' ? new Blob([bytes], { type: message.meta.type }) : bytes.buffer;
    return message;
  }

  async #request(head, body) {
    if (this.#state > OPEN) throw new SockeyeError(GONE);
    return this.#requests.add(head, body);
  }

  #show(transport, { code = 0, reason = '' } = {}, delay = 0) {
    if (transport && transport === this.#shown) return;
    this.#shown = transport;
    this.#emit('transport', { transport, code, reason, delay });
  }

  #end({ code = 1006, reason = '', clean = false }) {
    this.#state = CLOSED;
    this.#requests.stop();
    if (!clean) this.#emit('error', { error: new SockeyeError({ name: 'closed', reason }) });
    this.#emit('close', { code, reason, wasClean: clean });
  }

  #emit(type, fields, channel) {
    for (const target of [...(this.#topics.get(channel) ?? []), this]) {
      // A handler may have closed the client or unsubscribed another one.
      if (this.#state === CLOSING) return;
      if (target === this || this.#topics.get(channel)?.has(target)) target.dispatchEvent(Object.assign(new Event(type), fields));
    }
  }
}

class Positions extends Map {
  cursor(isWanted) {
    return [...this.values()].filter(({ channel }) => isWanted(channel)).map(({ text }) => text).join();
  }

  /** Moves to a position; false if it has been read already. */
  advance(position) {
    const [place] = placesOf(position);
    const last = this.get(place.channel);
    if (last?.epoch === place.epoch && place.offset <= last.offset) return false;
    this.set(place.channel, place);
    return true;
  }

  merge(cursor, isWanted = () => true) {
    for (const { channel, text } of placesOf(cursor)) if (isWanted(channel)) this.advance(text);
  }
}

/** The positions of a cursor; none of `start` and `now`. */
function placesOf(cursor = '') {
  return cursor.split(',').filter((text) => !/^(start|now)?$/.test(text)).map((text) => {
    const [, channel, epoch, offset] = /^([^~]+)~(\w+)\.(\d+)$/.exec(text) ?? fail('SyntaxError', `'${text}' is no position`);
    return { text, channel, epoch, offset: Number(offset) };
  });
}

function settingsOf(url, options) {
  const { WebSocket, fetch } = globalThis;
  const settings = { ...DEFAULTS, WebSocket, fetch, window: globalThis, random: Math.random, clock: systemClock, ...options };
  settings.url = urlOf(url, settings.window);
  return settings;
}

const systemClock = {
  now: Date.now,
  setTimeout: setTimeout.bind(globalThis),
  clearTimeout: clearTimeout.bind(globalThis),
};

function urlOf(url, { document, location }) {
  const base = document?.baseURI ?? location?.href;
  const href = URL.canParse(url, base) ? new URL(url, base).href : '';
  if (!/^(http|ws)s?:[^#]*$/.test(href)) fail('SyntaxError', `'${url}' is no http or ws URL, or has a fragment`);
  return new URL(href.replace(/^ws/, 'http'));
}

function isBinary(data) {
  return data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

function sizeOf(text) {
  return new Blob([text]).size;
}

/** A copy of the payload as it is now: { text } of JSON, and { plain } what HTTP sends, { bytes }, or a { blob } whose bytes
 * come later; and its size and type. */
function bodyOf(data, type) {
  if (data instanceof Blob) return { blob: data, size: data.size, type: (type ?? data.type) || undefined };
  if (isBinary(data)) {
    const { buffer = data, byteOffset, byteLength } = data;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
    return { bytes, size: bytes.length, type };
  }
  const text = JSON.stringify(data);
  const isText = typeof data === 'string' && /^text\//i.test(type);
  const isJson = text && /^(application\/|[^;]*\+)json *(;|$)/i.test(type ?? 'application/json');
  if (!isText && !isJson) throw new TypeError(`the payload is no JSON value, or not ${type}`);
  return { text, plain: isText ? data : text, size: sizeOf(text), type };
}

/** 128 random bits; `crypto.randomUUID` is missing on pages without TLS. */
function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}
