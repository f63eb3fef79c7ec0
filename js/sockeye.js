// What a page holds: sockeye.d.ts. How it works: README.md.

import { Connection, GONE, LINKS, Requests, SockeyeError, fail } from './sockeye-connection.js';

export { SockeyeError };

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
const { CONNECTING, OPEN, CLOSING, CLOSED } = STATES;
const DEFAULTS = {
  since: 'now', transports: Object.keys(LINKS), binaryType: 'blob', timeout: 5000, requestTimeout: 30000,
  minDelay: 1000, maxDelay: 30000, climbDelay: 30000, pingInterval: 20000, wait: 25, interval: 3000,
  window: globalThis, random: Math.random,
  clock: { now: Date.now, setTimeout: setTimeout.bind(), clearTimeout: clearTimeout.bind() },
};
const URL_CHANNELS = 8;
const SUBSCRIBED_PER_SECOND = 60;

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
  #topics = new Map();
  // Unsubscribed, which the token may grant all the same.
  #left = new Set();
  #state = CONNECTING;
  #shown;
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

  constructor(url = '/stream', options) {
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
    return this.#positions.cursor();
  }

  get rtt() {
    return this.#connection.rtt;
  }

  get bufferedAmount() {
    return this.#dropped + this.#requests.bytes + (this.#connection.link?.socket?.bufferedAmount ?? 0);
  }

  subscribe(channel, handler, { since = this.#settings.since } = {}) {
    if (this.#state > OPEN) fail('InvalidStateError', GONE.message);
    if (!/^[\w\-.:/@#$!+=%]{1,255}$/.test(channel)) fail('SyntaxError', `'${channel}' is no channel's name`);
    const subscription = new Subscription(channel, (one) => this.#leave(one));
    if (handler) subscription.addEventListener('message', (event) => handler(event));
    if (!this.#topics.has(channel)) {
      this.#settle(since === 'start' ? `${channel}~0.0` : since, (name) => name === channel);
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
    if (!channel) fail('InvalidStateError', 'send needs options.channel');
    this.#request({ type: 'publish', channel, key: newKey() }, body).catch((error) => {
      if (this.#state === OPEN) this.#emit('error', { error }, channel);
    });
  }

  close(code, reason = '') {
    if (!/^(undefined|1000|[34]\d{3})$/.test(code)) fail('InvalidAccessError', 'a close code is 1000 or 3000 to 4999');
    if (sizeOf(reason) > 123) fail('SyntaxError', 'the reason is too long');
    if (this.#state > OPEN) return;
    this.#requests.pump(Infinity);
    this.#state = CLOSING;
    this.#connection.close(code, reason).then((end) => this.#end(end));
  }

  #sync() {
    queueMicrotask(() => {
      const { link } = this.#connection;
      if (this.#state > OPEN) return;
      if (link) this.#align(link);
      else if (this.#topics.size) this.#connection.start();
    });
  }

  #align(link) {
    const { channels } = link;
    const leaving = [...channels.keys()].filter((channel) => channels.get(channel) === 'leaving');
    const isMissing = (channel) => [undefined, 'leaving', 'left'].includes(channels.get(channel));
    const missing = [...this.#topics.keys()].filter(isMissing).slice(0, SUBSCRIBED_PER_SECOND);
    if (!link.send) {
      if (leaving.length || missing.length) this.#connection.open(link.name);
      return;
    }
    for (const channel of leaving) {
      link.send({ type: 'unsubscribe', channel });
      channels.set(channel, 'left');
    }
    for (const channel of missing) {
      const since = this.#positions.cursor((name) => name === channel) || 'now';
      channels.set(channel, link.send({ type: 'subscribe', channel, since }));
    }
    if (missing.length === SUBSCRIBED_PER_SECOND) this.#settings.clock.setTimeout(() => this.#sync(), 1000);
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

  #gap({ type, ...gap }) {
    const before = this.#positions.get(gap.channel);
    if (!this.#positions.advance(gap.position)) return;
    // From before everything.
    if (before?.epoch === '0' && gap.reason === 'epoch') return;
    if (before?.epoch === this.#positions.get(gap.channel).epoch && gap.from <= before.offset) gap.from = before.offset + 1;
    this.#emit(type, gap, gap.channel);
  }

  #subscribed({ channels }, { id, channel, position }) {
    if (!id || channels.get(channel) !== id) return;
    channels.set(channel, 'on');
    this.#settle(position);
  }

  #settle(cursor, isWanted = () => true) {
    this.#positions.merge(cursor, (channel) => isWanted(channel) && !this.#positions.has(channel));
  }

  #failed({ channels }, error) {
    const { code, channel } = error;
    if (code === 4309) return;
    if (channels.has(channel)) channels.set(channel, code === 4310 ? 'on' : 'refused');
    if (code !== 4310) this.#emit('error', { error: new SockeyeError(error) }, channel);
  }

  #decoded({ b64, bytes, ...message }) {
    if (b64 !== undefined) bytes = Uint8Array.from(atob(b64), (char) => char.charCodeAt(0));
    if (bytes) message.data = this.binaryType === 'blob' ? new Blob([bytes], { type: message.meta.type }) : bytes.buffer;
    return message;
  }

  async #request(head, body) {
    if (this.#state > OPEN) throw new SockeyeError(GONE);
    return this.#requests.add(head, body);
  }

  #show(transport, { code = 0, message: reason = '' } = {}, delay = 0) {
    if (transport && transport === this.#shown) return;
    this.#shown = transport;
    this.#emit('transport', { transport, code, reason, delay });
  }

  #end({ code = 1006, message = '', clean = false } = {}) {
    this.#state = CLOSED;
    this.#requests.stop();
    if (!clean) this.#emit('error', { error: new SockeyeError({ name: 'closed', message }) });
    this.#emit('close', { code, reason: message, wasClean: clean });
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
  cursor(isWanted = () => true) {
    return [...this.values()].filter(({ channel }) => isWanted(channel)).map(({ text }) => text).join();
  }

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

function placesOf(cursor = '') {
  return cursor.split(',').filter((text) => !/^(start|now)?$/.test(text)).map((text) => {
    const [, channel, epoch, offset] = /^([^~]+)~(\w+)\.(\d+)$/.exec(text) ?? fail('SyntaxError', `'${text}' is no position`);
    return { text, channel, epoch, offset: Number(offset) };
  });
}

function settingsOf(url, options) {
  const settings = { ...DEFAULTS, WebSocket: globalThis.WebSocket, fetch, ...options };
  const { document, location } = settings.window;
  const base = document?.baseURI ?? location?.href;
  const href = URL.canParse(url, base) && new URL(url, base).href;
  if (!/^(http|ws)s?:[^#]*$/.test(href)) fail('SyntaxError', `'${url}' is no http or ws URL without fragment`);
  return { ...settings, url: new URL(href.replace(/^ws/, 'http')) };
}

function isBinary(data) {
  return data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

function sizeOf(text) {
  return new Blob([text]).size;
}

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
  if (!isText && !isJson) throw new TypeError(`the payload is not ${type ?? 'JSON'}`);
  return { text, plain: isText ? data : text, size: sizeOf(text), type };
}

// `crypto.randomUUID` is missing on pages without TLS.
function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}
