// Publish, presence and history, over the WebSocket and by HTTP.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SockeyeError } from '../sockeye.js';
import { World } from './world.mjs';

async function connected(options) {
  const world = new World();
  const client = world.client(options);
  client.subscribe('chat');
  await world.settle();
  return { world, client, server: world.server };
}

/** What a promise has come to, once everything that needs no time has happened. */
async function outcome(world, promise) {
  let result = 'pending';
  promise.then((value) => (result = value), (error) => (result = error));
  await world.settle();
  return result;
}

for (const name of ['websocket', 'sse', 'long_poll', 'poll']) {
  test(`${name}: publish, presence and history answer`, async () => {
    const { world, client, server } = await connected({ transports: [name], binaryType: 'arraybuffer' });
    assert.equal(await outcome(world, client.publish('chat', { text: 'hello' })), 'chat~5f.1');
    assert.equal(await outcome(world, client.publish('chat', 'text')), 'chat~5f.2');
    assert.equal(await outcome(world, client.publish('chat', new Uint8Array([0, 255, 16]))), 'chat~5f.3');
    assert.equal(await outcome(world, client.publish('chat', new Blob([new Uint8Array([0, 255, 16])]))), 'chat~5f.4');
    assert.deepEqual(server.log('chat').entries.map(({ data, b64 }) => data ?? b64), [{ text: 'hello' }, 'text', 'AP8Q', 'AP8Q']);
    assert.deepEqual(await outcome(world, client.presence('chat')), [{ client: 'q1' }]);
    const { messages, position } = await outcome(world, client.history('chat', { limit: 2 }));
    assert.equal(position, 'chat~5f.4');
    assert.deepEqual(messages.map(({ data }) => [...new Uint8Array(data)]), [[0, 255, 16], [0, 255, 16]]);
  });

  test(`${name}: an answer lost with the connection does not double the publication`, async () => {
    const { world, client, server } = await connected({ transports: [name] });
    server.loseAnswers = 1;
    const position = client.publish('chat', 1);
    await world.pass(5000);
    assert.equal(await outcome(world, position), 'chat~5f.1');
    assert.equal(server.publications.length, 2);
    assert.equal(server.publications[0].key, server.publications[1].key);
    await world.pass(5000);
    assert.deepEqual(client.seen.data, ['chat:1']);
  });

  test(`${name}: a refusal is an error with its code, and only that request's`, async () => {
    const { world, client, server } = await connected({ transports: [name] });
    server.publishRefusal = { code: 4308, name: 'not_permitted', message: 'you may not', status: 403 };
    const error = await outcome(world, client.publish('chat', 1));
    assert.ok(error instanceof SockeyeError && error instanceof Error);
    assert.deepEqual([error.code, error.name, error.message], [4308, 'not_permitted', 'you may not']);
    assert.equal(client.readyState, client.OPEN);
    assert.deepEqual(client.seen.errors, []);
  });
}

test('publications keep their order across a break and a change of transport', async () => {
  const { world, client, server } = await connected({ climbDelay: 1e9 });
  await world.pass(6000);
  server.loseAnswers = 1;
  for (let i = 1; i <= 5; i += 1) client.publish('chat', i);
  server.blocked.add('websocket');
  await world.settle();
  for (let i = 6; i <= 8; i += 1) client.publish('chat', i);
  await world.pass(20000);
  assert.equal(client.transport, 'sse');
  assert.deepEqual(client.seen.data, [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `chat:${i}`));
});

test('publications keep their order when the server could not take them for a while', async () => {
  const { world, client, server } = await connected();
  server.publishRefusal = { code: 4004, name: 'unavailable', message: 'not now' };
  for (let i = 1; i <= 3; i += 1) client.publish('chat', i);
  await world.settle();
  server.publishRefusal = null;
  await world.pass(2000);
  assert.deepEqual(client.seen.data, ['chat:1', 'chat:2', 'chat:3']);
});

for (const name of ['websocket', 'sse']) {
  test(`${name}: a backlog that the server limits arrives all the same, in order`, async () => {
    const { world, client, server } = await connected({ transports: [name] });
    server.rate = 100;
    server.historySize = 1000;
    await world.pass(6000);
    server.blocked = new Set([name]);
    server.break();
    const published = Array.from({ length: 400 }, (_, i) => client.publish('chat', i));
    const outcomes = Promise.allSettled(published);
    server.blocked.clear();
    await world.pass(29000);
    assert.deepEqual(client.seen.data, published.map((_, i) => `chat:${i}`));
    const refused = (await outcomes).filter(({ status }) => status !== 'fulfilled');
    assert.deepEqual(refused, []);
    assert.ok(client.seen.transports.filter((one) => !one).length <= 2, `${client.seen.transports}`);
  });
}

test('a WebSocket that floods again and again is sent less and less', async () => {
  const { world, client, server } = await connected();
  server.rate = 20;
  for (let i = 0; i < 200; i += 1) client.publish('chat', i);
  await world.pass(29000);
  assert.equal(server.log('chat').head, 200);
});

test('a WebSocket has 32 requests without an answer at most', async () => {
  const { world, client, server } = await connected();
  const [socket] = server.streams;
  const publications = () => socket.sent.filter((sent) => JSON.parse(sent).type === 'publish').length;
  for (let i = 0; i < 40; i += 1) client.publish('chat', i);
  await Promise.resolve();
  assert.equal(publications(), 32);
  await world.settle();
  assert.equal(publications(), 40);
});

test('what is published too fast is tried again until `requestTimeout`', async () => {
  for (const name of ['websocket', 'sse']) {
    const { world, client, server } = await connected({ transports: [name], requestTimeout: 10000 });
    server.publishRefusal = { code: 4307, name: 'rate_limited', message: 'too fast', status: 429 };
    const early = client.publish('chat', 1);
    await world.pass(5000);
    server.publishRefusal = null;
    await world.pass(4900);
    assert.equal(await outcome(world, early), 'chat~5f.1', name);
    server.publishRefusal = { code: 4307, name: 'rate_limited', message: 'too fast', status: 429 };
    const refused = client.publish('chat', 3);
    refused.catch(() => {});
    await world.pass(10000);
    assert.equal((await outcome(world, refused)).name, 'timeout', name);
  }
});

test('a blob keeps its place among what is published after it', async () => {
  const { world, client, server } = await connected();
  client.publish('chat', new Blob(['abc']));
  client.publish('chat', 2);
  await world.settle();
  assert.deepEqual(server.log('chat').entries.map(({ data, b64 }) => data ?? b64), ['AP8Q', 2]);
});

for (const name of ['websocket', 'sse']) {
  test(`${name}: a content type is one that the payload has, or a TypeError`, async () => {
    const { world, client, server } = await connected({ transports: [name] });
    const json = { a: 1 };
    for (const [data, contentType] of [
      [json, 'text/plain'], [json, 'image/png'], [7, 'text/plain'], ['x', 'image/png'], ['x', 'application/jsonx'], ['x', ''],
      ['x', 'application/x-www-form-urlencoded'], ['x', 'image/png; a=application/json'], [undefined, 'application/json'],
    ]) await assert.rejects(client.publish('chat', data, { contentType }), TypeError, `${data} as ${contentType}`);
    const bytes = new Uint8Array([0, 255, 16]);
    const blob = (type) => new Blob([bytes], { type });
    const accepted = [
      [json, undefined], [json, 'application/json'], [json, 'Application/LD+JSON ; a=b'], ['x', 'application/json'], ['x', 'text/markdown'],
      ['x', 'Text/plain; charset=utf-8'], [bytes, 'image/png'], [bytes, 'text/plain'], [bytes, undefined],
      [blob('image/png'), undefined], [blob(''), undefined], [blob('image/png'), 'image/gif'], [{ type: 'image/png' }, undefined],
    ];
    for (const [data, contentType] of accepted) client.publish('chat', data, { contentType });
    await world.settle();
    const types = accepted.map(([data, contentType]) => contentType ?? (data.size ? data.type || undefined : undefined));
    const usual = accepted.map(([data]) => (data === bytes || data.size ? 'application/octet-stream' : 'application/json'));
    const told = server.publications.map(({ type }) => type);
    assert.deepEqual(told, name === 'websocket' ? types : types.map((type, i) => type ?? usual[i]));
    if (name === 'sse') assert.deepEqual(server.publications.slice(2, 6).map(({ body }) => body), ['{"a":1}', '"x"', 'x', 'x']);
  });
}

test('what is published is the payload as it was then', async () => {
  const { world, client, server } = await connected({ transports: ['sse'] });
  const [object, bytes] = [{ n: 1 }, new Uint8Array([0, 255, 16])];
  client.publish('chat', object);
  client.publish('chat', bytes);
  object.n = 2;
  bytes.fill(9);
  await world.settle();
  assert.deepEqual(server.log('chat').entries.map(({ data, b64 }) => data ?? b64), [{ n: 1 }, 'AP8Q']);
  await assert.rejects(client.publish('chat', undefined), TypeError);
});

test('requests wait for the connection, and give up in time', async () => {
  const world = new World();
  world.server.blocked = new Set(['websocket', 'sse', 'long_poll', 'poll']);
  const client = world.client({ requestTimeout: 10000 });
  client.subscribe('chat');
  const early = client.publish('chat', 'hi!');
  early.catch(() => {});
  await world.settle();
  assert.equal(client.bufferedAmount, 5);
  assert.equal(world.server.publications.length, 0);
  await world.pass(9999);
  assert.equal(await outcome(world, early), 'pending');
  await world.pass(1);
  assert.equal((await outcome(world, early)).name, 'timeout');
  assert.equal(client.bufferedAmount, 0);
  world.server.blocked.clear();
  await world.pass(60000);
  assert.equal(world.server.publications.length, 0);
});

test('a client without channels publishes by HTTP', async () => {
  const world = new World();
  const client = world.client();
  assert.equal(await outcome(world, client.publish('chat', 1, { key: 'k1', fields: { n: 1 } })), 'chat~5f.1');
  assert.deepEqual(world.server.asks, []);
  assert.equal(world.server.publications[0].key, 'k1');
});

test('a POST that is told 40xx or nothing is repeated, 42xx once with a new token', async () => {
  let calls = 0;
  const { world, client, server } = await connected({ transports: ['sse'], token: () => `t${(calls += 1)}` });
  server.blocked.add('publish');
  const position = client.publish('chat', 1);
  await world.pass(1400);
  server.blocked.delete('publish');
  server.publishRefusal = { code: 4004, name: 'unavailable', message: 'not now', status: 503 };
  await world.pass(2000);
  server.publishRefusal = null;
  await world.pass(8000);
  assert.equal(await outcome(world, position), 'chat~5f.1');
  assert.equal(calls, 1);
  server.publishRefusal = { code: 4202, name: 'token_expired', message: 'old', status: 401 };
  const refused = client.publish('chat', 2);
  refused.catch(() => {});
  await world.pass(2000);
  assert.equal((await outcome(world, refused)).code, 4202);
  assert.equal(calls, 2);
});

test('requests after or during the end are rejected', async () => {
  const { world, client, server } = await connected();
  server.silent.add('websocket');
  const during = client.publish('chat', 1);
  during.catch(() => {});
  client.close();
  assert.equal((await outcome(world, during)).name, 'closed');
  assert.equal((await outcome(world, client.presence('chat'))).name, 'closed');
  assert.equal(world.clock.pending, 0);
});
