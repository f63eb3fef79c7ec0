// `ws` as client, `sockeye echo` as server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { echo, files, pem } from '../sockeye.mjs';

const TIMEOUT = { timeout: 60_000 };
const MIB = 1 << 20;

/** The ways to connect under which everything must work, and the extensions that come out. */
const variants = [
    { name: 'plain', server: [], client: { perMessageDeflate: false }, extensions: '' },
    { name: 'deflate offered only', server: [], client: { perMessageDeflate: true }, extensions: '' },
    { name: 'deflate known only', server: ['--deflate'], client: { perMessageDeflate: false }, extensions: '' },
    {
        name: 'deflate',
        server: ['--deflate'],
        client: { perMessageDeflate: { threshold: 0 } },
        extensions: 'permessage-deflate',
    },
    {
        name: 'deflate without context takeover',
        server: ['--deflate'],
        client: {
            perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
        },
        extensions: 'permessage-deflate',
    },
    {
        name: 'deflate with small windows',
        server: ['--deflate'],
        client: { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 } },
        extensions: 'permessage-deflate',
    },
    {
        name: 'wss',
        server: ['--deflate', '--tls-cert', files.certificate, '--tls-key', files.key],
        client: { perMessageDeflate: { threshold: 0 }, ca: pem('authority') },
        extensions: 'permessage-deflate',
    },
];

for (const { name, server, client, extensions } of variants) {
    describe(`ws client, ${name}`, TIMEOUT, () => {
        let running;
        before(async () => (running = await echo(...server)));
        after(() => running.stop());
        const opened = () => open(running.url, client);

        test('what was negotiated', async () => {
            const socket = await opened();
            assert.equal(socket.extensions.split(';')[0], extensions);
            assert.equal(socket.protocol, '');
            await closed(socket, 1000);
        });

        test('text comes back', async () => {
            const socket = await opened();
            for (const text of ['', 'hello', 'größer 水 🐟', 'a'.repeat(125), 'b'.repeat(126), 'c'.repeat(MIB)]) {
                assert.deepEqual(await exchange(socket, text), { text });
            }
            await closed(socket, 1000);
        });

        test('binary comes back', async () => {
            const socket = await opened();
            for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, MIB]) {
                const { binary } = await exchange(socket, bytes(length));
                assert.ok(bytes(length).equals(binary), `${length} bytes`);
            }
            await closed(socket, 1000);
        });

        test('many messages in flight come back in order', async () => {
            const socket = await opened();
            const sent = Array.from({ length: 500 }, (_, i) => `message ${i} ${'x'.repeat(i)}`);
            const received = messages(socket, sent.length);
            sent.forEach((text) => socket.send(text));
            assert.deepEqual(await received, sent);
            await closed(socket, 1000);
        });

        test('fragments come back as one message, a ping between them at once', async () => {
            const socket = await opened();
            const answer = once(socket, 'message');
            socket.send('hel', { fin: false });
            const pong = once(socket, 'pong');
            socket.ping('between');
            assert.equal(String((await pong)[0]), 'between');
            socket.send('lo ', { fin: false });
            socket.send('', { fin: false });
            socket.send('wörld', { fin: true });
            assert.equal(String((await answer)[0]), 'hello wörld');
            await closed(socket, 1000);
        });

        test('pings are answered in order with their payload', async () => {
            const socket = await opened();
            const payloads = ['', 'a', 'p'.repeat(125)];
            for (const payload of payloads) {
                const pong = once(socket, 'pong');
                socket.ping(payload);
                assert.equal(String((await pong)[0]), payload);
            }
            socket.pong('unasked');
            assert.deepEqual(await exchange(socket, 'still there'), { text: 'still there' });
            await closed(socket, 1000);
        });

        for (const code of [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999]) {
            test(`close code ${code} comes back`, async () => {
                await closed(await opened(), code, 'bye');
            });
        }

        test('a close without a code comes back without one', async () => {
            const socket = await opened();
            const close = once(socket, 'close');
            socket.close();
            assert.equal((await close)[0], 1005);
        });
    });
}

test('a message of the limit comes back, one byte more is 1009', TIMEOUT, async () => {
    for (const deflate of [[], ['--deflate']]) {
        const running = await echo('--max-message', '1000', ...deflate);
        const socket = await open(running.url, { perMessageDeflate: { threshold: 0 } });
        assert.deepEqual(await exchange(socket, 'm'.repeat(1000)), { text: 'm'.repeat(1000) });
        const close = once(socket, 'close');
        socket.send('m'.repeat(1001));
        assert.equal((await close)[0], 1009);
        await running.stop();
    }
});

test('a subprotocol that the server does not speak is not agreed on', TIMEOUT, async () => {
    const running = await echo();
    const socket = new WebSocket(running.url, 'nope');
    const [error] = await once(socket, 'error');
    assert.match(error.message, /no subprotocol/);
    await running.stop();
});

test('on SIGTERM the server closes with 1001 and ends well', TIMEOUT, async () => {
    const running = await echo();
    const socket = await open(running.url, {});
    const close = once(socket, 'close');
    assert.equal(await running.stop(), 0);
    assert.equal((await close)[0], 1001);
});

async function open(url, options) {
    const socket = new WebSocket(url, options);
    await once(socket, 'open');
    return socket;
}

/** Sends one message and resolves to the answer, by kind. */
async function exchange(socket, message) {
    const answer = once(socket, 'message');
    socket.send(message);
    const [data, isBinary] = await answer;
    return isBinary ? { binary: data } : { text: String(data) };
}

/** The next `count` messages. */
function messages(socket, count) {
    return new Promise((resolve) => {
        const received = [];
        socket.on('message', (data) => {
            if (received.push(String(data)) === count) resolve(received);
        });
    });
}

/** Closes with a code, which must come back. */
async function closed(socket, code, reason) {
    const close = once(socket, 'close');
    socket.close(code, reason);
    assert.equal((await close)[0], code);
}

function bytes(length) {
    return Buffer.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}
