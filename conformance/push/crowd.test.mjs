// 10,000 clients on one server, each of which checks what it gets; the crowd is a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { freePort, serve } from './server.mjs';

const TIMEOUT = { timeout: 420_000 };
const MIX = { websocket: 7000, sse: 1500, long_poll: 1000, poll: 500 };
const CLIENTS = Object.values(MIX).reduce((sum, count) => sum + count);
const CHANNELS = 20;
const ROUNDS = 30;
const IDLE = 5000;
const BYTES_PER_IDLE_CLIENT = 4096;
/** Limits that one address meets only because all the clients share it. */
const LIMITS = [
    '--limits-connections', '30000',
    '--limits-connections-per-address', '30000',
    '--limits-handshakes-per-second', '100000',
];

test('10,000 clients get everything, are sent away, and are told of the restart', TIMEOUT, async () => {
    const setup = { port: await freePort(), options: [...LIMITS, '--drain', '10s'] };
    let server = await serve(setup);
    const crowd = new Crowd(server.url, MIX);
    assert.deepEqual(await crowd.answer(), { event: 'open', clients: CLIENTS });

    const positions = new Map();
    for (let round = 0; round < ROUNDS; round += 1) await publishToAll(server.url, round, positions);
    crowd.write(`reach ${[...positions.values()].join(' ')}`);
    assert.deepEqual(await crowd.answer(), { event: 'reached', messages: (CLIENTS / CHANNELS) * CHANNELS * ROUNDS });

    // Acknowledged just before the drain begins: all of it must still arrive.
    await publishToAll(server.url, ROUNDS, positions);
    const stopped = server.stop('SIGTERM');
    crowd.write('end');
    assert.deepEqual(await crowd.answer(), { event: 'ended', codes: { 4000: CLIENTS } });
    crowd.write(`reach ${[...positions.values()].join(' ')}`);
    assert.deepEqual(await crowd.answer(), { event: 'reached', messages: CLIENTS * (ROUNDS + 1) });
    assert.equal(await stopped, 0);

    server = await serve(setup);
    crowd.write(`resume ${server.url}`);
    assert.deepEqual(await crowd.answer(), { event: 'resumed', gaps: CLIENTS });
    crowd.end();
    await server.stop();
});

test(`an idle WebSocket client costs at most ${BYTES_PER_IDLE_CLIENT} bytes of resident memory`, TIMEOUT, async () => {
    const server = await serve({ options: LIMITS });
    // What the first clients bring to life, such as the allocator's arenas and the thread's buffers, is no client's.
    const first = new Crowd(server.url, { websocket: 500 });
    await first.answer();
    const before = await residentBytes(server.pid);
    const crowd = new Crowd(server.url, { websocket: IDLE });
    assert.equal((await crowd.answer()).event, 'open');
    await pause(1000);
    const each = ((await residentBytes(server.pid)) - before) / IDLE;
    console.log(`${Math.round(each)} bytes per idle client`);
    assert.ok(each <= BYTES_PER_IDLE_CLIENT, `${each} bytes`);
    crowd.end();
    first.end();
    await server.stop();
});

test('20 clients of 20 binary messages a second for a minute keep up', TIMEOUT, async () => {
    const [clients, rate, seconds] = [20, 20, 60];
    const server = await serve();
    const url = `${server.url.replace('http', 'ws')}/stream?channel=pixels`;
    const sockets = Array.from({ length: clients }, () => new WebSocket(url, 'sockeye.bin.v1'));
    const counts = sockets.map(() => 0);
    sockets.forEach((socket, index) => {
        socket.on('message', (_, isBinary) => {
            if (isBinary) counts[index] += 1;
        });
    });
    await Promise.all(sockets.map((socket) => once(socket, 'message')));
    const started = performance.now();
    for (let sent = 0; sent < rate * seconds; sent += 1) {
        const body = new Uint8Array(1024).fill(sent);
        const headers = { 'content-type': 'application/octet-stream' };
        const answer = await fetch(`${server.url}/publish?channel=pixels`, { method: 'POST', headers, body });
        assert.equal(answer.status, 200);
        await pause(Math.max(0, started + ((sent + 1) * 1000) / rate - performance.now()));
        // Keeping up: never more than a few seconds behind, however busy the machine is.
        assert.ok(Math.min(...counts) >= sent - 5 * rate, `${Math.min(...counts)} of ${sent + 1}`);
    }
    for (let waits = 0; waits < 50 && Math.min(...counts) < rate * seconds; waits += 1) await pause(100);
    assert.deepEqual(new Set(counts), new Set([rate * seconds]));
    sockets.forEach((socket) => socket.terminate());
    await server.stop();
});

/** One message to each channel of the crowd; what was acknowledged is noted in `positions`. */
async function publishToAll(url, round, positions) {
    const commands = Array.from({ length: CHANNELS }, (_, i) => ({ channel: `crowd:${i}`, data: { round } }));
    const answer = await fetch(`${url}/api/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ commands }),
    });
    for (const { type, channel, position } of (await answer.json()).results) {
        assert.equal(type, 'published');
        positions.set(channel, position);
    }
}

async function residentBytes(pid) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]);
}

/** The example `crowd` of the crate sockeye-hub. */
class Crowd {
    #program;
    #lines;

    constructor(url, mix) {
        const counts = Object.entries(mix).map(([transport, count]) => `${transport}=${count}`);
        this.#program = spawn(process.env.CROWD_BIN, [url, ...counts], { stdio: ['pipe', 'pipe', 'inherit'] });
        const kill = () => this.#program.kill('SIGKILL');
        process.once('exit', kill);
        this.#program.once('exit', () => process.off('exit', kill));
        this.#lines = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();
    }

    write(line) {
        this.#program.stdin.write(`${line}\n`);
    }

    async answer() {
        const { value } = await this.#lines.next();
        return value && JSON.parse(value);
    }

    end() {
        this.#program.stdin.end();
        this.#program.kill('SIGKILL');
    }
}
