// What keeps the client connected: README.md, 'Inside'.

const MAX_FAILURES = 3;
const BATCH_LIMIT = 1000;
const MAX_UNANSWERED = 32;
const FLOODING = 4005;
const NO_CHANNEL = 4103;
const TOO_MANY_CHANNELS = 4306;
const RATE_LIMITED = 4307;

export const GONE = { name: 'closed', message: 'the client is closed' };
const NO_ANSWER = { name: 'timeout', message: 'no answer in time' };
const NOT_OURS = { message: 'not the protocol' };

export class SockeyeError extends Error {
  constructor({ code = 0, name, message, channel }) {
    super(message);
    Object.assign(this, { code, name, channel });
  }
}

export class Connection {
  link = null;
  isIdle = true;
  rtt;
  #attempt;
  #token;
  #tokenTries = 0;
  #failures = 0;
  #tries = 0;
  #last;
  #worked = new Set();
  #blocked = new Set();
  #climbDelay;
  #timers = {};
  #wake = () => {
    const { link } = this;
    if (this.settings.window.document?.visibilityState === 'hidden') return;
    if (this.#timers.retry.fire) return this.#timers.retry.fire();
    if (link?.send) this.ping(link);
    if (link && !this.#attempt && this.#better().length) this.#climb();
  };

  constructor(settings, owner) {
    Object.assign(this, { settings, owner });
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

  async close(code, reason) {
    const { link } = this;
    this.link = null;
    this.#halt();
    return link?.close(code, reason);
  }

  token() {
    const { token } = this.settings;
    this.#token ??= (async () => (typeof token === 'function' ? token() : token))().catch((error) => {
      this.#token = undefined;
      throw { code: 4004, message: `no token: ${error.message}` };
    });
    return this.#token;
  }

  renew() {
    this.#token = undefined;
    return typeof this.settings.token === 'function';
  }

  async fetch(url, { token, headers, ...init }) {
    const { clock, fetch, withCredentials } = this.settings;
    const started = clock.now();
    const response = await fetch(url, {
      ...init,
      headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
      credentials: withCredentials ? 'include' : undefined,
      cache: 'no-store',
    });
    const { ok, status } = response;
    const message = `HTTP status ${status}`;
    if (status === 204) throw { code: 4100, message, clean: true };
    // A long poll measures the server's patience.
    if (!/wait=[1-9]/.test(url)) this.rtt = clock.now() - started;
    if (ok) return response;
    const error = await response.json().catch(() => ({}));
    throw error.type === 'error' ? { ...error, clean: true } : { message };
  }

  received(link, message) {
    const { type } = message;
    const isAttempt = link === this.#attempt?.link;
    if (!isAttempt && link !== this.link) return;
    link.heard = this.settings.clock.now();
    // Before its `open` an error is about the link as a whole.
    if (type === 'close' || (isAttempt && type === 'error')) this.ended(link, { ...message, clean: true });
    else if (isAttempt) type === 'open' && this.#promote(link, message);
    else if (type === 'pong') {
      const { pingInterval } = this.settings;
      this.rtt = link.heard - link.pinged;
      if (pingInterval) this.#timers.ping.set(pingInterval, () => this.ping(link));
    } else this.owner.received(link, message);
  }

  ended(link, end) {
    if (link === this.#attempt?.link) this.#missed(end);
    if (link !== this.link) return;
    this.#drop();
    if (this.settings.clock.now() - link.opened >= this.settings.timeout) {
      this.#failures = this.#tries = 0;
      if (link.name === this.transports[0]) this.#climbDelay = this.settings.climbDelay;
    }
    if (!this.#attempt || verdictOf(end) === 'stop') return this.#again(link.name, end);
    this.#attempt.purpose = 'connect';
    this.owner.down(end, 0);
  }

  ping(link) {
    const { clock, timeout } = this.settings;
    link.pinged = clock.now();
    link.heard = link.pinged + timeout - link.limit;
    link.send({ type: 'ping' });
    this.#watch(link);
  }

  async open(name, purpose = 'connect') {
    this.#abandon();
    this.#timers.retry.clear();
    const attempt = (this.#attempt = { name, purpose });
    try {
      const token = await this.token();
      if (attempt !== this.#attempt) return;
      const link = (attempt.link = new LINKS[name](name, { ...this.owner.ask(name), token }, this.settings, this));
      this.#timers.attempt.set(this.settings.timeout, () => this.ended(link, NO_ANSWER));
      link.run();
    } catch (error) {
      if (attempt === this.#attempt) this.#missed({ message: error.message, ...error });
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
    this.owner.opened(link, message);
  }

  #missed(end) {
    const { name, purpose } = this.#attempt;
    this.#abandon();
    if (purpose === 'climb') this.#climb(name);
    else this.#again(name, end);
  }

  #again(name, end) {
    const isFull = end.code === TOO_MANY_CHANNELS && name !== 'websocket' && this.transports.includes('websocket');
    const verdict = isFull ? 'unknown' : verdictOf(end);
    if (!this.transports.includes(name)) name = this.#first();
    if (end.code === NO_CHANNEL && !this.owner.ask(name).channels.length) {
      this.isIdle = true;
      this.#drop();
      return this.owner.down(end, Infinity);
    }
    if (verdict === 'stop' || (verdict === 'token' && !this.renew())) {
      this.#halt();
      return this.owner.stopped(end);
    }
    let delay;
    if (verdict === 'token') delay = this.#tokenTries++ ? this.#backoff() : 0;
    else if (verdict === 'reconnect') delay = end.retry ?? this.#backoff();
    else [name, delay] = this.#next(name, end);
    this.#timers.retry.set(delay, () => this.open(name));
    if (!this.link) this.owner.down(end, delay);
  }

  #next(name, { code, retry }) {
    if (++this.#tries >= MAX_FAILURES || code === TOO_MANY_CHANNELS || !this.#worked.has(name)) {
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
    this.transports = names.filter((name) => LINKS[name] && (name !== 'websocket' || this.settings.WebSocket));
    if (!this.transports.length) fail('NotSupportedError', 'no transport');
  }

  #first() {
    return this.transports.includes(this.#last) ? this.#last : this.transports[0];
  }

  #backoff() {
    return backoff(this.settings, this.#failures++);
  }

  #abandon() {
    this.#attempt?.link?.close();
    this.#attempt = undefined;
    this.#timers.attempt.clear();
  }

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
    const { window } = this.settings;
    window[method]?.('online', this.#wake);
    window.document?.[method]('visibilitychange', this.#wake);
  }

  #watch(link) {
    const wait = link.heard + link.limit - this.settings.clock.now();
    if (wait <= 0) this.ended(link, { message: 'silent' });
    // NaN of an attempt and of polls, which have a deadline.
    else if (wait) this.#timers.silence.set(wait, () => this.#watch(link));
  }

  #better() {
    const rank = this.transports.indexOf(this.link.name);
    return rank < 0 ? this.transports : this.transports.slice(0, rank);
  }

  #climbLater() {
    if (!this.#better().length) return;
    const delay = this.#climbDelay * (0.75 + this.settings.random() / 2);
    this.#timers.climb.set(delay, () => (this.#attempt ? this.#climbLater() : this.#climb()));
  }

  #climb(after) {
    const better = this.#better();
    const name = better[better.indexOf(after) + 1];
    if (name) return this.open(name, 'climb');
    this.#climbDelay = Math.min(2 * this.#climbDelay, 20 * this.settings.climbDelay);
    this.#climbLater();
    // An attempt for other channels may have given way.
    this.owner.sync();
  }

  #refreshLater(token) {
    const left = expiryOf(token) - this.settings.clock.now();
    if (typeof this.settings.token !== 'function' || !(left > 0)) return;
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
}

// docs/protocol.md, section 8.
function verdictOf({ code }) {
  if (code === NO_CHANNEL || /^40..$/.test(code)) return 'reconnect';
  if (/^42..$/.test(code)) return 'token';
  return /^(4[13]..|100[2379]|1010)$/.test(code) ? 'stop' : 'unknown';
}

function expiryOf(token) {
  try {
    return 1000 * JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).exp;
  } catch {
    return NaN;
  }
}

export class Requests {
  client = '';
  // In order; the `id` is the WebSocket's, or 'posted'.
  #queue = [];
  #pause;
  #spacing = 0;

  constructor(settings, connection) {
    Object.assign(this, { settings, connection });
    this.#pause = new Timer(settings.clock);
  }

  get bytes() {
    return this.#queue.reduce((sum, { id, body }) => sum + (id > 0 ? 0 : body?.size ?? 0), 0);
  }

  add(head, body) {
    return new Promise((resolve, reject) => {
      const request = { head, body, resolve, reject, failures: 0, timer: new Timer(this.settings.clock) };
      request.timer.set(this.settings.requestTimeout, () => this.#refuse(request, NO_ANSWER));
      body?.blob?.arrayBuffer().then((buffer) => {
        body.bytes = new Uint8Array(buffer);
        this.pump();
      }, ({ message }) => this.#refuse(request, { name: 'bad_payload', message }));
      this.#queue.push(request);
      queueMicrotask(() => this.pump());
    });
  }

  pump(most = MAX_UNANSWERED) {
    const { link, isIdle } = this.connection;
    for (const request of this.#queue.slice(0, link?.send ? most : 1)) {
      const { id, head, body } = request;
      if (!(link || isIdle) || this.#pause.fire || id === 'posted' || (body?.blob && !body.bytes)) return;
      if (!link?.send) this.#post(request);
      else if (!id) {
        request.id = link.send(head, body);
        if (this.#spacing) this.#pauseFor(this.#spacing);
      }
    }
  }

  #pauseFor(milliseconds) {
    this.#pause.set(milliseconds, () => this.pump());
  }

  lost({ code } = {}) {
    if (code === FLOODING) this.#spacing = 2 * this.#spacing || 20;
    for (const request of this.#queue) if (request.id !== 'posted') request.id = undefined;
  }

  answered(message) {
    const request = message.id && this.#queue.find(({ id }) => id === message.id);
    if (!request) return false;
    if (message.type === 'error') this.#failed(request, message);
    else this.#settle(request, 'resolve', message);
    this.pump();
    return true;
  }

  stop() {
    this.#pause.clear();
    for (const request of this.#queue) this.#refuse(request, GONE);
  }

  async #post(request) {
    request.id = 'posted';
    const { type, fields, content_type: contentType, ...query } = request.head;
    const { bytes, plain } = request.body ?? {};
    try {
      const token = await this.connection.token();
      const address = addressOf(this.settings.url, { ...query, fields: JSON.stringify(fields), client: this.client }, type);
      const headers = { 'content-type': contentType ?? (bytes ? 'application/octet-stream' : 'application/json') };
      const post = request.body && { method: 'POST', headers, body: bytes ?? plain };
      const answer = await (await this.connection.fetch(address, { ...post, token })).json();
      this.#settle(request, 'resolve', answer);
    } catch (end) {
      this.#failed(request, { message: end.message, ...end });
    }
    this.pump();
  }

  #failed(request, end) {
    const verdict = verdictOf(end);
    const isLater = !end.code || end.code === RATE_LIMITED || verdict === 'reconnect' || (verdict === 'token' && !request.failures && this.connection.renew());
    if (!isLater || !this.#queue.includes(request)) return this.#refuse(request, end);
    request.id = undefined;
    this.#pauseFor(end.retry ?? backoff(this.settings, request.failures++));
  }

  #refuse(request, end) {
    this.#settle(request, 'reject', new SockeyeError(end));
  }

  #settle(request, how, value) {
    request[how](value);
    request.timer.clear();
    this.#queue = this.#queue.filter((one) => one !== request);
  }
}

class Link {
  constructor(name, ask, settings, owner) {
    Object.assign(this, { name, ask, settings, owner });
    this.channels = new Map(ask.channels.map((channel) => [channel, 'asked']));
  }

  address(query) {
    const { channels, since, client } = this.ask;
    const channel = channels.filter((one) => this.channels.get(one) !== 'refused');
    return addressOf(this.settings.url, { channel, since, client, ...query });
  }

  fetch(query, headers) {
    this.abort = new AbortController();
    return this.owner.fetch(this.address(query), { token: this.ask.token, headers, signal: this.abort.signal });
  }

  async close(code = 1005, message = '') {
    this.isClosed = true;
    this.abort?.abort();
    this.timer?.clear();
    return { code, message, clean: true };
  }
}

class WebSocketLink extends Link {
  socket;
  #id = 0;
  #finish = (end) => this.owner.ended(this, end);

  run() {
    const { token } = this.ask;
    const protocols = ['sockeye.bin.v1', ...(token ? [`sockeye.token.${token}`] : [])];
    const socket = (this.socket = new this.settings.WebSocket(this.address().replace(/^http/, 'ws'), protocols));
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      try {
        this.owner.received(this, typeof data === 'string' ? JSON.parse(data) : messageOf(data));
      } catch ({ message }) {
        this.owner.ended(this, { message });
      }
    };
    socket.onerror = () => {}; // a close follows
    // Who wants a token says so only when asked.
    socket.onopen = () => this.owner.ping(this);
    socket.onclose = ({ code, reason, wasClean }) => this.#finish({ code, message: reason, clean: wasClean });
  }

  send(head, { text, bytes } = {}) {
    const json = JSON.stringify({ ...head, id: ++this.#id });
    this.socket.send(bytes ? frameOf(json, bytes) : text ? `${json.slice(0, -1)},"data":${text}}` : json);
    return this.#id;
  }

  close(code, reason) {
    const socket = this.socket;
    if (!socket) return undefined;
    socket.onmessage = null;
    return new Promise((resolve) => {
      this.#finish = resolve;
      socket.close(...(code ? [code, reason] : []));
    });
  }
}

class EventStreamLink extends Link {
  async run() {
    const { owner } = this;
    const parser = new EventStreamParser();
    try {
      const response = await this.fetch({}, { accept: 'text/event-stream' });
      if (!response.headers.get('content-type')?.includes('event-stream')) throw NOT_OURS;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part; !(part = await reader.read()).done; ) {
        for (const data of parser.push(part.value)) owner.received(this, JSON.parse(data));
      }
      throw { message: 'the end' };
    } catch (end) {
      owner.ended(this, { retry: parser.retry, message: end.message, ...end });
    }
  }
}

export class EventStreamParser {
  retry;
  #rest = '';
  #data = [];

  *push(text) {
    // A CR at the end may be half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === 'data') this.#data.push(value);
      else if (name === 'retry') this.retry = Number(value) || undefined;
      else if (!line && this.#data.length) yield this.#data.splice(0).join('\n');
    }
  }
}

class BatchLink extends Link {
  async run() {
    const { settings, owner, ask } = this;
    const isLong = this.name === 'long_poll';
    try {
      // The first poll never waits: it shows that this way is open.
      for (let wait = isLong ? 0 : '', isFirst = true; !this.isClosed; isFirst = false) {
        const { client, cursor, messages } = await this.poll(wait);
        if (isLong) ({ wait } = settings);
        if (isFirst && messages[0]?.type !== 'close') owner.received(this, { type: 'open', client, channels: ask.channels });
        // The cursor stands behind the messages, but a `close` ends the link.
        const ordered = [...messages, { type: 'batch', cursor }].sort((one, other) => (one.type === 'close') - (other.type === 'close'));
        for (const message of ordered) owner.received(this, message);
        Object.assign(ask, { since: cursor, client });
        if (this.isClosed || isLong || messages.length === BATCH_LIMIT) continue;
        await new Promise((resolve) => this.timer.set(settings.interval, resolve));
      }
    } catch (end) {
      owner.ended(this, { message: end.message, ...end });
    }
  }

  async poll(wait) {
    const { settings } = this;
    this.timer = new Timer(settings.clock);
    this.timer.set(settings.timeout + 1000 * wait, () => this.abort.abort());
    try {
      const batch = await (await this.fetch({ wait, limit: BATCH_LIMIT })).json();
      if (batch?.type !== 'batch') throw NOT_OURS;
      return batch;
    } finally {
      this.timer.clear();
    }
  }
}

export const LINKS = { websocket: WebSocketLink, sse: EventStreamLink, long_poll: BatchLink, poll: BatchLink };

// docs/protocol.md, section 5.
function frameOf(json, bytes) {
  const header = new TextEncoder().encode(json);
  return Uint8Array.from([header.length >> 8, header.length, ...header, ...bytes]);
}

function messageOf(frame) {
  const bytes = new Uint8Array(frame);
  const end = 2 + 256 * bytes[0] + bytes[1];
  return { ...JSON.parse(new TextDecoder().decode(bytes.slice(2, end))), bytes: bytes.slice(end) };
}

function addressOf(base, query, path) {
  const url = new URL(base);
  if (path) url.pathname = url.pathname.replace(/[^/]*$/, path);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (`${one ?? ''}`) url.searchParams.append(name, one);
  }
  return url.href;
}

class Timer {
  constructor(clock) {
    this.clock = clock;
  }

  set(milliseconds, callback) {
    this.clear();
    this.fire = () => {
      this.clear();
      callback();
    };
    this.handle = this.clock.setTimeout(this.fire, milliseconds);
  }

  clear() {
    this.fire = null;
    this.clock.clearTimeout(this.handle);
  }
}

// Random, so that clients do not come back together.
function backoff({ random, minDelay, maxDelay }, failures) {
  return random() * Math.min(maxDelay, minDelay * 2 ** failures);
}

export function fail(name, message) {
  throw new DOMException(message, name);
}
