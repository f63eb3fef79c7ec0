// What a user of sockeye.d.ts writes, and what it must refuse. It is compiled, never run.

import { Sockeye, SockeyeError, Subscription } from '../sockeye.js';
import type { CloseEvent, Gap, GapEvent, History, Member, MemberEvent, Message, MessageEvent, Options, Transport } from '../sockeye.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles if the types are the same. */
const same = <A, B>(_: Equal<A, B>) => {};

declare class NodeWebSocket {
  constructor(address: string | URL, protocols?: string | string[], options?: object);
}

const options: Options = {
  token: async () => 'a.b.c', since: 'start', transports: ['sse', 'poll'], binaryType: 'arraybuffer', WebSocket: NodeWebSocket, fetch,
};
const client = new Sockeye('/stream', options);
new Sockeye();
new Sockeye(new URL('wss://push.test/stream'), { token: () => null });
// @ts-expect-error: no such transport
new Sockeye('/stream', { transports: ['carrier-pigeon'] });

// Events of its own, with their fields.
client.addEventListener('message', (event) => same<typeof event, MessageEvent>(true));
client.addEventListener('close', ({ code, reason, wasClean }) => [code.toFixed(), reason.length, wasClean === true], { once: true });
client.addEventListener('transport', ({ transport, delay }) => same<[typeof transport, typeof delay], [Transport | null, number]>(true));
client.addEventListener('gap', { handleEvent: (gap: GapEvent) => gap.to - (gap.from ?? 0) });
client.addEventListener('open', null);
const onClose = (event: CloseEvent) => event.code;
client.addEventListener('close', onClose);
client.removeEventListener('close', onClose);
// @ts-expect-error: a message has no code
client.addEventListener('message', ({ code }) => code);
// @ts-expect-error: its listener takes a close
client.addEventListener('gap', onClose);

// Events of anyone else's, as on every EventTarget.
client.addEventListener('my-event', (event) => same<typeof event, Event>(true), true);
client.removeEventListener('my-event', null);
client.dispatchEvent(new Event('my-event'));
const target: EventTarget = client;
const name: string = 'message';
target.addEventListener(name, () => {});
client.addEventListener(name, (event) => event.type);

client.onmessage = function onmessage({ data, meta }) {
  same<typeof this, Sockeye>(true);
  console.log(data, meta.fields?.['w'], meta.user?.length);
};
client.ongap = null;
client.onerror = ({ error }) => same<typeof error, SockeyeError>(true);

const subscription: Subscription = client.subscribe<{ text: string }>('chat', ({ data }) => data.text.length, { since: client.cursor });
subscription.addEventListener('join', (event: MemberEvent) => event.info);
subscription.addEventListener('my-event', () => {});
subscription.unsubscribe();
// @ts-expect-error: one client makes them
new Subscription();

const position: Promise<string> = client.publish('chat', { text: 'hello' }, { key: 'a1', fields: { lang: 'en' } });
void client.publish('pixels', new Uint8Array(3), { contentType: 'image/png' });
const members: Promise<Member[]> = client.presence('chat');
const history: Promise<History> = client.history('chat', { limit: 10, reverse: true });
void history.then(({ messages }) => messages.map((one): Message | Gap => (one.type === 'gap' ? one : { ...one, data: null })));
void position.catch((error: SockeyeError) => [error.code, error.name, error.channel]);
void members;

client.send(new Blob(['x']));
// @ts-expect-error: `publish` sends values
client.send({ text: 'hello' });
client.transports = ['poll'];
// @ts-expect-error: to be read only
client.transport = 'poll';
same<typeof client.readyState, 0 | 1 | 2 | 3>(true);
same<typeof Sockeye.CLOSED, 3>(true);
client.close(1000, 'done');
