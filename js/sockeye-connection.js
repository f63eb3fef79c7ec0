// What keeps the client connected.
//
//   Connection   keeps a link open: over which transport, when again, from one link to another without loss
//   …Link        a WebSocket, an event stream, a sequence of polls. Each tells its connection `received(link, message)` for
//                every envelope, `open` first, and `ended(link, end)`; an end has { code, reason, clean, retry }, all optional

/** Attempts that a transport has which worked before, until another one is tried. */
const PATIENCE = 3;
/** The code of a link that asked for no channel: there is nothing to do until the page subscribes to one. */
const NO_CHANNEL = 4103;
/** Messages of a batch. */
const BATCH = 1000;

/** Keeps one link open, and at most one more, the attempt, that is to take its place. */
export class Connection {
  link = null;
  isIdle = true;
  rtt;
  #settings;
  #owner;
  #attempt; // { name, isClimb, link }
  #token;
  #tokenTries = 0;
  #failures = 0; // in a row, of any transport: what the delay grows by
  #tries = 0; // in a row, of this transport
  #last; // the transport that worked last
  #worked = new Set();
  #blocked = new Set();
  #climbDelay;
  #timers = {};
  #wake = () => this.#settings.window.document?.visibilityState !== 'hidden' && this.#woke();

  constructor(settings, owner) {
    this.#settings = settings;
    this.#owner = owner;
    this.#climbDelay = settings.climbDelay;
    for (const name of ['attempt', 'retry', 'silence', 'climb', 'token', 'ping']) this.#timers[name] = new Timer(settings.clock);
    this.#select(settings.transports);
    this.#listen('addEventListener');
  }

  links() {
    return [this.link, this.#attempt?.link].filter(Boolean);
  }

  start() {
    if (!this.isIdle) return;
    this.isIdle = false;
    this.open(this.#first());
  }

  use(names) {
    this.#select(names);
    this.#blocked.clear();
    if (this.#attempt?.isClimb) this.#abandon();
    if (this.link) this.#climb();
    else if (!this.isIdle) this.open(this.#first());
  }

  /** Resolves with how it ended. */
  async close(code, reason) {
    const { link } = this;
    this.#halt();
    return link ? link.close(code, reason) : {};
  }

  token() {
    const { token } = this.#settings;
    this.#token ??= (async () => (typeof token === 'function' ? token() : token))().catch((error) => {
      this.#token = undefined;
      throw { code: 4004, reason: `no token: ${error.message}` };
    });
    return this.#token;
  }

  /** Forgets the token; false if there is no other. */
  renew() {
    this.#token = undefined;
    return typeof this.#settings.token === 'function';
  }

  received(link, message) {
    const isAttempt = link === this.#attempt?.link;
    if (!isAttempt && link !== this.link) return;
    link.heard = this.#settings.clock.now();
    if (message.type === 'close') this.ended(link, { ...message, reason: message.message, clean: true });
    else if (isAttempt) message.type === 'open' && this.#promote(link, message);
    else if (message.type === 'pong') this.rtt = link.heard - link.pinged;
    else this.#owner.received(link, message);
  }

  ended(link, end) {
    link.close();
    if (link === this.#attempt?.link) this.#missed(end);
    if (link !== this.link) return;
    this.#drop();
    if (this.#settings.clock.now() - link.opened >= this.#settings.timeout) {
      this.#failures = this.#tries = 0;
      if (link.name === this.transports[0]) this.#climbDelay = this.#settings.climbDelay;
    }
    if (!this.#attempt || verdictOf(end) === 'stop') return this.#again(link.name, end);
    this.#attempt.isClimb = false;
    this.#owner.down(end, 0);
  }

  /** Opens a link; the one in use stays until the new one can take its place. */
  async open(name, isClimb) {
    this.#abandon();
    this.#timers.retry.clear();
    const attempt = (this.#attempt = { name, isClimb });
    try {
      const token = await this.token();
      if (attempt !== this.#attempt) return;
      const link = (attempt.link = new LINKS[name](name, { ...this.#owner.ask(name), token }, this.#settings, this));
      this.#timers.attempt.set(this.#settings.timeout, () => this.ended(link, { reason: 'no answer in time' }));
      link.run();
    } catch (error) {
      if (attempt === this.#attempt) this.#missed({ reason: error.message, ...error });
    }
  }

  #promote(link, message) {
    const old = this.link;
    this.#attempt = undefined;
    this.#timers.attempt.clear();
    this.#drop();
    this.link = link;
    old?.close();
    link.opened = link.heard;
    link.limit = 2000 * message.heartbeat;
    this.#last = link.name;
    this.#tokenTries = 0;
    this.#worked.add(link.name);
    this.#blocked.clear();
    this.#watch(link);
    this.#climbLater();
    this.#refreshLater(link.ask.token);
    if (link.send) this.#ping(link);
    this.#owner.opened(link, message);
  }

  /** The attempt has failed. */
  #missed(end) {
    const { name, isClimb } = this.#attempt;
    this.#abandon();
    if (isClimb) return this.#climb(name);
    this.link?.close();
    this.#drop();
    this.#again(name, end);
  }

  /** Whether, when and how to connect after a link has ended. */
  #again(name, end) {
    const verdict = verdictOf(end);
    if (!this.transports.includes(name)) name = this.#first();
    if (end.code === NO_CHANNEL && !this.#owner.hasChannels()) {
      this.isIdle = true;
      return this.#owner.down(end, Infinity);
    }
    if (verdict === 'stop' || (verdict === 'token' && !this.renew())) {
      this.#halt();
      return this.#owner.stopped(end);
    }
    let delay;
    if (verdict === 'token') delay = this.#tokenTries++ ? this.#backoff() : 0;
    else if (verdict === 'reconnect') delay = end.retry ?? this.#backoff();
    else [name, delay] = this.#next(name, end);
    this.#timers.retry.set(delay, () => this.open(name));
    this.#owner.down(end, delay);
  }

  /** The transport to try when nobody knows whether the last one or the server is to blame. */
  #next(name, { retry }) {
    if (++this.#tries >= (this.#worked.has(name) ? PATIENCE : 1)) {
      this.#tries = 0;
      this.#blocked.add(name);
      const other = this.transports.find((one) => !this.#blocked.has(one));
      if (other) return [other, 0];
      this.#blocked.clear();
      name = this.#first();
    }
    return [name, retry ?? this.#backoff()];
  }

  #select(names) {
    this.transports = names.filter((name) => LINKS[name] && (name !== 'websocket' || this.#settings.WebSocket));
    if (!this.transports.length) throw new DOMException('no transport can be used here', 'NotSupportedError');
  }

  #first() {
    return this.transports.includes(this.#last) ? this.#last : this.transports[0];
  }

  #backoff() {
    return backoff(this.#settings, this.#failures++);
  }

  #abandon() {
    this.#attempt?.link?.close();
    this.#attempt = undefined;
    this.#timers.attempt.clear();
  }

  /** The link is no longer in use. */
  #drop() {
    this.link = null;
    for (const name of ['silence', 'climb', 'token', 'ping']) this.#timers[name].clear();
  }

  #halt() {
    this.#abandon();
    this.#drop();
    this.#timers.retry.clear();
    this.#listen('removeEventListener');
  }

  #listen(method) {
    const { window } = this.#settings;
    window[method]?.('online', this.#wake);
    window.document?.[method]('visibilitychange', this.#wake);
  }

  /** Ends a link that has been silent for too long. */
  #watch(link) {
    const wait = link.heard + link.limit - this.#settings.clock.now();
    if (wait <= 0) this.ended(link, { reason: 'silent for too long' });
    else if (wait) this.#timers.silence.set(wait, () => this.#watch(link));
  }

  #better() {
    const rank = this.transports.indexOf(this.link.name);
    return rank < 0 ? this.transports : this.transports.slice(0, rank);
  }

  #climbLater() {
    if (!this.#better().length) return;
    const delay = this.#climbDelay * (0.75 + this.#settings.random() / 2);
    this.#timers.climb.set(delay, () => (this.#attempt ? this.#climbLater() : this.#climb()));
  }

  /** Tries the better transports in turn while the link goes on. */
  #climb(after) {
    const better = this.#better();
    const name = better[better.indexOf(after) + 1];
    if (name) return this.open(name, 'climb');
    this.#climbDelay = Math.min(2 * this.#climbDelay, 20 * this.#settings.climbDelay);
    this.#climbLater();
    this.#owner.sync(); // the attempt may have taken the place of one for other channels
  }

  /** Gets a new token before this one expires. */
  #refreshLater(token) {
    const left = expiryOf(token) - this.#settings.clock.now();
    if (typeof this.#settings.token !== 'function' || !(left > 0)) return;
    this.#timers.token.set(Math.min(0.9 * left, 2 ** 31 - 1), async () => {
      const { link } = this;
      this.renew();
      const fresh = await this.token().catch(() => {});
      if (!fresh || link !== this.link) return;
      if (!link.send) return this.open(link.name);
      link.send({ type: 'token', token: fresh });
      this.#refreshLater(fresh);
    });
  }

  #ping(link) {
    link.pinged = this.#settings.clock.now();
    link.send({ type: 'ping' });
    if (this.#settings.pingInterval) this.#timers.ping.set(this.#settings.pingInterval, () => this.#ping(link));
  }

  /** The page is seen again, or the network is back. */
  #woke() {
    const { link } = this;
    if (this.#timers.retry.isSet) return this.#timers.retry.fire();
    if (link?.send) {
      this.#ping(link);
      link.heard = this.#settings.clock.now() + this.#settings.timeout - link.limit; // an answer is due soon
      this.#watch(link);
    }
    if (link && !this.#attempt && this.#better().length) this.#climb();
  }
}

/** What an end asks for; docs/protocol.md section 8. */
function verdictOf({ code = 0 }) {
  if (code === NO_CHANNEL) return 'reconnect'; // the page has subscribed to one meanwhile
  const byHundred = { 40: 'reconnect', 41: 'stop', 42: 'token', 43: 'stop' };
  return byHundred[Math.floor(code / 100)] ?? ([1002, 1003, 1007, 1009, 1010].includes(code) ? 'stop' : 'unknown');
}

/** When a token expires, in milliseconds since 1970; NaN if it does not say. */
function expiryOf(token) {
  try {
    return 1000 * JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).exp;
  } catch {
    return NaN;
  }
}

class Link {
  heard = 0;

  /** `ask` has the channels, since, client and token. */
  constructor(name, ask, settings, owner) {
    Object.assign(this, { name, ask, settings, owner });
    this.channels = new Map(ask.channels.map((channel) => [channel, 'asked']));
  }

  address(query = {}) {
    const { channels, since, client } = this.ask;
    const channel = channels.filter((one) => this.channels.get(one) !== 'refused');
    return addressOf(this.settings.url, { channel, since, client, ...query });
  }

  /** Hands over what `read` yields; what cannot be read ends the link. */
  take(read) {
    try {
      this.owner.received(this, read());
    } catch (error) {
      this.owner.ended(this, { reason: `not the protocol: ${error.message}` });
    }
  }
}

/** The token travels as a subprotocol entry: unlike a parameter it stands in no proxy's log, and unlike a first message
 * it is there before the channels of the URL are looked at. */
class WebSocketLink extends Link {
  asked = new Map(); // channel -> id of its `subscribe`
  #socket;
  #id = 0;

  run() {
    const { token } = this.ask;
    const protocols = ['sockeye.bin.v1', 'sockeye.json.v1', ...(token ? [`sockeye.token.${token}`] : [])];
    const socket = (this.#socket = new this.settings.WebSocket(this.address().replace(/^http/, 'ws'), protocols));
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => this.take(() => (typeof data === 'string' ? JSON.parse(data) : decodeFrame(data)));
    socket.onerror = () => {}; // a close follows
    socket.onclose = ({ code, reason, wasClean }) => this.owner.ended(this, { code, reason, clean: wasClean });
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  /** Sends a request and returns its id. */
  send({ type, ...fields }, { text, bytes } = {}) {
    const head = { type, id: ++this.#id, ...fields };
    if (bytes && this.#socket.protocol === 'sockeye.bin.v1') this.#socket.send(encodeFrame(head, bytes));
    else {
      const payload = bytes ? `,"b64":"${base64(bytes)}"}` : text === undefined ? '}' : `,"data":${text}}`;
      this.#socket.send(JSON.stringify(head).slice(0, -1) + payload);
    }
    return head.id;
  }

  close(code, reason) {
    const socket = this.#socket;
    if (!socket) return undefined;
    socket.onmessage = null;
    return new Promise((resolve) => {
      socket.onclose = (event) => resolve({ code: event.code, reason: event.reason, clean: event.wasClean });
      if (code === undefined) socket.close();
      else socket.close(code, reason);
    });
  }
}

/** Over fetch and not EventSource: that cannot send the token in a header, hides why it failed, and gives up at a proxy's 502. */
class EventStreamLink extends Link {
  #abort = new AbortController();

  async run() {
    const { settings, owner, ask } = this;
    const started = settings.clock.now();
    const init = { token: ask.token, headers: { accept: 'text/event-stream' }, signal: this.#abort.signal };
    const parser = new EventStreamParser((data) => this.take(() => JSON.parse(data)));
    try {
      const response = await http(settings, this.address(), init);
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) throw { reason: 'the answer is no event stream' };
      owner.rtt = settings.clock.now() - started;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let part; !(part = await reader.read()).done; ) parser.push(decoder.decode(part.value, { stream: true }));
      throw { reason: 'the stream has ended' };
    } catch (end) {
      owner.ended(this, { retry: parser.retry, reason: end.message, ...end });
    }
  }

  close(code = 1005, reason = '') {
    this.#abort.abort();
    return Promise.resolve({ code, reason, clean: true });
  }
}

export class EventStreamParser {
  retry;
  #rest = '';
  #data = [];
  #onData;

  constructor(onData) {
    this.#onData = onData;
  }

  push(text) {
    // A CR at the end may be half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === 'data') this.#data.push(value);
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    else if (line === '' && this.#data.length) this.#onData(this.#data.splice(0).join('\n'));
  }
}

/** Long polling and polling. The first poll never waits: it shows that this way is open. */
class BatchLink extends Link {
  #abort;
  #timer;
  #isClosed = false;

  async run() {
    const { settings, owner, ask } = this;
    const isLong = this.name === 'long_poll';
    try {
      for (let isFirst = true; !this.#isClosed; isFirst = false) {
        const { client, cursor, messages } = await this.poll(isLong ? (isFirst ? 0 : settings.wait) : undefined);
        if (isFirst && messages[0]?.type !== 'close') this.take(() => ({ type: 'open', client, channels: ask.channels }));
        for (const message of [...messages, { type: 'batch', cursor }]) this.take(() => message);
        Object.assign(ask, { since: cursor, client });
        if (this.#isClosed || isLong || messages.length === BATCH) continue;
        await new Promise((resolve) => this.#timer.set(settings.interval, resolve));
      }
    } catch (end) {
      owner.ended(this, { reason: end.message, ...end });
    }
  }

  /** One poll, of `wait` seconds, or a plain one. */
  async poll(wait) {
    const { settings } = this;
    const started = settings.clock.now();
    this.#abort = new AbortController();
    this.#timer = new Timer(settings.clock);
    this.#timer.set(settings.timeout + 1000 * (wait ?? 0), () => this.#abort.abort());
    try {
      const init = { token: this.ask.token, signal: this.#abort.signal };
      const batch = await (await http(settings, this.address({ wait, limit: BATCH }), init)).json();
      if (batch?.type !== 'batch') throw { reason: 'the answer is no batch' };
      if (!wait) this.owner.rtt = settings.clock.now() - started;
      return batch;
    } finally {
      this.#timer.clear();
    }
  }

  close(code = 1005, reason = '') {
    this.#isClosed = true;
    this.#abort?.abort();
    this.#timer?.clear();
    return Promise.resolve({ code, reason, clean: true });
  }
}

/** A binary message of `sockeye.bin.v1`: the header's length, the header, the payload. */
function encodeFrame(head, bytes) {
  const header = new TextEncoder().encode(JSON.stringify(head));
  const frame = new Uint8Array(2 + header.length + bytes.length);
  new DataView(frame.buffer).setUint16(0, header.length);
  frame.set(header, 2);
  frame.set(bytes, 2 + header.length);
  return frame;
}

function decodeFrame(frame) {
  const end = 2 + new DataView(frame).getUint16(0);
  return { ...JSON.parse(new TextDecoder().decode(frame.slice(2, end))), bytes: new Uint8Array(frame.slice(end)) };
}

function base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

const LINKS = { websocket: WebSocketLink, sse: EventStreamLink, long_poll: BatchLink, poll: BatchLink };

/** The stream's address, or with `path` one beside it. Lists are repeated, what is undefined or empty left out. */
export function addressOf(base, query, path) {
  const url = new URL(base);
  if (path) url.pathname = url.pathname.replace(/[^/]*$/, path);
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) url.searchParams.append(name, one);
    else if (value !== undefined && value !== '') url.searchParams.set(name, value);
  }
  return url.href;
}

export async function http(settings, url, { token, headers, ...init }) {
  const response = await settings.fetch(url, {
    ...init,
    headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
    credentials: settings.withCredentials ? 'include' : 'same-origin',
    cache: 'no-store',
  }).catch((error) => {
    throw { reason: error.message };
  });
  if (response.ok && response.status !== 204) return response;
  throw await refusalOf(response);
}

async function refusalOf(response) {
  if (response.status === 204) return { code: 4100, reason: 'HTTP status 204', clean: true };
  const retry = 1000 * response.headers.get('retry-after') || undefined;
  const error = await response.json().catch(() => undefined);
  if (error?.type !== 'error') return { reason: `HTTP status ${response.status}`, retry };
  return { ...error, reason: error.message, retry, clean: true };
}

export class Timer {
  #clock;
  #handle;
  #callback;

  constructor(clock) {
    this.#clock = clock;
  }

  get isSet() {
    return this.#callback !== undefined;
  }

  set(milliseconds, callback) {
    this.clear();
    this.#callback = callback;
    this.#handle = this.#clock.setTimeout(() => this.fire(), milliseconds);
  }

  clear() {
    if (this.isSet) this.#clock.clearTimeout(this.#handle);
    this.#callback = undefined;
  }

  /** Does now what was to be done later. */
  fire() {
    const callback = this.#callback;
    this.clear();
    callback();
  }
}

/** A random delay below a bound that doubles with each failure, so that clients do not come back together. */
export function backoff({ random, minDelay, maxDelay }, failures) {
  return random() * Math.min(maxDelay, minDelay * 2 ** failures);
}
