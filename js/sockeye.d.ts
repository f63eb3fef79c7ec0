/** How the client is connected. The names are the protocol's. */
export type Transport = 'websocket' | 'sse' | 'long_poll' | 'poll';

/** `start`: all that history holds. `now`: what comes from here on. Anything else: a cursor, see `Sockeye.cursor`. */
export type Since = 'start' | 'now' | (string & {});

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What can be published: bytes, or anything that `JSON.stringify` takes. */
export type Payload = Blob | ArrayBuffer | ArrayBufferView | Json | object;

/** A token, or a function that gets a fresh one; it is called for the first connection, before the token expires, and
 * when the server asks for another. Nothing (`null`, `undefined`, `''`) connects without a token. */
export type Token = string | (() => string | null | undefined | Promise<string | null | undefined>);

export interface Options {
  /** A JSON Web Token. */
  token?: Token;
  /** Where to start in channels that are subscribed without a `since` of their own; `now` unless given. A page that
   * keeps `cursor` in storage gives it back here. */
  since?: Since;
  /** The transports to use, best first. All four unless given. */
  transports?: Transport[];
  /** The channel of `send()`; unless given, the only one that is subscribed. */
  channel?: string;
  /** What binary payloads arrive as; `blob` unless given, as in the browser. */
  binaryType?: BinaryType;
  /** Sends cookies to another origin too. */
  withCredentials?: boolean;

  /** Milliseconds that a transport may take until the server's `open` has come, and to answer a ping; default 5000. */
  timeout?: number;
  /** Milliseconds until `publish`, `presence` and `history` give up, reconnecting included; default 30000. */
  requestTimeout?: number;
  /** The first bound of the random delay before reconnecting, in milliseconds, doubled with each failure; default 1000. */
  minDelay?: number;
  /** The last bound of that delay; default 30000. */
  maxDelay?: number;
  /** Milliseconds until a better transport is tried again in the background, doubled each time up to 20 times as many;
   * default 30000. */
  climbDelay?: number;
  /** Milliseconds between the pings that measure `rtt` on WebSocket, and find a server that hangs; default 20000; 0 sends
   * one when the connection opens, and one when the page wakes up. */
  pingInterval?: number;
  /** Seconds of a long poll; default 25. */
  wait?: number;
  /** Milliseconds between polls; default 3000. */
  interval?: number;

  /** A WebSocket class, such as that of `ws`, where there is no global one. */
  WebSocket?: new (url: string, protocols?: string[]) => unknown;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
  /** Replaces the clock, for tests. */
  clock?: Clock;
  /** Replaces `Math.random`, for tests. */
  random?: () => number;
  /** Replaces the page (`location`, `document`, its events), for tests. */
  window?: unknown;
}

export interface Clock {
  now(): number;
  setTimeout(callback: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface Meta {
  /** When the server took it, in milliseconds since 1970. */
  time: number;
  /** The content type, where it is not the usual one. */
  type?: string;
  /** The id of the client that published it, if a client did; compare with `Sockeye.client`. */
  client?: string;
  /** That client's user. */
  user?: string;
  /** What the publisher added. */
  fields?: Record<string, string | number | boolean>;
}

/** A publication. */
export interface Message<T = any> {
  channel: string;
  /** `channel~epoch.offset`; may be given as `since`. */
  position: string;
  /** A JSON value, or for binary payloads a Blob or an ArrayBuffer according to `binaryType`. */
  data: T;
  meta: Meta;
}

/** What is missing in a channel: it was no longer in the server's history. */
export interface Gap {
  channel: string;
  /** Where reading goes on. */
  position: string;
  /** The first missing offset; without it nobody knows how many are missing. */
  from?: number;
  /** The last missing offset. */
  to: number;
  reason: 'expired' | 'epoch' | 'slow' | (string & {});
}

export interface Member {
  client: string;
  user?: string;
  info?: Json;
}

export interface HistoryOptions {
  /** At most so many messages; default 100, at most 1000. */
  limit?: number;
  /** Newest first. */
  reverse?: boolean;
  /** Default `start`, with `reverse` `now`. */
  since?: Since;
}

export interface History {
  /** Oldest first unless `reverse`; a gap stands where messages are missing. */
  messages: (Message & { type: 'message' } | Gap & { type: 'gap' })[];
  /** Where the log ended. */
  position: string;
}

export interface PublishOptions {
  /** The idempotency key; unless given the client makes one, so that repeating a lost request does not publish twice. */
  key?: string;
  /** At most 8 small values that travel in `meta.fields`. */
  fields?: Record<string, string | number | boolean>;
  /** The content type: of bytes any one, of a string text/* too, of other values one of JSON; else a TypeError. A Blob's is
   * its own unless given. */
  contentType?: string;
}

export interface MessageEvent<T = any> extends Event, Message<T> {
  /** The server's origin. */
  readonly origin: string;
  /** The same as `position`. */
  readonly lastEventId: string;
}
export interface GapEvent extends Event, Gap {}
export interface MemberEvent extends Event, Member { readonly channel: string }
export interface ErrorEvent extends Event { readonly error: SockeyeError }
export interface CloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  /** Whether one side has said goodbye to the other. */
  readonly wasClean: boolean;
}
export interface TransportEvent extends Event {
  /** What is in use now; null while there is no connection. */
  readonly transport: Transport | null;
  /** Why there is none: the code of protocol.md section 8, or 0. */
  readonly code: number;
  readonly reason: string;
  /** Milliseconds until the next attempt, where there is no connection. */
  readonly delay: number;
}

/** As everywhere in the browser: a function, or an object that has one. */
export type Listener<E extends Event> = ((event: E) => void) | { handleEvent(event: E): void };

export interface SubscriptionEvents {
  message: MessageEvent;
  gap: GapEvent;
  join: MemberEvent;
  leave: MemberEvent;
  /** The server refuses the channel; the client asks again with the next connection. */
  error: ErrorEvent;
}

export interface SockeyeEvents extends SubscriptionEvents {
  /** Once, when the first connection stands. */
  open: Event;
  /** Once, last. */
  close: CloseEvent;
  /** The transport has changed, or there is no connection for now. */
  transport: TransportEvent;
}

/** One handler's share of a channel. Its events are those of its channel alone. */
export class Subscription extends EventTarget {
  private constructor();
  readonly channel: string;
  /** Ends it; with the last one of a channel the channel is left. */
  unsubscribe(): void;
  addEventListener<K extends keyof SubscriptionEvents>(
    type: K, listener: Listener<SubscriptionEvents[K]> | null, options?: AddEventListenerOptions | boolean): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
  removeEventListener<K extends keyof SubscriptionEvents>(
    type: K, listener: Listener<SubscriptionEvents[K]> | null, options?: EventListenerOptions | boolean): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;
}

/** Why a request or the connection failed. */
export class SockeyeError extends Error {
  /** The code of protocol.md section 8; 0 for the client's own `timeout` and `closed`. */
  readonly code: number;
  /** The code's name, such as `not_permitted`. */
  readonly name: string;
  readonly channel?: string;
}

/** A connection to the push server that outlives broken ones. */
export class Sockeye extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;

  /** Connects after the current task, so that what is subscribed at once is asked for at once. Without a channel and
   * without a token it waits for the first subscription.
   * @param url relative to the page; `/stream` unless given. http, https, ws and wss are the same here. */
  constructor(url?: string | URL, options?: Options);

  /** The address of the stream, without parameters of its own. */
  readonly url: string;
  /** CONNECTING until the first `open`, then OPEN until `close`, whatever happens beneath. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** What is in use; null while there is no connection. */
  readonly transport: Transport | null;
  /** Which transports may be used, best first. To set it moves to the first that works, without loss. */
  transports: Transport[];
  /** The public id of this client, as others see it in presence and `meta.client`; '' before `open`. */
  readonly client: string;
  /** Where this client stands in all its channels; good as `since`. */
  readonly cursor: string;
  /** The last round-trip time in milliseconds: of a ping on WebSocket, else of a request. */
  readonly rtt: number | undefined;
  /** Bytes that `send` and `publish` have not handed to the network. */
  readonly bufferedAmount: number;
  binaryType: BinaryType;

  onopen: ((this: Sockeye, event: Event) => void) | null;
  onmessage: ((this: Sockeye, event: MessageEvent) => void) | null;
  onclose: ((this: Sockeye, event: CloseEvent) => void) | null;
  onerror: ((this: Sockeye, event: ErrorEvent) => void) | null;
  ongap: ((this: Sockeye, event: GapEvent) => void) | null;
  onjoin: ((this: Sockeye, event: MemberEvent) => void) | null;
  onleave: ((this: Sockeye, event: MemberEvent) => void) | null;
  ontransport: ((this: Sockeye, event: TransportEvent) => void) | null;

  addEventListener<K extends keyof SockeyeEvents>(
    type: K, listener: Listener<SockeyeEvents[K]> | null, options?: AddEventListenerOptions | boolean): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
  removeEventListener<K extends keyof SockeyeEvents>(
    type: K, listener: Listener<SockeyeEvents[K]> | null, options?: EventListenerOptions | boolean): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;

  /** Follows a channel; a name that is none is a `SyntaxError`. `since` counts for the first subscription of a channel; a further one shares it. */
  subscribe<T = any>(
    channel: string, handler?: ((message: MessageEvent<T>) => void) | null, options?: { since?: Since }): Subscription;
  /** Publishes, and tells the position. Publications of one client stay in order. Those that come too fast are
   * tried again until `requestTimeout`. */
  publish(channel: string, data: Payload, options?: PublishOptions): Promise<string>;
  /** Who is in a channel. */
  presence(channel: string): Promise<Member[]>;
  /** What a channel still holds. */
  history(channel: string, options?: HistoryOptions): Promise<History>;
  /** Publishes to `options.channel`, or to the only subscribed channel, as a browser's WebSocket sends: without an
   * answer; what fails comes as `error`. */
  send(data: string | Blob | ArrayBuffer | ArrayBufferView): void;
  /** Ends it for good. Nothing is delivered after it but `close`. */
  close(code?: number, reason?: string): void;
}

