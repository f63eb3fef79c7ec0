// 10,000 clients on one server, each of which checks what it gets; the crowd is a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, serve } from './server.mjs';

const TIMEOUT = { timeout: 420_000 };
const MIX = { websocket: 7000, sse: 1500, long_poll: 1000, poll: 500 };
const CLIENTS = Object.values(MIX).reduce((sum, count) => sum + count);
const CHANNELS = 20;
const ROUNDS = 30;
/** Publishers that are at work when the server is told to stop, and rounds of each before that. */
const LAST_PUBLISHERS = 4;
const LAST_ROUNDS = 5;
const IDLE = 5000;
const BYTES_PER_IDLE_CLIENT = 4096;
/** Clients that keep up, each with so many binary messages a second for so many seconds, none of them later than that. */
const STEADY = { clients: 1000, rate: 20, seconds: 60, lagMs: 5000 };
/** Limits that one address meets only because all the clients share it. */
const LIMITS = [
    '--limits-connections', '30000',
    '--limits-connections-per-address', '30000',
    '--limits-handshakes-per-second', '100000',
    '--namespace-history-size', '1000', // a poll comes every 2 s
];

test('10,000 clients get everything, are sent away, and are told of the restart', TIMEOUT, async () => {
    const setup = { port: await freePort(), options: [...LIMITS, '--drain', '10s'] };
    let server = await serve(setup);
    const crowd = new Crowd(server.url, MIX);
    assert.deepEqual(await crowd.answer(), { event: 'open', clients: CLIENTS });

    const positions = new Map();
    for (let round = 0; round < ROUNDS; round += 1) {
        assert.equal(await publishToAll(server.url, { data: { round } }, positions), CHANNELS);
    }
    crowd.write(`reach ${[...positions.values()].join(' ')}`);
    assert.deepEqual(await crowd.answer(), { event: 'reached', messages: (CLIENTS / CHANNELS) * CHANNELS * ROUNDS });

    // Publishing goes on while the server is told to stop: all that it has acknowledged must still arrive.
    const { taken, stopped } = await publishToTheEnd(server, positions);
    crowd.write('end');
    assert.deepEqual(await crowd.answer(), { event: 'ended', codes: { 4000: CLIENTS } });
    crowd.write(`reach ${[...positions.values()].join(' ')}`);
    const messages = (CLIENTS / CHANNELS) * (CHANNELS * ROUNDS + taken);
    assert.deepEqual(await crowd.answer(), { event: 'reached', messages });
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

const { clients, rate, seconds, lagMs } = STEADY;

test(`${clients} clients of ${rate} binary messages a second for ${seconds} s keep up`, TIMEOUT, async () => {
    const server = await serve({ options: LIMITS });
    const crowd = new Crowd(server.url, { binary: clients });
    assert.deepEqual(await crowd.answer(), { event: 'open', clients });
    const positions = new Map();
    const started = performance.now();
    for (let round = 0; round < rate * seconds; round += 1) {
        const b64 = Buffer.alloc(1024, round).toString('base64');
        assert.equal(await publishToAll(server.url, { b64 }, positions), CHANNELS);
        await pause(Math.max(0, started + ((round + 1) * 1000) / rate - performance.now()));
    }
    const lateMs = performance.now() - started - 1000 * seconds;
    crowd.write(`reach ${[...positions.values()].join(' ')}`);
    assert.deepEqual(await crowd.answer(), { event: 'reached', messages: clients * rate * seconds });
    crowd.write('lag');
    const { milliseconds } = await crowd.answer();
    console.log(`${milliseconds} ms from the server's clock to the latest arrival`);
    assert.ok(milliseconds <= lagMs, `${milliseconds} ms`);
    assert.ok(lateMs <= lagMs, `published too slowly: ${lateMs} ms late`);
    crowd.end();
    await server.stop();
});

/** One message to each channel of the crowd. What was acknowledged is noted in `positions`; resolves to how many were. */
async function publishToAll(url, payload, positions) {
    const commands = Array.from({ length: CHANNELS }, (_, i) => ({ channel: `crowd:${i}`, ...payload }));
    const answer = await fetch(`${url}/api/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ commands }),
    });
    const body = await answer.json();
    const results = body.results ?? [body];
    const published = results.filter(({ type }) => type === 'published');
    for (const { channel, position } of published) {
        if (offsetOf(position) > offsetOf(positions.get(channel))) positions.set(channel, position);
    }
    const refused = new Set(results.filter((result) => !published.includes(result)).map(({ name }) => name));
    assert.deepEqual([...refused].filter((name) => name !== 'draining'), []);
    return published.length;
}

const offsetOf = (position = '.0') => Number(position.split('.').at(-1));

/**
 * Several publish at once, and one of them has the server stop amid that; each ends at the first answer that refuses.
 * `taken` is how many publications were acknowledged.
 */
async function publishToTheEnd(server, positions) {
    let taken = 0;
    let stopped;
    const publisher = async (number) => {
        for (let round = 0; ; round += 1) {
            if (number === 0 && round === LAST_ROUNDS) stopped = server.stop('SIGTERM');
            const count = await publishToAll(server.url, { data: { number, round } }, positions);
            taken += count;
            if (count < CHANNELS) return;
        }
    };
    await Promise.all(Array.from({ length: LAST_PUBLISHERS }, (_, number) => publisher(number)));
    return { taken, stopped };
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
