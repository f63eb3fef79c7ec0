// Which transport is used, when the client comes back, and what it does at each code.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.mjs';

/** The transports asked for, each poll after the first of a link left out. */
const names = (world) => world.server.asks.map(({ transport }) => transport).filter((name, i, all) => name !== all[i - 1] || !name.endsWith('poll'));

async function connected(options, prepare = () => {}) {
  const world = new World();
  prepare(world);
  const client = world.client(options);
  client.subscribe('chat');
  await world.settle();
  return { world, client, server: world.server };
}

test('blocked transports are passed over, best first, without waiting', async () => {
  for (const [blocked, used] of [
    [[], 'websocket'],
    [['websocket'], 'sse'],
    [['websocket', 'sse'], 'long_poll'],
    [['websocket', 'sse', 'long_poll'], 'poll'],
  ]) {
    const { world, client, server } = await connected({}, (w) => blocked.forEach((one) => w.server.blocked.add(one)));
    await world.pass(0);
    assert.deepEqual(names(world), [...blocked, used]);
    assert.equal(client.transport, used);
    server.publish('chat', { data: 1 });
    await world.pass(3000);
    assert.deepEqual(client.seen.data, ['chat:1']);
  }
});

test('a silent transport is given up after `timeout`', async () => {
  for (const silent of [['websocket'], ['websocket', 'sse'], ['websocket', 'sse', 'long_poll']]) {
    const { world, client } = await connected({ timeout: 4000 }, (w) => silent.forEach((one) => w.server.silent.add(one)));
    await world.pass(4000 * silent.length - 1);
    assert.equal(client.transport, null);
    await world.pass(1);
    assert.deepEqual(names(world), [...silent, ['websocket', 'sse', 'long_poll', 'poll'][silent.length]]);
    assert.equal(client.readyState, client.OPEN);
  }
});

test('a network that is down is asked once a round, then after a growing delay', async () => {
  const { world, client, server } = await connected({}, (w) => ['websocket', 'sse', 'long_poll', 'poll'].forEach((one) => w.server.blocked.add(one)));
  await world.pass(0);
  assert.deepEqual(names(world), ['websocket', 'sse', 'long_poll', 'poll']);
  await world.pass(499);
  assert.equal(names(world).length, 4);
  await world.pass(1);
  assert.equal(names(world).length, 8);
  assert.deepEqual(client.seen.delays.filter(Boolean), [500, 1000]);
  server.blocked.clear();
  await world.pass(2000);
  assert.equal(client.transport, 'websocket');
  assert.deepEqual(client.seen.events, ['open']);
});

test('delays are random below a bound that doubles up to maxDelay', async () => {
  const { world, client, server } = await connected({ transports: ['sse'], maxDelay: 5000 });
  server.blocked.add('sse');
  world.random = () => 0.999999;
  server.break();
  await world.pass(60000);
  const bounds = client.seen.delays.slice(1, 7).map(Math.round);
  assert.deepEqual(bounds, [1000, 2000, 4000, 5000, 5000, 5000]);
  server.blocked.clear();
  await world.pass(5000);
  assert.equal(client.transport, 'sse');
  world.random = () => 0;
  [...server.streams][0].say({ type: 'close', code: 4001, name: 'slow_consumer', message: 'too slow' });
  await world.pass(0);
  assert.equal(client.transport, 'sse');
});

test('a transport that worked is tried three times before another one', async () => {
  const { world, server } = await connected({ climbDelay: 1e9 });
  await world.pass(10000);
  server.blocked.add('websocket');
  server.break();
  await world.pass(10000);
  assert.deepEqual(names(world), ['websocket', 'websocket', 'websocket', 'sse']);
});

test('a transport that opens and breaks at once, again and again, is left for another one', async () => {
  const { world, client, server } = await connected({ climbDelay: 1e9 });
  for (let i = 0; i < 12 && client.transport !== 'sse'; i += 1) {
    if (client.transport === 'websocket') server.break();
    await world.pass(500);
  }
  assert.equal(client.transport, 'sse');
  assert.equal(names(world).filter((name) => name === 'websocket').length, 3);
});

test('the client climbs back in the background, and loses and doubles nothing', async () => {
  const { world, client, server } = await connected({ climbDelay: 10000 }, (w) => w.server.blocked.add('websocket'));
  await world.pass(0);
  assert.equal(client.transport, 'sse');
  let count = 0;
  const publish = () => server.publish('chat', { data: (count += 1) });
  publish();
  await world.pass(10000);
  assert.equal(client.transport, 'sse');
  publish();
  server.blocked.clear();
  server.silent.add('websocket');
  await world.pass(20000);
  assert.deepEqual(names(world), ['websocket', 'sse', 'websocket', 'websocket']);
  publish();
  await world.pass(10000); // this attempt too has had its time
  assert.equal(client.transport, 'sse');
  server.silent.clear();
  for (let i = 0; i < 200 && client.transport === 'sse'; i += 1) {
    publish();
    await world.pass(250);
  }
  publish();
  await world.settle();
  assert.equal(client.transport, 'websocket');
  assert.equal(server.streams.size, 1);
  assert.deepEqual(client.seen.data, Array.from({ length: count }, (_, i) => `chat:${i + 1}`));
  assert.deepEqual(client.seen.transports.filter(Boolean), ['sse', 'websocket']);
  assert.deepEqual(client.seen.gaps, []);
});

test('what both links bring while one takes over is delivered once, and a gap without its known part', async () => {
  const { world, client, server } = await connected({ climbDelay: 1000 }, (w) => w.server.blocked.add('websocket'));
  await world.pass(0);
  server.blocked.clear();
  server.silent.add('websocket');
  await world.pass(1000);
  const socket = [...server.streams].find((stream) => stream.sent);
  for (const data of [1, 2, 3, 4, 5]) server.publish('chat', { data });
  await world.settle();
  server.silent.clear();
  socket.say({ type: 'open', client: 'q1.sig', cursor: 'chat~5f.0', channels: ['chat'], heartbeat: 25 });
  socket.say({ type: 'gap', channel: 'chat', position: 'chat~5f.2', from: 1, to: 2, reason: 'expired' });
  for (const offset of [3, 4, 5]) socket.say({ type: 'message', channel: 'chat', position: `chat~5f.${offset}`, data: offset, meta: {} });
  socket.say({ type: 'gap', channel: 'chat', position: 'chat~5f.7', from: 4, to: 7, reason: 'expired' });
  await world.settle();
  assert.equal(client.transport, 'websocket');
  assert.deepEqual(client.seen.data, [1, 2, 3, 4, 5].map((data) => `chat:${data}`));
  assert.deepEqual(client.seen.gaps, [{ channel: 'chat', from: 6, to: 7, reason: 'expired' }]);
});

test('a short failure of the WebSocket does not end a client with more channels than other transports take', async () => {
  const { world, client, server } = await connected({ climbDelay: 1e9 });
  const channels = Array.from({ length: 100 }, (_, i) => `room:${i}`);
  for (const channel of channels) client.subscribe(channel);
  await world.pass(6000);
  server.blocked.add('websocket');
  server.break();
  await world.pass(20000);
  assert.ok(['sse', 'long_poll', 'poll'].every((one) => names(world).includes(one)));
  assert.equal(client.readyState, client.OPEN);
  server.blocked.clear();
  await world.pass(30000);
  for (const channel of channels) server.publish(channel, { data: 1 });
  await world.settle();
  assert.equal(client.seen.data.length, 100);
  const alone = await connected({ transports: ['sse'] });
  for (const channel of channels) alone.client.subscribe(channel);
  await alone.world.pass(1000);
  assert.deepEqual(alone.client.seen.events, ['open', 'close 4306']);
});

test('the 33rd channel moves an event stream to the WebSocket, once there is one', async () => {
  const { world, client, server } = await connected({ climbDelay: 1e9 }, (w) => w.server.blocked.add('websocket'));
  await world.pass(0);
  assert.equal(client.transport, 'sse');
  const channels = Array.from({ length: 32 }, (_, i) => `room:${i}`);
  for (const channel of channels) client.subscribe(channel);
  await world.pass(20000);
  server.publish('chat', { data: 1 });
  await world.settle();
  assert.deepEqual(client.seen.data, ['chat:1']);
  server.blocked.clear();
  await world.pass(60000);
  assert.equal(client.transport, 'websocket');
  for (const channel of channels) server.publish(channel, { data: 2 });
  await world.settle();
  assert.equal(client.seen.data.length, 33);
  assert.deepEqual(client.seen.transports, [null, 'sse', 'websocket']);
});

for (const name of ['sse', 'long_poll', 'poll']) {
  test(`${name}: the link stays while one for a new channel fails`, async () => {
    for (const fail of [(server) => server.blocked.add(name), (server) => (server.refusal = { code: 4003, name: 'overloaded', status: 503 })]) {
      const { world, client, server } = await connected({ transports: [name], interval: 500 });
      const [before] = client.seen.transports;
      fail(server);
      client.subscribe('news');
      await world.settle();
      assert.equal(client.transport, name);
      server.blocked.clear();
      server.refusal = null;
      server.publish('chat', { data: 1 });
      await world.settle();
      if (name === 'sse') assert.deepEqual(client.seen.data, ['chat:1']);
      await world.pass(5000);
      server.publish('news', { data: 2 });
      await world.pass(1000);
      assert.deepEqual(client.seen.data, ['chat:1', 'news:2']);
      assert.deepEqual(client.seen.transports, [before]);
      client.close();
      await world.pass(60000);
      assert.equal(world.clock.pending, 0);
    }
  });
}

test('the old link may die while the new one opens', async () => {
  const { world, client, server } = await connected({ climbDelay: 1000 }, (w) => w.server.blocked.add('websocket'));
  await world.pass(0);
  server.blocked.clear();
  server.silent.add('websocket');
  await world.pass(1000);
  server.break();
  server.silent.clear();
  server.publish('chat', { data: 1 });
  await world.pass(3000);
  assert.deepEqual(client.seen.data, ['chat:1']);
});

test('`transports` moves to another one while the client runs', async () => {
  const { world, client, server } = await connected();
  for (const name of ['poll', 'sse', 'long_poll', 'websocket']) {
    client.transports = [name];
    await world.settle();
    assert.equal(client.transport, name);
    server.publish('chat', { data: name });
    await world.pass(3000);
  }
  assert.deepEqual(client.seen.data, ['poll', 'sse', 'long_poll', 'websocket'].map((name) => `chat:${name}`));
  assert.throws(() => (client.transports = ['pigeon']), { name: 'NotSupportedError' });
});

test('a transport that may no longer be used is not tried again', async () => {
  const { world, client, server } = await connected({ climbDelay: 1e9 });
  server.blocked.add('poll');
  client.transports = ['poll', 'sse'];
  server.blocked.add('sse');
  await world.settle();
  assert.equal(client.transport, 'websocket'); // until another one works
  server.break();
  await world.pass(100);
  server.blocked.clear();
  await world.pass(5000);
  assert.ok(['poll', 'sse'].includes(client.transport));
  assert.equal(names(world).filter((name) => name === 'websocket').length, 1);
});

test('a climb that takes the place of a change of channels does not lose it', async () => {
  const { world, client, server } = await connected({}, (w) => w.server.blocked.add('websocket'));
  await world.pass(0);
  client.subscribe('news');
  await Promise.resolve();
  world.window.dispatchEvent(new Event('online'));
  client.transports = ['websocket', 'sse'];
  await world.settle();
  server.publish('news', { data: 1 });
  await world.pass(1000);
  assert.deepEqual(client.seen.data, ['news:1']);
});

test('climbing waits longer each time, and as before once the best transport has held', async () => {
  const { world, client, server } = await connected({ climbDelay: 10000 }, (w) => w.server.blocked.add('websocket'));
  server.heartbeat = 1e6;
  await world.pass(75000);
  const attempts = () => names(world).filter((name) => name === 'websocket').length;
  assert.equal(attempts(), 4); // the first one, and after 10, 30 and 70 s
  server.blocked.clear();
  await world.pass(80000);
  assert.equal(client.transport, 'websocket');
  server.blocked.add('websocket');
  server.break();
  await world.pass(8000);
  assert.equal(client.transport, 'sse');
  const before = attempts();
  await world.pass(11000);
  assert.equal(attempts(), before + 1);
});

test('where a stream starts does not hide that the server has forgotten', async () => {
  const { world, client, server } = await connected();
  server.publish('chat', { data: 1 });
  server.silent.add('websocket');
  server.break();
  await world.pass(1000);
  const [socket] = server.streams;
  socket.say({ type: 'open', client: 'q1.sig', cursor: 'chat~60.3', channels: ['chat'], heartbeat: 25 });
  socket.say({ type: 'gap', channel: 'chat', position: 'chat~60.3', to: 3, reason: 'epoch' });
  assert.equal(client.seen.gaps.length, 1);
});

test('without a WebSocket class the event stream is first', async () => {
  const { world } = await connected({ WebSocket: null });
  assert.deepEqual(names(world), ['sse']);
});

test('a link that is silent for twice the heartbeat is dead', async () => {
  for (const name of ['websocket', 'sse']) {
    const { world, client, server } = await connected({ transports: [name] });
    await world.pass(40000);
    [...server.streams][0].say({ type: 'heartbeat' });
    await world.pass(49999);
    assert.equal(names(world).length, 1);
    await world.pass(1);
    assert.equal(client.transport, null);
    await world.pass(1000);
    assert.equal(client.transport, name);
  }
});

test('a long poll without an answer is dead', async () => {
  const { world, client, server } = await connected({ transports: ['long_poll'], wait: 10, timeout: 3000 });
  server.silent.add('long_poll');
  await world.pass(10000); // the poll that is under way has its answer
  await world.pass(12999);
  assert.equal(client.transport, 'long_poll');
  await world.pass(1);
  assert.equal(client.transport, null);
});

for (const transports of [['websocket'], ['sse'], ['poll']]) {
  const [name] = transports;

  test(`${name}: 40xx comes back, and not before \`retry\``, async () => {
    const refusal = { code: 4000, name: 'draining', status: 503, ...(name === 'sse' && { retry: 1730 }) };
    const { world, client, server } = await connected({ transports }, (w) => (w.server.refusal = refusal));
    await world.pass(0);
    assert.deepEqual(client.seen.delays, [name === 'sse' ? 1730 : 500]);
    server.refusal = null;
    await world.pass(client.seen.delays[0]);
    assert.equal(client.transport, name);
  });

  test(`${name}: 41xx stops`, async () => {
    const { world, client } = await connected({ transports }, (w) => (w.server.refusal = { code: 4101, name: 'forbidden', status: 403 }));
    await world.pass(60000);
    assert.equal(names(world).length, 1);
    assert.equal(client.readyState, client.CLOSED);
    assert.deepEqual(client.seen.events, ['close 4101']);
    assert.equal(world.clock.pending, 0);
  });

  test(`${name}: 42xx asks for another token, at once the first time`, async () => {
    let calls = 0;
    const token = async () => `token${(calls += 1)}`;
    const { world, client, server } = await connected({ transports, token }, (w) => (w.server.refusal = { code: 4202, name: 'token_expired', status: 401 }));
    await world.pass(0);
    assert.deepEqual(client.seen.delays, [0, 500]);
    assert.equal(calls, 2);
    server.refusal = null;
    await world.pass(500);
    assert.equal(client.transport, name);
    assert.equal(server.asks.at(-1).token, 'token3');
    server.break();
    await world.pass(1000);
    assert.equal(calls, 3);
  });

  test(`${name}: 42xx with a fixed token stops`, async () => {
    const { world, client } = await connected({ transports, token: 'fixed' }, (w) => (w.server.refusal = { code: 4201, name: 'token_invalid', status: 401 }));
    await world.pass(60000);
    assert.deepEqual(client.seen.events, ['close 4201']);
  });
}

test('a server that wants a token says so before `timeout`', async () => {
  for (const transports of [['websocket'], ['websocket', 'sse'], ['sse'], ['long_poll'], ['poll']]) {
    const { world, client } = await connected({ transports }, (w) => (w.server.wantsToken = true));
    await world.pass(4000);
    assert.deepEqual(client.seen.events, ['close 4200'], `${transports}`);
    let calls = 0;
    const token = () => ((calls += 1) > 1 ? 'token' : '');
    const late = await connected({ transports, token }, (w) => (w.server.wantsToken = true));
    await late.world.pass(0);
    assert.equal(late.client.transport, transports[0]);
    assert.equal(late.server.asks.at(-1).token, 'token');
    late.client.close();
  }
});

test('a running connection obeys codes, those of WebSocket too', async () => {
  for (const [code, stops] of [
    [4001, false], [4007, false], [1000, false], [1001, false], [1006, false], [1011, false], [1012, false],
    [4100, true], [4200, true], [4304, true], [1002, true], [1003, true], [1007, true], [1009, true], [1010, true],
  ]) {
    const { world, client, server } = await connected();
    [...server.streams][0].shut({ code, reason: 'why', wasClean: code !== 1006 });
    await world.pass(1000);
    assert.equal(client.readyState, stops ? client.CLOSED : client.OPEN, `code ${code}`);
    assert.deepEqual(client.seen.events, stops ? ['open', `close ${code}`] : ['open']);
  }
});

test('a stream or batch ends by its `close` message', async () => {
  const { world, client, server } = await connected({ transports: ['sse'] });
  [...server.streams][0].say({ type: 'close', code: 4006, name: 'moved', message: 'elsewhere', retry: 250 });
  await world.settle();
  assert.deepEqual(client.seen.delays, [250]);
  await world.pass(250);
  assert.equal(client.transport, 'sse');
});

test('a batch that ends in a `close` counts too', async () => {
  for (const transport of ['long_poll', 'poll']) {
    const world = new World();
    const message = { type: 'message', channel: 'chat', position: 'chat~5f.1', data: 1, meta: { time: 1 } };
    const close = { type: 'close', code: 4006, name: 'moved', message: 'elsewhere', retry: 250 };
    const batch = { type: 'batch', client: 'q1.sig', messages: [message, close], cursor: 'chat~5f.1,news~5f.3' };
    const asked = [];
    const fetch = async (url) => {
      asked.push(new URL(url).searchParams.get('since'));
      return new Response(JSON.stringify(batch), { headers: { 'content-type': 'application/json' } });
    };
    const client = world.client({ transports: [transport], fetch });
    for (const channel of ['chat', 'news']) client.subscribe(channel);
    await world.settle();
    assert.deepEqual([client.seen.data, client.seen.delays], [['chat:1'], [250]]);
    await world.pass(250);
    assert.deepEqual(asked, ['now', 'chat~5f.1,news~5f.3']);
    client.close();
  }
});

test("an event stream's `retry` is the delay when it just ends", async () => {
  const { world, client, server } = await connected({ transports: ['sse'] });
  server.break();
  await world.settle();
  assert.deepEqual(client.seen.delays, [700]);
});

test("a proxy's 502, 503 or page in place of the stream is a failure, not the end", async () => {
  for (const answer of [
    () => new Response('bad gateway', { status: 502 }),
    () => new Response('busy', { status: 503 }),
    () => new Response('<p>sign in</p>', { headers: { 'content-type': 'text/html' } }),
  ]) {
    const world = new World();
    let isBroken = true;
    const fetch = (url, init) => (isBroken ? Promise.resolve(answer()) : world.server.fetch(url, init));
    const client = world.client({ transports: ['sse', 'poll'], fetch });
    client.subscribe('chat');
    await world.pass(200);
    isBroken = false;
    await world.pass(2000);
    assert.equal(client.transport, 'sse');
  }
});

test('204 is the end', async () => {
  const world = new World();
  const client = world.client({ transports: ['sse'], fetch: async () => new Response(null, { status: 204 }) });
  client.subscribe('chat');
  await world.pass(1000);
  assert.equal(client.readyState, client.CLOSED);
});

test('a token function that fails is asked again after a delay', async () => {
  let calls = 0;
  const token = () => {
    if ((calls += 1) < 3) throw new Error('no session');
    return 'late';
  };
  const { world, client, server } = await connected({ token });
  await world.pass(2000);
  assert.equal(calls, 3);
  assert.deepEqual(names(world), ['websocket']);
  assert.equal(server.asks[0].token, 'late');
  assert.equal(client.readyState, client.OPEN);
});

const tokenUntil = (seconds) => `e30.${btoa(JSON.stringify({ exp: seconds })).replaceAll('=', '')}.sig`;

test('a token is replaced before it expires, on the same WebSocket, or by a new stream', async () => {
  for (const name of ['websocket', 'sse', 'long_poll']) {
    const world = new World();
    world.server.heartbeat = 1000;
    let calls = 0;
    const token = () => tokenUntil(world.clock.now() / 1000 + 100 * (calls += 1));
    const client = world.client({ token, transports: [name] });
    client.subscribe('chat');
    await world.settle();
    const [socket] = world.server.streams;
    await world.pass(89000);
    assert.equal(calls, 1);
    await world.pass(2000);
    assert.equal(calls, 2);
    world.server.publish('chat', { data: 1 });
    await world.settle();
    assert.deepEqual(client.seen.data, ['chat:1']);
    assert.deepEqual(client.seen.transports, [name]);
    if (name === 'websocket') assert.deepEqual(socket.sent.map((sent) => JSON.parse(sent).type), ['ping', 'token']);
    else assert.notEqual(world.server.asks.at(-1).token, world.server.asks[0].token);
  }
});

test('coming online, or into view, ends the waiting', async () => {
  const { world, client, server } = await connected({ transports: ['sse'], minDelay: 20000 });
  server.blocked.add('sse');
  server.break();
  await world.pass(2000);
  server.blocked.clear();
  assert.equal(client.transport, null);
  world.window.document.visibilityState = 'hidden';
  world.window.document.dispatchEvent(new Event('visibilitychange'));
  await world.settle();
  assert.equal(client.transport, null);
  world.window.document.visibilityState = 'visible';
  world.window.document.dispatchEvent(new Event('visibilitychange'));
  await world.settle();
  assert.equal(client.transport, 'sse');
});

test('a WebSocket that died while the page slept is found soon after it wakes', async () => {
  const { world, client, server } = await connected();
  await world.pass(20000);
  server.silent.add('websocket');
  world.window.dispatchEvent(new Event('online'));
  await world.pass(4999);
  assert.equal(client.transport, 'websocket');
  server.silent.clear();
  await world.pass(1001);
  assert.equal(names(world).length, 2);
  world.window.dispatchEvent(new Event('online'));
  await world.pass(10000);
  assert.equal(names(world).length, 2);
});

test('a server that hangs behind an open WebSocket is found by a ping', async () => {
  const { world, client, server } = await connected({ pingInterval: 20000 });
  await world.pass(19999);
  server.silent.add('websocket');
  await world.pass(5000);
  assert.equal(client.transport, 'websocket');
  await world.pass(1);
  assert.equal(client.transport, null);
  server.silent.clear();
  await world.pass(120000);
  assert.equal(client.transport, 'websocket');
  assert.equal(names(world).length, 2);
});

test('rtt is measured by pings on a WebSocket', async () => {
  const { world, client } = await connected({ pingInterval: 20000 });
  assert.equal(client.rtt, 0);
  const count = () => [...world.server.streams][0].sent.filter((sent) => JSON.parse(sent).type === 'ping').length;
  assert.equal(count(), 1);
  await world.pass(40000);
  assert.equal(count(), 3);
});

test('a garbled message ends the link, and the next one goes on', async () => {
  const { world, client, server } = await connected();
  [...server.streams][0].onmessage({ data: '<html>' });
  await world.pass(1000);
  assert.equal(client.transport, 'websocket');
  assert.equal(names(world).length, 2);
});
