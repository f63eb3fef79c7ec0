// What keeps the client connected.
//
//   Connection   keeps a link open: over which transport, when again, from one link to another without loss
//   Requests     publish, presence, history: in order, and again until answered
//   …Link        a WebSocket, an event stream, a sequence of polls. Each tells its connection `received(link, message)` for
//                every envelope, `open` first, and `ended(link, end)`; an end has { code, reason, clean, retry }, all optional

/** Attempts that a transport has which worked before, until another one is tried. */
const PATIENCE = 3;
/** The code of a link that asked for no channel: there is nothing to do until the page subscribes to one. */
const NO_CHANNEL = 4103;
/** The code of more channels than a transport has room for; a WebSocket has the most. */
const TOO_MANY = 4306;
/** Messages of a batch. */
const BATCH = 1000;
/** The id of a request that HTTP has. */
const POSTED = -1;
/** Requests that a WebSocket has without an answer. */
const UNANSWERED = 32;
const FLOODING = 4005;
const RATE_LIMITED = 4307;

export class SockeyeError extends Error {
  constructor({ code = 0, name, reason, channel }) {
    super(reason);
    Object.assign(this, { code, name, channel });
  }
}

/** Keeps one link open, and at most one more, the attempt, that is to take its place. */
export class Connection {
  link = null;
  isIdle = true;
  rtt;
  #settings;
  #owner;
  // { name, purpose: connect or climb, link }
  #attempt;
  #token;
  #tokenTries = 0;
  // In a row, of any transport: what the delay grows by.
  #failures = 0;
  // In a row, of this transport.
  #tries = 0;
  // The transport that worked last.
  #last;
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
    if (this.#attempt?.purpose === 'climb') this.#abandon();
    if (this.link) this.#climb();
    else if (!this.isIdle) this.open(this.#first());
  }

  /** Resolves with how it ended. */
  async close(code, reason) {
    const { link } = this;
    this.link = null;
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

  /** An HTTP request. What fails is thrown as an end. */
  async fetch(url, { token, headers, ...init }) {
    const { clock, fetch, withCredentials } = this.#settings;
    const started = clock.now();
    const response = await fetch(url, {
      ...init,
      headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
      credentials: withCredentials ? 'include' : 'same-origin',
      cache: 'no-store',
    });
    if (response.status === 204) throw { code: 4100, reason: 'HTTP status 204', clean: true };
    // A long poll measures the server's patience.
    if (!/wait=[1-9]/.test(url)) this.rtt = clock.now() - started;
    if (response.ok) return response;
    const error = await response.json().catch(() => ({}));
    throw error.type === 'error' ? { ...error, reason: error.message, clean: true } : { reason: `HTTP status ${response.status}` };
  }

  received(link, message) {
    const isAttempt = link === this.#attempt?.link;
    if (!isAttempt && link !== this.link) return;
    link.heard = this.#settings.clock.now();
    // Before its `open` an error is about the link as a whole.
    if (message.type === 'close' || (isAttempt && message.type === 'error')) this.ended(link, { ...message, reason: message.message, clean: true });
    else if (isAttempt) message.type === 'open' && this.#promote(link, message);
    else if (message.type === 'pong') {
      const { pingInterval } = this.#settings;
      this.rtt = link.heard - link.pinged;
      if (pingInterval) this.#timers.ping.set(pingInterval, () => this.ping(link));
    } else this.#owner.received(link, message);
  }

  ended(link, end) {
    if (link === this.#attempt?.link) this.#missed(end);
    if (link !== this.link) return;
    this.#drop();
    if (this.#settings.clock.now() - link.opened >= this.#settings.timeout) {
      this.#failures = this.#tries = 0;
      if (link.name === this.transports[0]) this.#climbDelay = this.#settings.climbDelay;
    }
    if (!this.#attempt || verdictOf(end) === 'stop') return this.#again(link.name, end);
    this.#attempt.purpose = 'connect';
    this.#owner.down(end, 0);
  }

  /** Asks a WebSocket for an answer, which is due soon. */
  ping(link) {
    const { clock, timeout } = this.#settings;
    link.pinged = clock.now();
    link.heard = link.pinged + timeout - link.limit;
    link.send({ type: 'ping' });
    this.#watch(link);
  }

  /** Opens a link; the one in use stays until the new one can take its place. */
  async open(name, purpose = 'connect') {
    this.#abandon();
    this.#timers.retry.clear();
    const attempt = (this.#attempt = { name, purpose });
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
    this.#attempt = undefined;
    this.#timers.attempt.clear();
    this.#drop();
    this.link = link;
    link.opened = link.heard;
    link.limit = 2000 * message.heartbeat;
    this.#last = link.name;
    this.#tokenTries = 0;
    this.#worked.add(link.name);
    this.#blocked.clear();
    this.#watch(link);
    this.#climbLater();
    this.#refreshLater(link.ask.token);
    this.#owner.opened(link, message);
  }

  /** The attempt has failed. */
  #missed(end) {
    const { name, purpose } = this.#attempt;
    this.#abandon();
    if (purpose === 'climb') return this.#climb(name);
    this.#again(name, end);
  }

  /** Whether, when and how to connect after a link has ended, or one for other channels has not come. */
  #again(name, end) {
    const isFull = end.code === TOO_MANY && name !== 'websocket' && this.transports.includes('websocket');
    const verdict = isFull ? 'unknown' : verdictOf(end);
    if (!this.transports.includes(name)) name = this.#first();
    if (end.code === NO_CHANNEL && !this.#owner.ask(name).channels.length) {
      this.isIdle = true;
      this.#drop();
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
    if (!this.link) this.#owner.down(end, delay);
  }

  /** The transport to try when nobody knows whether the last one or the server is to blame. */
  #next(name, { code, retry }) {
    if (++this.#tries >= PATIENCE || code === TOO_MANY || !this.#worked.has(name)) {
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
    if (!this.transports.length) fail('NotSupportedError', 'no transport can be used');
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
    this.link?.close();
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
    // The attempt may have taken the place of one for other channels.
    this.#owner.sync();
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

  /** The page is seen again, or the network is back. */
  #woke() {
    const { link } = this;
    if (this.#timers.retry.isSet) return this.#timers.retry.fire();
    if (link?.send) this.ping(link);
    if (link && !this.#attempt && this.#better().length) this.#climb();
  }
}

/** What an end asks for; docs/protocol.md section 8. Without a channel the page has subscribed to one meanwhile. */
function verdictOf({ code }) {
  if (code === NO_CHANNEL || /^40..$/.test(code)) return 'reconnect';
  if (/^42..$/.test(code)) return 'token';
  return /^(4[13]..|100[2379]|1010)$/.test(code) ? 'stop' : 'unknown';
}

/** When a token expires, in milliseconds since 1970; NaN if it does not say. */
function expiryOf(token) {
  try {
    return 1000 * JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).exp;
  } catch {
    return NaN;
  }
}

/** Publish, presence and history: in order, and again until answered. */
export class Requests {
  // Who asks, over HTTP as on the WebSocket.
  client = '';
  #settings;
  #connection;
  // In order, until settled. What is under way has an `id`: the WebSocket's, or POSTED.
  #queue = [];
  #pause;
  // Milliseconds between two requests on a WebSocket.
  #step = 0;

  constructor(settings, connection) {
    this.#settings = settings;
    this.#connection = connection;
    this.#pause = new Timer(settings.clock);
  }

  /** Bytes that no WebSocket has taken yet. */
  get bytes() {
    return this.#queue.reduce((sum, { id, body }) => sum + (id > 0 ? 0 : body?.size ?? 0), 0);
  }

  /** Resolves with the answer's envelope. */
  add(head, body) {
    return new Promise((resolve, reject) => {
      const request = { head, body, resolve, reject, failures: 0, timer: new Timer(this.#settings.clock) };
      request.timer.set(this.#settings.requestTimeout, () => {
        this.#refuse(request, { name: 'timeout', reason: 'no answer in time' });
      });
      body?.blob?.arrayBuffer().then((buffer) => {
        body.bytes = new Uint8Array(buffer);
        this.pump();
      }, (error) => this.#refuse(request, { name: 'bad_payload', reason: error.message }));
      this.#queue.push(request);
      queueMicrotask(() => this.pump());
    });
  }

  /** Sends what may be sent now: over HTTP one after the other. */
  pump(most = UNANSWERED) {
    const { link, isIdle } = this.#connection;
    for (const request of this.#queue.slice(0, link?.send ? most : 1)) {
      const { id, head, body } = request;
      if (!(link || isIdle) || this.#pause.isSet || id === POSTED || (body?.blob && !body.bytes)) return;
      if (!link?.send) this.#post(request);
      else if (!id) {
        request.id = link.send(head, body);
        if (this.#step) this.#pauseFor(this.#step);
      }
    }
  }

  #pauseFor(milliseconds) {
    this.#pause.set(milliseconds, () => this.pump());
  }

  /** The WebSocket is gone: what it had not answered is to be sent again, at half the speed if it was too fast. */
  lost({ code } = {}) {
    if (code === FLOODING) this.#step = 2 * this.#step || 20;
    for (const request of this.#queue) if (request.id !== POSTED) request.id = undefined;
  }

  /** Whether the message is the answer to a request. */
  answered(message) {
    const request = message.id && this.#queue.find(({ id }) => id === message.id);
    if (!request) return false;
    if (message.type === 'error') this.#failed(request, { ...message, reason: message.message });
    else this.#settle(request, () => request.resolve(message));
    this.pump();
    return true;
  }

  stop() {
    this.#pause.clear();
    for (const request of this.#queue) this.#refuse(request, GONE);
  }

  async #post(request) {
    request.id = POSTED;
    try {
      const token = await this.#connection.token();
      const [url, init] = httpOf(this.#settings.url, request, this.client);
      const response = await this.#connection.fetch(url, { ...init, token });
      const answer = await response.json();
      this.#settle(request, () => request.resolve(answer));
    } catch (end) {
      this.#failed(request, { reason: end.message, ...end });
    }
    this.pump();
  }

  /** Tries again what the server may not have seen, or could not do for now. */
  #failed(request, end) {
    const verdict = verdictOf(end);
    const isLater = !end.code || end.code === RATE_LIMITED || verdict === 'reconnect' || (verdict === 'token' && !request.failures && this.#connection.renew());
    if (!isLater || !this.#queue.includes(request)) return this.#refuse(request, end);
    request.id = undefined;
    this.#pauseFor(end.retry ?? backoff(this.#settings, request.failures++));
  }

  #refuse(request, end) {
    this.#settle(request, () => request.reject(new SockeyeError(end)));
  }

  #settle(request, finish) {
    finish();
    request.timer.clear();
    this.#queue = this.#queue.filter((one) => one !== request);
  }
}

export const GONE = { name: 'closed', reason: 'the client is closed' };

/** The HTTP request for a request. */
function httpOf(url, { head, body }, client) {
  const { type, fields, content_type: contentType, ...query } = head;
  const address = addressOf(url, { ...query, fields: fields && JSON.stringify(fields), client }, type);
  if (!body) return [address, {}];
  const { plain, bytes } = body;
  const headers = { 'content-type': contentType ?? (bytes ? 'application/octet-stream' : 'application/json') };
  return [address, { method: 'POST', headers, body: bytes ?? plain }];
}

/** What answers is no push server: perhaps a proxy's page. */
const NOT_OURS = { reason: 'not the protocol' };

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

  fetch(query, headers) {
    this.abort = new AbortController();
    return this.owner.fetch(this.address(query), { token: this.ask.token, headers, signal: this.abort.signal });
  }

  /** How it is closed over fetch. */
  async close(code = 1005, reason = '') {
    this.isClosed = true;
    this.abort?.abort();
    this.timer?.clear();
    return { code, reason, clean: true };
  }
}

/** The token travels as a subprotocol entry: unlike a parameter it stands in no proxy's log, and unlike a first message
 * it is there before the channels of the URL are looked at. */
class WebSocketLink extends Link {
  // Channel -> id of its `subscribe`.
  asked = new Map();
  #socket;
  #id = 0;

  run() {
    const { token } = this.ask;
    const protocols = ['sockeye.bin.v1', ...(token ? [`sockeye.token.${token}`] : [])];
    const socket = (this.#socket = new this.settings.WebSocket(this.address().replace(/^http/, 'ws'), protocols));
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      try {
        this.owner.received(this, typeof data === 'string' ? JSON.parse(data) : messageOf(data));
      } catch (error) {
        this.owner.ended(this, { reason: error.message });
      }
    };
    // A close follows.
    socket.onerror = () => {};
    // A server that wants a token waits for one, and says so only when it is asked for something else.
    socket.onopen = () => this.owner.ping(this);
    socket.onclose = ({ code, reason, wasClean }) => this.owner.ended(this, { code, reason, clean: wasClean });
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  /** Sends a request and returns its id. */
  send({ type, ...fields }, { text, bytes } = {}) {
    const head = { type, id: ++this.#id, ...fields };
    const json = JSON.stringify(head);
    this.#socket.send(bytes ? frameOf(json, bytes) : text ? `${json.slice(0, -1)},"data":${text}}` : json);
    return head.id;
  }

  close(code, reason) {
    const socket = this.#socket;
    if (!socket) return undefined;
    socket.onmessage = null;
    return new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, clean: wasClean });
      socket.close(...(code ? [code, reason] : []));
    });
  }
}

/** Over fetch and not EventSource: that cannot send the token in a header, hides why it failed, and gives up at a proxy's 502. */
class EventStreamLink extends Link {
  async run() {
    const { owner } = this;
    const parser = new EventStreamParser();
    try {
      const response = await this.fetch({}, { accept: 'text/event-stream' });
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) throw NOT_OURS;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let part; !(part = await reader.read()).done; ) {
        for (const data of parser.push(decoder.decode(part.value, { stream: true }))) owner.received(this, JSON.parse(data));
      }
      throw { reason: 'the stream has ended' };
    } catch (end) {
      owner.ended(this, { retry: parser.retry, reason: end.message, ...end });
    }
  }
}

export class EventStreamParser {
  retry;
  #rest = '';
  #data = [];

  /** Yields the data of each event that ends in the text. */
  *push(text) {
    // A CR at the end may be half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === 'data') this.#data.push(value);
      else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
      else if (line === '' && this.#data.length) yield this.#data.splice(0).join('\n');
    }
  }
}

/** Long polling and polling. The first poll never waits: it shows that this way is open. */
class BatchLink extends Link {
  async run() {
    const { settings, owner, ask } = this;
    const isLong = this.name === 'long_poll';
    try {
      for (let isFirst = true; !this.isClosed; isFirst = false) {
        const { client, cursor, messages } = await this.poll(isLong ? (isFirst ? 0 : settings.wait) : undefined);
        if (isFirst && messages[0]?.type !== 'close') owner.received(this, { type: 'open', client, channels: ask.channels });
        // The cursor stands behind the messages, but for a `close`: it ends the link.
        const ordered = [...messages, { type: 'batch', cursor }].sort((one, other) => (one.type === 'close') - (other.type === 'close'));
        for (const message of ordered) owner.received(this, message);
        Object.assign(ask, { since: cursor, client });
        if (this.isClosed || isLong || messages.length === BATCH) continue;
        await new Promise((resolve) => this.timer.set(settings.interval, resolve));
      }
    } catch (end) {
      owner.ended(this, { reason: end.message, ...end });
    }
  }

  /** One poll, of `wait` seconds, or a plain one. */
  async poll(wait) {
    const { settings } = this;
    this.timer = new Timer(settings.clock);
    this.timer.set(settings.timeout + 1000 * (wait ?? 0), () => this.abort.abort());
    try {
      const batch = await (await this.fetch({ wait, limit: BATCH })).json();
      if (batch?.type !== 'batch') throw NOT_OURS;
      return batch;
    } finally {
      this.timer.clear();
    }
  }
}

/** A binary message of `sockeye.bin.v1`: the header's length, the header, the payload. */
function frameOf(json, bytes) {
  const header = new TextEncoder().encode(json);
  return Uint8Array.from([header.length >> 8, header.length, ...header, ...bytes]);
}

function messageOf(frame) {
  const bytes = new Uint8Array(frame);
  const end = 2 + 256 * bytes[0] + bytes[1];
  return { ...JSON.parse(new TextDecoder().decode(bytes.slice(2, end))), bytes: bytes.slice(end) };
}

const LINKS = { websocket: WebSocketLink, sse: EventStreamLink, long_poll: BatchLink, poll: BatchLink };

/** The stream's address, or with `path` one beside it. Lists are repeated, what is undefined or empty left out. */
function addressOf(base, query, path) {
  const url = new URL(base);
  if (path) url.pathname = url.pathname.replace(/[^/]*$/, path);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== undefined && one !== '') url.searchParams.append(name, one);
  }
  return url.href;
}

class Timer {
  isSet = false;
  #clock;
  #handle;

  constructor(clock) {
    this.#clock = clock;
  }

  set(milliseconds, callback) {
    this.clear();
    this.isSet = true;
    /** Does now what was to be done later. */
    this.fire = () => {
      this.clear();
      callback();
    };
    this.#handle = this.#clock.setTimeout(this.fire, milliseconds);
  }

  clear() {
    this.isSet = false;
    this.#clock.clearTimeout(this.#handle);
  }
}

/** A random delay below a bound that doubles with each failure, so that clients do not come back together. */
function backoff({ random, minDelay, maxDelay }, failures) {
  return random() * Math.min(maxDelay, minDelay * 2 ** failures);
}

export function fail(name, message) {
  throw new DOMException(message, name);
}
