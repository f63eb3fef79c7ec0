// The rules of the browser's WebSocket, as far as browser-api.md says that they are kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sockeye } from '../sockeye.js';
import { World } from './world.mjs';

async function connected(options) {
  const world = new World();
  const client = world.client(options);
  client.subscribe('chat');
  await world.settle();
  return { world, client, server: world.server };
}

test('the URL is taken relative to the page, and ws means http', () => {
  const window = { document: Object.assign(new EventTarget(), { baseURI: 'https://a.test/b/c' }) };
  const of = (text) => new Sockeye(text, { window }).url;
  assert.equal(of(undefined), 'https://a.test/stream');
  assert.equal(of('d'), 'https://a.test/b/d');
  assert.equal(of('ws://x.test/s'), 'http://x.test/s');
  assert.equal(of(new URL('wss://x.test/s?app=1')), 'https://x.test/s?app=1');
  for (const bad of ['ftp://x.test/', 'http://', '/s#here', '/s#']) assert.throws(() => of(bad), { name: 'SyntaxError' });
  assert.throws(() => new Sockeye('/stream', { window: {} }), { name: 'SyntaxError' });
});

test('the states are constants of the class and of each client', async () => {
  const { client } = await connected();
  assert.deepEqual([Sockeye.CONNECTING, Sockeye.OPEN, Sockeye.CLOSING, Sockeye.CLOSED], [0, 1, 2, 3]);
  assert.deepEqual([client.CONNECTING, client.OPEN, client.CLOSING, client.CLOSED], [0, 1, 2, 3]);
});

test('readyState stays OPEN across reconnects, and `open` comes once', async () => {
  const { world, client, server } = await connected();
  server.break();
  await world.settle();
  assert.equal(client.readyState, client.OPEN);
  assert.equal(client.transport, null);
  await world.pass(1000);
  assert.deepEqual(client.seen.events, ['open']);
  assert.deepEqual(client.seen.transports, ['websocket', null, 'websocket']);
});

test('close() checks its arguments', async () => {
  const { client } = await connected();
  for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, NaN]) assert.throws(() => client.close(code), { name: 'InvalidAccessError' });
  assert.throws(() => client.close(1000, 'ü'.repeat(62)), { name: 'SyntaxError' });
  assert.equal(client.readyState, client.OPEN);
  client.close(4999, 'ü'.repeat(61) + 'x');
  assert.equal(client.readyState, client.CLOSING);
});

for (const name of ['websocket', 'sse', 'long_poll', 'poll']) {
  test(`${name}: after close() nothing comes but one close`, async () => {
    const { world, client, server } = await connected({ transports: [name] });
    server.publish('chat', { data: 1 });
    client.close(3001, 'bye');
    client.close();
    assert.equal(client.readyState, client.CLOSING);
    assert.deepEqual(client.seen.events, ['open']);
    server.publish('chat', { data: 2 });
    await world.pass(60000);
    assert.deepEqual(client.seen.data, name === 'websocket' ? ['chat:1'] : []);
    assert.deepEqual(client.seen.events, ['open', 'close 3001']);
    assert.equal(client.readyState, client.CLOSED);
    assert.equal(server.streams.size, 0);
    assert.equal(world.clock.pending, 0);
    assert.throws(() => client.subscribe('news'), { name: 'InvalidStateError' });
  });
}

test('close() tells how it ended', async () => {
  const { world, client } = await connected();
  const closes = [];
  client.onclose = ({ code, reason, wasClean }) => closes.push({ code, reason, wasClean });
  client.close(1000, 'done');
  await world.settle();
  assert.deepEqual(closes, [{ code: 1000, reason: 'done', wasClean: true }]);
});

test('close() before the first open, or while reconnecting, is an error and a close with 1006', async () => {
  const world = new World();
  const early = world.client();
  early.subscribe('chat');
  early.close();
  assert.deepEqual(early.seen.events, []);
  await world.settle();
  assert.deepEqual(early.seen.events.map((one) => one.split(' ')[0]), ['error', 'close']);
  const { world: other, client, server } = await connected();
  server.break();
  await other.settle();
  client.close();
  await other.pass(60000);
  assert.deepEqual(client.seen.events, ['open', 'error', 'close 1006']);
});

test('send() publishes to the only channel, or to the one that is named', async () => {
  const { world, client, server } = await connected();
  client.send('text');
  client.send(new Uint8Array([0, 255, 16]).buffer);
  client.send(7);
  await world.settle();
  assert.deepEqual(server.log('chat').entries.map(({ data, b64 }) => data ?? b64), ['text', 'AP8Q', '7']);
  client.subscribe('news');
  assert.throws(() => client.send('where'), { name: 'InvalidStateError' });
  const named = await connected({ channel: 'out' });
  named.client.subscribe('news');
  named.client.send('x');
  await named.world.settle();
  assert.equal(named.server.log('out').head, 1);
});

test('what was sent before close() is delivered: all of it on a WebSocket, the first of it over HTTP', async () => {
  for (const name of ['websocket', 'sse', 'long_poll', 'poll']) {
    const { world, client, server } = await connected({ transports: [name] });
    for (let i = 1; i <= 100; i += 1) client.send(`${i}`);
    client.close();
    await world.pass(60000);
    assert.equal(server.log('chat').head, name === 'websocket' ? 100 : 1, name);
    assert.deepEqual(client.seen.events, ['open', 'close 1005']);
  }
});

test('send() throws while CONNECTING, and drops and counts after the end', async () => {
  const world = new World();
  const client = world.client();
  client.subscribe('chat');
  assert.throws(() => client.send('x'), { name: 'InvalidStateError' });
  await world.settle();
  client.close();
  client.send('four');
  await world.settle();
  client.send('x');
  assert.equal(client.bufferedAmount, 9);
  assert.equal(world.server.publications.length, 0);
});

test('send() tells failures by `error`', async () => {
  const { world, client, server } = await connected();
  server.publishRefusal = { code: 4308, name: 'not_permitted', message: 'you may not' };
  client.send('x');
  await world.settle();
  assert.equal(client.seen.errors[0].code, 4308);
});

test('on… properties are listeners that can be replaced, in the order in which they were first set', async () => {
  const { world, client, server } = await connected();
  const got = [];
  assert.equal(client.onmessage, null);
  client.onmessage = () => got.push('old');
  client.addEventListener('message', () => got.push('listener'));
  client.onmessage = function onmessage() {
    got.push(this === client);
  };
  server.publish('chat', { data: 1 });
  client.onmessage = null;
  client.onmessage = 'nothing';
  assert.equal(client.onmessage, null);
  server.publish('chat', { data: 2 });
  await world.settle();
  assert.deepEqual(got, [true, 'listener', 'listener']);
});

test('a message event says where it is from', async () => {
  const { world, client, server } = await connected();
  let event;
  client.onmessage = (one) => (event = one);
  server.publish('chat', { data: 1 });
  await world.settle();
  assert.equal(event.type, 'message');
  assert.equal(event.origin, 'http://push.test');
  assert.equal(event.lastEventId, 'chat~5f.1');
  assert.deepEqual(event.meta, { time: 1 });
});

test('several clients do not know of each other', async () => {
  const world = new World();
  const [one, other] = [world.client(), world.client()];
  one.subscribe('chat');
  other.subscribe('news');
  await world.settle();
  world.server.publish('chat', { data: 1 });
  one.close();
  await world.settle();
  assert.deepEqual(other.seen.data, []);
  assert.equal(other.readyState, other.OPEN);
});
