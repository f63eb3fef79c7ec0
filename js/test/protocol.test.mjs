// The examples and the table of codes in docs/protocol.md, as input.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EventStreamParser } from '../sockeye-connection.js';
import { World } from './world.mjs';

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const blocks = page.matchAll(/<!-- vector ([\w-]+)(?: hex)? -->\n```\w*\n([\s\S]*?)\n```/g);
const text = Object.fromEntries([...blocks].map(([, name, body]) => [name, body]));
const vector = (name) => JSON.parse(text[name]);

async function connected(options) {
  const world = new World();
  for (const channel of ['chat', 'news', 'pixels']) world.server.log(channel);
  Object.assign(world.server.log('chat'), { head: 41 });
  Object.assign(world.server.log('news'), { head: 7 });
  const client = world.client({ binaryType: 'arraybuffer', ...options });
  for (const channel of ['chat', 'news', 'pixels']) client.subscribe(channel);
  await world.settle();
  const [socket] = world.server.streams;
  const events = [];
  for (const type of ['message', 'gap', 'join', 'leave', 'error']) client.addEventListener(type, (event) => events.push(event));
  return { world, client, socket, events };
}

/** Starts requests, and tells what the client has sent and what it makes of the answers. */
async function exchange(start, answers) {
  const { world, client, socket } = await connected();
  socket.send = (data) => socket.sent.push(data);
  socket.sent = [];
  const result = start(client);
  await world.settle();
  const sent = socket.sent.map((one) => JSON.parse(one));
  for (const [i, name] of answers.entries()) socket.say({ ...vector(name), id: sent[i].id });
  return { sent, result: await result, client };
}

function withoutId({ id, ...message }) {
  assert.equal(typeof id, 'number');
  return message;
}

test('the page has vectors', () => assert.ok(Object.keys(text).length > 25));

test('open', async () => {
  const { world, client } = await connected();
  const [socket] = world.server.streams;
  world.server.silent.add('websocket');
  socket.break();
  await world.pass(1000);
  const [next] = world.server.streams;
  next.say(vector('open'));
  assert.equal(client.client, 'q3l0');
  assert.equal(client.transport, 'websocket');
  assert.equal(next.ask.since, 'chat~5f.41,news~5f.7,pixels~5f.0');
});

test('messages', async () => {
  const { socket, events, client } = await connected();
  for (const name of ['message-json', 'message-text', 'message-binary']) socket.say(text[name]);
  assert.deepEqual(events.map(({ channel }) => channel), ['chat', 'news', 'pixels']);
  assert.deepEqual(events[0].data, { text: 'hello' });
  assert.deepEqual(events[0].meta, { time: 1760000000000, client: 'q3l0', user: 'alice' });
  assert.equal(events[1].data, 'a "text"');
  assert.deepEqual([...new Uint8Array(events[2].data)], [0, 255, 16]);
  assert.deepEqual(events[2].meta.fields, { w: 3 });
  assert.equal(client.cursor, 'chat~5f.42,news~5f.8,pixels~5f.1');
});

test('a binary message', async () => {
  const { socket, events } = await connected();
  const bytes = text['message-bin-frame'].replace(/\s/g, '').match(/../g).map((hex) => parseInt(hex, 16));
  socket.say(new Uint8Array(bytes).buffer);
  assert.equal(events[0].position, 'pixels~5f.1');
  assert.deepEqual([...new Uint8Array(events[0].data)], [0, 255, 16]);
});

test('a binary message is published in the same form', async () => {
  const { world, client, socket } = await connected();
  client.publish('pixels', new Uint8Array([0, 255, 16]), { key: 'a1', contentType: 'image/x-raw' });
  await world.settle();
  const frame = socket.sent.at(-1);
  const length = new DataView(frame.buffer).getUint16(0);
  const head = JSON.parse(new TextDecoder().decode(frame.slice(2, 2 + length)));
  assert.deepEqual(withoutId(head), { type: 'publish', channel: 'pixels', key: 'a1', content_type: 'image/x-raw' });
  assert.deepEqual([...frame.slice(2 + length)], [0, 255, 16]);
});

test('gaps, join, leave, heartbeat, error', async () => {
  const { socket, events } = await connected();
  socket.say(text['message-json']);
  for (const name of ['gap', 'gap-epoch', 'join', 'leave', 'heartbeat', 'error']) socket.say(text[name]);
  const [, gap, epoch, join, leave, error] = events;
  assert.deepEqual([gap.from, gap.to, gap.reason, gap.position], [43, 60, 'expired', 'chat~5f.60']);
  assert.deepEqual([epoch.from, epoch.to, epoch.reason], [undefined, 12, 'epoch']);
  assert.deepEqual([join.client, join.user, join.info], ['q3l0', 'alice', { name: 'Alice' }]);
  assert.deepEqual([leave.client, leave.user], ['q3l0', 'alice']);
  assert.deepEqual([error.error.code, error.error.name, error.error.channel], [4308, 'not_permitted', 'news']);
  assert.equal(events.length, 6);
});

test('types and fields that are not known are ignored', async () => {
  const { socket, events, client } = await connected();
  socket.say({ type: 'weather', channel: 'chat', rain: true });
  socket.say({ ...vector('message-json'), mood: 'good' });
  assert.equal(events.length, 1);
  assert.equal(client.transport, 'websocket');
});

test('close', async () => {
  const { world, client, socket } = await connected();
  const told = [];
  client.ontransport = ({ code, reason, delay }) => told.push([code, reason, delay]);
  socket.say(text.close);
  await world.settle();
  assert.deepEqual(told, [[4000, 'the server is shutting down', 1730]]);
});

test('subscribe and unsubscribe', async () => {
  const { sent, client } = await exchange((one) => void one.subscribe('new', null, { since: 'new~5f.41' }), []);
  assert.deepEqual(withoutId(sent[0]), { ...withoutId(vector('client-subscribe')), channel: 'new', since: 'new~5f.41' });
  client.close();
  const { world, socket, client: other } = await connected();
  const late = other.subscribe('late');
  await world.settle();
  late.unsubscribe();
  await world.settle();
  assert.deepEqual(withoutId(JSON.parse(socket.sent.at(-1))), { ...withoutId(vector('client-unsubscribe')), channel: 'late' });
});

test('publish', async () => {
  const start = (client) => client.publish('chat', { text: 'hello' }, { key: 'a1', fields: { lang: 'en' } });
  const { sent, result } = await exchange(start, ['published']);
  assert.deepEqual(withoutId(sent[0]), withoutId(vector('client-publish')));
  assert.equal(result, 'chat~5f.42');
});

test('presence', async () => {
  const { sent, result } = await exchange((client) => client.presence('chat'), ['presence']);
  assert.deepEqual(withoutId(sent[0]), withoutId(vector('client-presence')));
  assert.deepEqual(result, vector('presence').members);
});

test('history', async () => {
  const { sent, result } = await exchange((client) => client.history('chat', { limit: 1, reverse: true }), ['history']);
  assert.deepEqual(withoutId(sent[0]), withoutId(vector('client-history')));
  assert.deepEqual(result, { position: 'chat~5f.42', messages: vector('history').messages });
});

test('ping', async () => {
  const { client, socket, world } = await connected();
  const pings = socket.sent.map((one) => JSON.parse(one)).filter(({ type }) => type === 'ping');
  assert.deepEqual(withoutId(pings[0]), withoutId(vector('client-ping')));
  await world.pass(30);
  socket.say(text.pong);
  assert.equal(client.rtt, 30);
});

test('an event stream, cut anywhere, with any line ends', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const stream = `\ufeff: comment\n${text.sse}\n\n`.slice(1).replaceAll('\n', end) + 'x';
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const data = [];
      const parser = new EventStreamParser();
      for (const part of [stream.slice(0, cut), stream.slice(cut)]) data.push(...[...parser.push(part)].map((one) => JSON.parse(one)));
      assert.deepEqual(data.map(({ type }) => type), ['open', 'message'], `cut at ${cut}`);
      assert.equal(parser.retry, 2210);
    }
  }
});

test('data of several lines is joined, an unfinished event is not told', () => {
  const data = new EventStreamParser().push('data: a\ndata:b\ndata\n\nevent: x\n\ndata: half');
  assert.deepEqual([...data], ['a\nb\n']);
});

test('a batch, and a publication by HTTP', async () => {
  const world = new World();
  const seen = [];
  const answer = (body) => new Response(body, { headers: { 'content-type': 'application/json' } });
  const fetch = async (url, init) => {
    seen.push([new URL(url).pathname, new URL(url).searchParams.toString(), init.method, init.body]);
    return answer(init.method === 'POST' ? text['http-published'] : text.batch);
  };
  const client = world.client({ transports: ['poll'], fetch });
  client.subscribe('chat');
  await world.settle();
  const position = client.publish('chat', { text: 'hello' }, { key: 'a1' });
  assert.equal(await position, 'chat~5f.42');
  await world.pass(3000);
  assert.equal(client.seen.data.length, 1);
  assert.equal(client.client, 'q3l0');
  assert.deepEqual(seen[1], ['/publish', 'channel=chat&key=a1&client=q3l0.9sTj', 'POST', '{"text":"hello"}']);
  assert.equal(seen[2][1], 'channel=chat&since=chat%7E5f.42&client=q3l0.9sTj&limit=1000');
});

const rows = [...page.matchAll(/^\| (4\d{3}) \| `(\w+)` \| (\d{3}) \| ([\w ]+) \|/gm)];

test('the client does at each code of the table what the table says', async () => {
  assert.ok(rows.length >= 30);
  for (const [, code, name, status, action] of rows) {
    for (const transport of ['websocket', 'sse', 'poll']) {
      const world = new World();
      let calls = 0;
      const token = () => `token${(calls += 1)}`;
      const client = world.client({ transports: [transport], token });
      client.subscribe('chat');
      world.server.refusal = { code: Number(code), name, status: Number(status) };
      await world.settle();
      world.server.refusal = null;
      await world.pass(1000);
      const comesBack = action === 'reconnect' || action === 'new token' || name === 'no_channel';
      assert.equal(client.readyState, comesBack ? client.OPEN : client.CLOSED, `${code} over ${transport}`);
      assert.equal(calls > 1, action === 'new token', `${code} over ${transport}`);
      client.close();
    }
  }
});
