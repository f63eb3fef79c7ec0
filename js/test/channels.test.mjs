// Subscribing, resuming and leaving, the same over every transport.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.mjs';

const TRANSPORTS = ['websocket', 'sse', 'long_poll', 'poll'];

for (const name of TRANSPORTS) {
  const only = { transports: [name] };

  test(`${name}: messages arrive once, in order, by handler and by event`, async () => {
    const world = new World();
    const client = world.client(only);
    const handled = [];
    client.subscribe('chat', ({ data }) => handled.push(data));
    await world.settle();
    assert.equal(client.readyState, client.OPEN);
    assert.equal(client.transport, name);
    assert.equal(client.client, 'q1');
    for (const data of [1, 2, 3]) world.server.publish('chat', { data });
    await world.pass(3000);
    assert.deepEqual(handled, [1, 2, 3]);
    assert.deepEqual(client.seen.data, ['chat:1', 'chat:2', 'chat:3']);
    assert.equal(client.cursor, 'chat~5f.3');
  });

  test(`${name}: a broken connection resumes at the cursor`, async () => {
    const world = new World();
    const client = world.client(only);
    client.subscribe('chat');
    client.subscribe('news');
    await world.settle();
    world.server.publish('chat', { data: 1 });
    await world.pass(3000);
    world.server.break();
    world.server.blocked.add(name);
    world.server.publish('chat', { data: 2 });
    world.server.publish('news', { data: 3 });
    await world.pass(5000);
    world.server.blocked.clear();
    await world.pass(60000);
    assert.deepEqual(client.seen.data, ['chat:1', 'chat:2', 'news:3']);
    assert.deepEqual(client.seen.gaps, []);
    assert.equal(client.readyState, client.OPEN);
    assert.equal(world.server.asks.at(-1).client, 'q1.sig');
  });

  test(`${name}: channels come and go at any time, each with its own start`, async () => {
    const world = new World();
    const { server } = world;
    for (const data of [1, 2]) server.publish('old', { data });
    const client = world.client(only);
    const chat = client.subscribe('chat');
    await world.settle();
    client.subscribe('old', null, { since: 'start' });
    client.subscribe('cut', null, { since: 'now' });
    await world.pass(4000);
    server.publish('chat', { data: 3 });
    server.publish('old', { data: 4 });
    await world.pass(4000);
    chat.unsubscribe();
    chat.unsubscribe();
    server.publish('chat', { data: 5 });
    await world.pass(4000);
    server.publish('chat', { data: 6 });
    server.publish('cut', { data: 7 });
    await world.pass(4000);
    assert.deepEqual(client.seen.data, ['old:1', 'old:2', 'chat:3', 'old:4', 'cut:7']);
    assert.deepEqual(client.seen.gaps, []);
    assert.equal(client.cursor, 'old~5f.3,cut~5f.1');
  });

  test(`${name}: a channel left and taken again at once starts anew`, async () => {
    const world = new World();
    const client = world.client(only);
    const first = client.subscribe('chat');
    await world.settle();
    world.server.publish('chat', { data: 1 });
    await world.pass(4000);
    first.unsubscribe();
    client.subscribe('chat', null, { since: 'start' });
    await world.pass(4000);
    world.server.publish('chat', { data: 2 });
    await world.pass(4000);
    assert.deepEqual(client.seen.data, ['chat:1', 'chat:1', 'chat:2']);
  });

  test(`${name}: a gap tells exactly what is missing`, async () => {
    const world = new World();
    world.server.historySize = 2;
    const client = world.client(only);
    const subscription = client.subscribe('chat');
    const heard = [];
    subscription.addEventListener('gap', ({ from, to }) => heard.push([from, to]));
    await world.settle();
    world.server.publish('chat', { data: 1 });
    await world.pass(3000);
    world.server.break();
    world.server.blocked.add(name);
    for (const data of [2, 3, 4, 5]) world.server.publish('chat', { data });
    world.server.blocked.clear();
    await world.pass(10000);
    assert.deepEqual(client.seen.data, ['chat:1', 'chat:4', 'chat:5']);
    assert.deepEqual(client.seen.gaps, [{ channel: 'chat', from: 2, to: 3, reason: 'expired' }]);
    assert.deepEqual(heard, [[2, 3]]);
  });

  test(`${name}: a server that has forgotten everything is a gap`, async () => {
    const world = new World();
    const client = world.client(only);
    client.subscribe('chat');
    await world.settle();
    for (const data of [1, 2]) world.server.publish('chat', { data });
    await world.pass(3000);
    world.server.restart('60');
    world.server.publish('chat', { data: 3 });
    await world.pass(10000);
    assert.deepEqual(client.seen.data, ['chat:1', 'chat:2', 'chat:3']);
    assert.equal(client.seen.gaps.length, 1);
    assert.equal(client.seen.gaps[0].reason, 'epoch');
    assert.equal(client.cursor, 'chat~60.1');
  });

  test(`${name}: a channel that is refused is an error, and the others go on`, async () => {
    const world = new World();
    world.server.refused.add('secret');
    const client = world.client(only);
    const refused = [];
    client.subscribe('secret').addEventListener('error', ({ error }) => refused.push(error.name));
    client.subscribe('chat');
    await world.settle();
    world.server.publish('chat', { data: 1 });
    await world.pass(4000);
    assert.deepEqual(client.seen.data, ['chat:1']);
    assert.ok(refused.length >= 1 && refused.every((one) => one === 'not_permitted'));
    assert.equal(client.seen.errors[0].channel, 'secret');
  });

  test(`${name}: what the token grants arrives without a subscription, and not after unsubscribing`, async () => {
    const world = new World();
    world.server.granted = ['inbox'];
    const client = world.client({ ...only, token: 'a.b.c' });
    await world.settle();
    assert.equal(client.readyState, client.OPEN);
    assert.equal(world.server.asks[0].token, 'a.b.c');
    world.server.publish('inbox', { data: 1 });
    await world.pass(4000);
    const inbox = client.subscribe('inbox');
    await world.pass(4000);
    world.server.publish('inbox', { data: 2 });
    await world.pass(4000);
    inbox.unsubscribe();
    await world.pass(4000);
    world.server.publish('inbox', { data: 3 });
    await world.pass(4000);
    assert.deepEqual(client.seen.data, ['inbox:1', 'inbox:2']);
  });

  test(`${name}: binary payloads arrive by binaryType`, async () => {
    const world = new World();
    const client = world.client({ ...only, binaryType: 'arraybuffer' });
    const got = [];
    client.onmessage = ({ data }) => got.push(data);
    client.subscribe('pixels');
    await world.settle();
    world.server.publish('pixels', { b64: 'AP8Q' });
    await world.pass(4000);
    client.binaryType = 'blob';
    world.server.publish('pixels', { b64: 'AP8Q', meta: { type: 'image/x-raw' } });
    await world.pass(4000);
    assert.deepEqual([...new Uint8Array(got[0])], [0, 255, 16]);
    assert.equal(got[1].type, 'image/x-raw');
    assert.deepEqual([...new Uint8Array(await got[1].arrayBuffer())], [0, 255, 16]);
  });
}

test('a name that no channel may have is refused at once, and harms nothing', async () => {
  for (const name of TRANSPORTS) {
    const world = new World();
    const client = world.client({ transports: [name] });
    client.subscribe('chat');
    await world.settle();
    const bad = ['', 'a b', 'a,b', 'a~b', 'a\n', 'ü', 'x'.repeat(256)];
    for (const one of bad) assert.throws(() => client.subscribe(one), { name: 'SyntaxError' }, one);
    for (const one of ['x'.repeat(255), 'az:AZ/09-_.@#$!+=%']) client.subscribe(one);
    await world.pass(4000);
    assert.deepEqual(world.server.asks.at(-1).channels.slice(0, 1), ['chat']);
    assert.equal(client.transport, name);
    client.close();
  }
});

test('two handlers of a channel share it; the last one to go leaves it', async () => {
  const world = new World();
  const client = world.client();
  const [one, other] = [[], []];
  const first = client.subscribe('chat', ({ data }) => one.push(data));
  client.subscribe('chat', ({ data }) => other.push(data));
  await world.settle();
  world.server.publish('chat', { data: 1 });
  first.unsubscribe();
  world.server.publish('chat', { data: 2 });
  await world.settle();
  assert.deepEqual([one, other], [[1], [1, 2]]);
});

test('a handler that unsubscribes another one or closes the client is obeyed at once', async () => {
  const world = new World();
  const client = world.client();
  const got = [];
  let other;
  client.subscribe('chat', () => other.unsubscribe());
  other = client.subscribe('chat', ({ data }) => got.push(data));
  await world.settle();
  world.server.publish('chat', { data: 1 });
  assert.deepEqual(got, []);
  client.subscribe('chat', () => client.close());
  client.subscribe('chat', ({ data }) => got.push(data));
  world.server.publish('chat', { data: 2 });
  await world.settle();
  assert.deepEqual(got, []);
  assert.deepEqual(client.seen.data, ['chat:1']);
});

test('a cursor from storage goes on where it was made', async () => {
  const world = new World();
  for (const data of [1, 2, 3]) world.server.publish('chat', { data });
  const client = world.client({ since: 'chat~5f.1' });
  client.subscribe('chat');
  client.subscribe('news', null, { since: 'start' });
  await world.settle();
  assert.deepEqual(client.seen.data, ['chat:2', 'chat:3']);
  assert.throws(() => world.client({ since: 'yesterday' }), { name: 'SyntaxError' });
});

test('more channels than fit into the URL of a WebSocket are subscribed by message', async () => {
  const world = new World();
  const client = world.client();
  const names = Array.from({ length: 100 }, (_, i) => `room:${'x'.repeat(100)}:${i}`);
  for (const name of names) client.subscribe(name);
  await world.settle();
  assert.ok(world.server.asks[0].channels.length < 20);
  for (const name of names) world.server.publish(name, { data: 1 });
  await world.settle();
  assert.equal(client.seen.data.length, 100);
  world.server.break();
  for (const name of names) world.server.publish(name, { data: 2 });
  await world.pass(2000);
  assert.equal(client.seen.data.length, 200);
});

test('without a channel the client rests, and goes on with the next one', async () => {
  const world = new World();
  const client = world.client({ transports: ['sse'] });
  await world.pass(60000);
  assert.deepEqual(world.server.asks, []);
  const chat = client.subscribe('chat');
  await world.settle();
  world.server.refusal = { code: 4103, name: 'no_channel' };
  chat.unsubscribe();
  await world.pass(60000);
  assert.equal(client.transport, null);
  assert.equal(client.readyState, client.OPEN);
  assert.equal(world.server.asks.length, 2);
  world.server.refusal = null;
  client.subscribe('news');
  await world.settle();
  assert.equal(client.transport, 'sse');
});

test('join and leave name the member', async () => {
  const world = new World();
  const client = world.client();
  const got = [];
  client.onjoin = ({ channel, user, info }) => got.push([channel, user, info]);
  client.onleave = ({ client: id }) => got.push(id);
  client.subscribe('chat');
  await world.settle();
  const [socket] = world.server.streams;
  socket.say({ type: 'join', channel: 'chat', client: 'q2', user: 'bob', info: { age: 7 } });
  socket.say({ type: 'leave', channel: 'chat', client: 'q2' });
  assert.deepEqual(got, [['chat', 'bob', { age: 7 }], 'q2']);
});
