// `ws` as server, `sockeye connect` as client.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createPlain } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { connect, files, pem } from '../sockeye.mjs';

const TIMEOUT = { timeout: 60_000 };

const variants = [
    { name: 'plain', server: {}, options: [], extensions: '' },
    { name: 'deflate offered only', server: {}, options: ['--deflate'], extensions: '' },
    { name: 'deflate known only', server: { perMessageDeflate: true }, options: [], extensions: '' },
    {
        name: 'deflate',
        server: { perMessageDeflate: { threshold: 0 } },
        options: ['--deflate'],
        extensions: 'permessage-deflate',
    },
    {
        name: 'deflate without context takeover',
        server: {
            perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
        },
        options: ['--deflate'],
        extensions: 'permessage-deflate',
    },
    {
        name: 'wss',
        server: { perMessageDeflate: { threshold: 0 } },
        tls: { cert: pem('certificate'), key: pem('key') },
        options: ['--deflate', '--ca', files.authority],
        extensions: 'permessage-deflate',
    },
];

for (const { name, server, tls, options, extensions } of variants) {
    describe(`ws server, ${name}`, TIMEOUT, () => {
        let running;
        before(async () => (running = await listen(server, tls)));
        after(() => running.stop());

        const opened = (...more) => accepted(running, ...options, ...more);

        test('what was negotiated', async () => {
            const { client, socket, request } = await opened('-H', 'X-Test: one two');
            assert.equal(socket.extensions.split(';')[0], extensions);
            assert.equal(request.headers['x-test'], 'one two');
            await ends(client, socket);
        });

        test('each line in is a text message, each answer a line', async () => {
            const { client, socket } = await opened();
            socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
            for (const line of ['hello', 'größer 水 🐟', 'l'.repeat(100_000)]) {
                client.write(line);
                assert.equal(await client.line(), line);
            }
            await ends(client, socket);
        });

        test('answers that arrive after the end of the input are printed', async () => {
            const { client, socket } = await opened();
            socket.on('message', (data) => socket.send(`got ${data}`));
            const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);
            lines.forEach((line) => client.write(line));
            client.end();
            const { lines: printed, code } = await client.finished();
            assert.deepEqual(printed, lines.map((line) => `got ${line}`));
            assert.equal(code, 0);
        });

        test('--binary sends binary messages', async () => {
            const { client, socket } = await opened('--binary');
            const message = once(socket, 'message');
            client.write('bytes');
            const [data, isBinary] = await message;
            assert.deepEqual([String(data), isBinary], ['bytes', true]);
            await ends(client, socket);
        });

        test('--once stops after the first answer', async () => {
            const { client, socket } = await opened('--once');
            const close = once(socket, 'close');
            socket.on('message', (data) => socket.send(`got ${data}`));
            client.write('hello');
            const { lines, code } = await client.finished();
            assert.deepEqual([lines, code], [['got hello'], 0]);
            assert.equal((await close)[0], 1000);
        });

        test('fragments arrive as one message, and pings between them are answered', async () => {
            const { client, socket } = await opened();
            const pong = once(socket, 'pong');
            socket.send('hel', { fin: false });
            socket.ping('between');
            assert.equal(String((await pong)[0]), 'between');
            socket.send('lo ', { fin: false });
            socket.send('wörld', { fin: true });
            assert.equal(await client.line(), 'hello wörld');
            await ends(client, socket);
        });

        for (const code of [1000, 1001, 1011, 3001, 4999]) {
            test(`close code ${code} of the server is told and comes back`, async () => {
                const { client, socket } = await opened('--json');
                const close = once(socket, 'close');
                socket.close(code, 'bye');
                const event = await client.event('close');
                assert.deepEqual([event.code, event.reason], [code, 'bye']);
                assert.equal((await close)[0], code);
                client.end();
                await client.finished();
            });
        }
    });
}

test('--json tells each event', TIMEOUT, async () => {
    const running = await listen({});
    running.sockets.on('connection', (socket) => {
        socket.ping('are you there');
        socket.send('text');
        socket.send(Buffer.from([1, 2, 3]));
        socket.close(4000, 'enough');
    });
    const client = connect(running.url, '--json');
    assert.equal((await client.event('open')).type, 'open');
    assert.equal((await client.event('ping')).data, 'are you there');
    assert.equal((await client.event('text')).data, 'text');
    assert.equal((await client.event('binary')).type, 'binary');
    assert.equal((await client.event('close')).code, 4000);
    client.end();
    await client.finished();
    await running.stop();
});

test('--subprotocol offers in order, and the server chooses', TIMEOUT, async () => {
    const running = await listen({ handleProtocols: (offered) => [...offered].at(-1) });
    const { client, socket, request } = await accepted(running, '--subprotocol', 'first', '--subprotocol', 'second');
    assert.match(request.headers['sec-websocket-protocol'], /^first, ?second$/);
    assert.equal(socket.protocol, 'second');
    await ends(client, socket);
    await running.stop();
});

test('a refusal is told with its status', TIMEOUT, async () => {
    const running = await listen({ verifyClient: (_, answer) => answer(false, 401, 'who are you') });
    const client = connect(running.url);
    client.end();
    const { code, lines, errors } = await client.finished();
    assert.notEqual(code, 0);
    assert.deepEqual(lines, []);
    assert.match(errors, /401/);
    await running.stop();
});

test('a certificate of an unknown authority is refused', TIMEOUT, async () => {
    const running = await listen({}, { cert: pem('certificate'), key: pem('key') });
    const client = connect(running.url);
    client.end();
    const { code, errors } = await client.finished();
    assert.notEqual(code, 0);
    assert.match(errors, /certificate/i);
    await running.stop();
});

test('the server of note 003 logs the message', TIMEOUT, async () => {
    const running = await listen({});
    const logged = new Promise((resolve) => {
        running.sockets.on('connection', (socket) => socket.on('message', (message) => resolve(String(message))));
    });
    const client = connect(running.url);
    client.write('hello word');
    assert.equal(await Promise.race([logged, client.failure()]), 'hello word');
    client.end();
    assert.equal((await client.finished()).code, 0);
    await running.stop();
});

/** A server on a free port: `url`, `sockets` (of `ws`) and `stop()`. */
async function listen(options, tls) {
    const server = tls ? createSecure(tls) : createPlain();
    const sockets = new WebSocketServer({ perMessageDeflate: false, ...options, server });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stop = async () => {
        sockets.close();
        sockets.clients.forEach((socket) => socket.terminate());
        server.close();
        await once(server, 'close');
    };
    return { url: `${tls ? 'wss' : 'ws'}://127.0.0.1:${server.address().port}/`, sockets, stop };
}

/** A client that is connected, and the server's end of it. */
async function accepted(server, ...options) {
    const connection = once(server.sockets, 'connection');
    const client = connect(server.url, ...options);
    const [socket, request] = await Promise.race([connection, client.failure()]);
    return { client, socket, request };
}

/** The client whose input ends closes with 1000 and exits with 0. */
async function ends(client, socket) {
    const close = once(socket, 'close');
    client.end();
    assert.equal((await close)[0], 1000);
    assert.equal((await client.finished()).code, 0);
}
