// The browser client in Node against a real server: with the WebSocket of `ws`, and without one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Sockeye } from '../../js/sockeye.js';
import { serve } from './server.mjs';

const TIMEOUT = { timeout: 60_000 };
// Node 20 has no WebSocket of its own; where there is one, it is not to be used here.
const WAYS = [
    { name: 'with the WebSocket of `ws`', transport: 'websocket', options: { WebSocket } },
    { name: 'without a WebSocket', transport: 'sse', options: { WebSocket: undefined } },
];

for (const { name, transport, options } of WAYS) {
    test(`${name}: it follows, publishes, asks, and takes its leave`, TIMEOUT, async () => {
        const server = await serve({ options: ['--namespace-presence'] });
        const client = new Sockeye(`${server.url}/stream`, { ...options, binaryType: 'arraybuffer' });
        const messages = collect(client.subscribe('node'), 'message');
        await once(client, 'open');
        assert.equal(client.transport, transport);
        const payloads = [{ text: 'hello' }, 'a "text"', new Uint8Array([0, 255, 16])];
        const positions = [];
        for (const payload of payloads) positions.push(await client.publish('node', payload, { fields: { n: 1 } }));
        const received = await messages.first(payloads.length);
        assert.deepEqual(received.map(({ position }) => position), positions);
        assert.deepEqual(received.map(({ data }) => (data instanceof ArrayBuffer ? new Uint8Array(data) : data)), payloads);
        for (const { meta } of received) assert.deepEqual([meta.client, meta.fields], [client.client, { n: 1 }]);
        assert.deepEqual((await client.presence('node')).map(({ client }) => client), [client.client]);
        const history = await client.history('node', { limit: 2, reverse: true });
        assert.deepEqual(history.messages.map(({ position }) => position), positions.slice(1).reverse());
        assert.equal(history.position, client.cursor);
        assert.ok(client.rtt >= 0);
        const closed = once(client, 'close');
        client.close(3001);
        const [{ code, wasClean }] = await closed;
        assert.deepEqual({ code, wasClean }, { code: 3001, wasClean: true });
        while (await connections(server.url)); // until the server has seen it, too
        await server.stop();
    });

    for (const signal of ['SIGTERM', 'SIGKILL']) {
        test(`${name}: it outlives a server that ends by ${signal}, and is told of the gap`, TIMEOUT, async () => {
            let server = await serve({ options: ['--drain', '1s'] });
            const quick = { minDelay: 50, maxDelay: 200, transports: [transport] };
            const client = new Sockeye(`${server.url}/stream`, { ...options, ...quick });
            const [messages, gaps, states, errors] = ['message', 'gap', 'transport', 'error'].map((type) => collect(client, type));
            client.subscribe('node');
            client.subscribe('idle');
            await client.publish('node', 'before');
            await messages.first(1);
            await server.stop(signal);
            const [, lost] = await states.first(2);
            assert.equal(lost.transport, null);
            assert.equal(lost.code === 4000, signal === 'SIGTERM', `code ${lost.code}`);
            const meanwhile = client.publish('node', 'meanwhile');
            server = await serve({ port: server.port });
            const position = await meanwhile;
            const after = await client.publish('node', 'after');
            const received = await messages.first(3);
            assert.deepEqual(received.map(({ data }) => data), ['before', 'meanwhile', 'after']);
            assert.deepEqual(received.slice(1).map((message) => message.position), [position, after]);
            const told = (await gaps.first(2)).map(({ channel, reason, from, to }) => ({ channel, reason, from, to }));
            const gap = { reason: 'epoch', from: undefined, to: 0 };
            assert.deepEqual(told.sort((one, other) => (one.channel < other.channel ? -1 : 1)), [{ channel: 'idle', ...gap }, { channel: 'node', ...gap }]);
            assert.equal(client.transport, transport);
            assert.equal(client.readyState, client.OPEN);
            assert.deepEqual(errors.all, []);
            client.close();
            await server.stop();
        });
    }

    test(`${name}: a program ends by itself once its client is closed`, TIMEOUT, async () => {
        const server = await serve();
        const program = `
            const { Sockeye } = await import(${JSON.stringify(new URL('../../js/sockeye.js', import.meta.url))});
            const WebSocket = ${options.WebSocket ? "(await import('ws')).WebSocket" : 'undefined'};
            const client = new Sockeye('${server.url}/stream', { WebSocket });
            client.subscribe('node', ({ data }) => {
                console.log(client.transport, data);
                client.close();
            });
            await client.publish('node', 'hello');
        `;
        const where = { cwd: new URL('.', import.meta.url), stdio: ['ignore', 'pipe', 'inherit'] };
        const child = spawn(process.execPath, ['--input-type=module', '--eval', program], where);
        const [output, [code]] = await Promise.all([child.stdout.toArray(), once(child, 'exit')]);
        assert.deepEqual([output.join(''), code], [`${transport} hello\n`, 0]);
        await server.stop();
    });
}

/** The events of a kind: `all` that have come, and `first(n)`, which waits until there are so many. */
function collect(target, type) {
    const all = [];
    target.addEventListener(type, (event) => all.push(event));
    const first = async (count) => {
        while (all.length < count) await once(target, type);
        return all.slice(0, count);
    };
    return { all, first };
}

async function connections(url) {
    const info = await (await fetch(`${url}/api/info`)).json();
    return Object.values(info.connections).reduce((sum, count) => sum + count);
}
