// Connections are cut at random, clients move between transports, the server is stopped and killed, while 10,000
// messages are published to 20 channels. Every client's record must have every message once and in order, or be told
// which ones it lacks. The clients are the smallest that the protocol allows, or `sockeye.js`.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Sockeye } from '../../js/sockeye.js';
import { breaker } from './breaker.mjs';
import { follow, publish, TRANSPORTS } from './clients.mjs';
import { pick, randomOf } from './random.mjs';
import { Log, Record } from './records.mjs';
import { freePort, serve } from './server.mjs';

const TIMEOUT = { timeout: 300_000 };
const MESSAGES = 10_000;
const CHANNELS = Array.from({ length: 20 }, (_, i) => `r:${i}`);
const CLIENTS = 8;
const PUBLISHERS = 10;
const CUT_EVERY_MS = 150;
const PATIENCE_MS = 60_000;
/** How the server ends: once all clients have caught up, or with publications under way. */
const RESTARTS = [
    { signal: 'SIGTERM', isBusy: false },
    { signal: 'SIGTERM', isBusy: true },
    { signal: 'SIGKILL', isBusy: true },
];

/** Each with the seeds of the runs in which connections are cut, and of those in which the server ends, too. */
const KINDS = [
    { kind: 'the smallest clients', connect: keepFollowing, cuts: [1, 2, 3], ends: [4, 5, 6] },
    { kind: 'sockeye.js', connect: keepClient, cuts: [7], ends: [8] },
];

for (const [history, size] of [['as long as the run', MESSAGES], ['small', 5]]) {
    for (const { kind, connect, cuts, ends } of KINDS) {
        for (const seed of cuts) {
            test(`${kind}, history ${history}, connections cut, seed ${seed}`, TIMEOUT, () => {
                return run({ seed, size, connect, restarts: [] });
            });
        }
        for (const seed of ends) {
            test(`${kind}, history ${history}, the server stopped and killed, seed ${seed}`, TIMEOUT, () => {
                const random = randomOf(seed);
                const restarts = [...RESTARTS].sort(() => random() - 0.5);
                return run({ seed, size, connect, restarts });
            });
        }
    }
}

test('sockeye.js publishes each message once, however often its connections are cut', TIMEOUT, async () => {
    await run({ seed: 9, size: MESSAGES, connect: keepClient, restarts: [], publisher: sockeyePublisher });
});

async function run({ seed, size, connect, restarts, publisher = directPublisher }) {
    const random = randomOf(seed);
    const home = await mkdtemp(join(tmpdir(), 'sockeye-recovery-'));
    const setup = { port: await freePort(), options: ['--config', join(home, 'sockeye.toml'), '--drain', '1s'] };
    await writeFile(join(home, 'sockeye.toml'), `
        [limits]
        handshakes_per_second = 100000
        messages_per_second = 100000
        [namespace]
        history_size = ${size}
    `);
    let server = await serve(setup);
    const relay = await breaker(server.port);
    const records = Array.from({ length: CLIENTS }, () => new Record());
    const log = new Log(CHANNELS);
    const going = { on: true };
    const clients = records.map((record) => connect(relay.url, record, random, going));
    await until(() => records.every((record) => record.isOpen), 'every client is connected');
    const cutting = keepCutting(relay, random, going);
    const { send, stop } = publisher(() => server.url, relay.url);

    const shares = split(MESSAGES, restarts);
    for (const [part, share] of shares.entries()) {
        const { signal, isBusy } = restarts[part] ?? {};
        const publishing = publishMany(send, log, { ...share, random });
        if (isBusy) await until(() => log.size > (share.from + share.to) / 2, 'half of it is published');
        else await publishing;
        if (!signal) break;
        if (!isBusy) await until(() => records.every((r) => r.isAt(log)), 'every client has caught up');
        await server.stop(signal);
        log.begin();
        server = await serve(setup);
        await publishing;
        await until(() => records.every((record) => record.epochs === part + 2), 'every client is told of the restart');
    }
    await until(() => records.every((record) => record.isAt(log)), 'every client has caught up');

    going.on = false;
    await Promise.all([...clients, cutting]);
    const isComplete = size === MESSAGES;
    for (const record of records) record.check(log, { isComplete, restarts: restarts.length });
    const missed = records.flatMap(({ gaps }) => gaps).filter(({ reason }) => reason === 'expired');
    assert.equal(missed.length > 0, !isComplete, `${missed.length} gaps`);
    if (restarts.length === 0) checkSums(records);
    stop();
    relay.stop();
    await server.stop();
    await rm(home, { recursive: true, force: true });
}

/** Without a restart nothing but what was acknowledged was published, and each once. */
function checkSums(records) {
    for (const { messages, gaps } of records) {
        assert.equal(gaps.reduce((sum, { from, to }) => sum + to - from + 1, messages.length), MESSAGES);
    }
}

/** A share of the messages for each time the server lives. */
function split(count, restarts) {
    const parts = restarts.length + 1;
    const edge = (part) => Math.floor((part * count) / parts);
    return Array.from({ length: parts }, (_, part) => ({ from: edge(part), to: edge(part + 1) }));
}

/** A client that connects again whenever it is cut off, each time by a transport of its choice. */
async function keepFollowing(url, record, random, going) {
    const channels = CHANNELS.map((channel) => `channel=${channel}`).join('&');
    while (going.on) {
        let live = true;
        const take = (message) => {
            if (live) record.take(message);
        };
        try {
            const follower = await follow[pick(random, TRANSPORTS)](url, `${channels}&since=${record.since()}`, take);
            record.take(follower.open);
            const stay = pause(200 + 1500 * random()).then(() => follower.stop());
            await Promise.race([stay, follower.failed]);
            follower.stop();
        } catch {
            await pause(20 + 80 * random());
        }
        live = false;
    }
}

/** The browser client, which does all that by itself. Now and then it is told to use other transports, or all. */
async function keepClient(url, record, random, going) {
    const quick = { minDelay: 50, maxDelay: 500, climbDelay: 1000, interval: 100, wait: 5 };
    const client = new Sockeye(`${url}/stream`, { WebSocket, transports: [pick(random, TRANSPORTS)], ...quick });
    for (const channel of CHANNELS) client.subscribe(channel);
    client.onmessage = client.ongap = record.take;
    client.onerror = ({ error }) => record.faults.push(`${error}`);
    await until(() => client.cursor.split(',').length === CHANNELS.length, 'every channel has a beginning');
    record.take({ type: 'open', cursor: client.cursor });
    while (going.on) {
        await pause(200 + 1500 * random());
        const first = pick(random, TRANSPORTS);
        client.transports = pick(random, [[first], [first, ...TRANSPORTS.filter((one) => one !== first)]]);
    }
    client.onerror = null; // it may be reconnecting just now
    client.close();
}

async function keepCutting(relay, random, going) {
    while (going.on) {
        await pause(CUT_EVERY_MS);
        relay.cut(0.2, random);
    }
}

/** Straight to the server: what is lost on the way to it is another matter. */
function directPublisher(url) {
    return { send: (channel, value) => publish(url(), channel, value), stop() {} };
}

/** The browser client, over the connections that are cut. */
function sockeyePublisher(_, relayUrl) {
    const client = new Sockeye(`${relayUrl}/stream`, { WebSocket, minDelay: 50, maxDelay: 500, climbDelay: 1000 });
    client.subscribe('r:0');
    return { send: (channel, value) => client.publish(channel, value), stop: () => client.close() };
}

// Again until it is there.
async function publishMany(send, log, { from, to, random }) {
    let next = from;
    const one = async () => {
        while (next < to) {
            const value = next;
            next += 1;
            const channel = pick(random, CHANNELS);
            for (let position; position === undefined; ) {
                const { generation } = log;
                try {
                    position = await send(channel, value);
                    log.add(position, value, generation);
                } catch (error) {
                    if (!/draining/.test(error.message)) log.unsure.add(value);
                    await pause(50);
                }
            }
        }
    };
    await Promise.all(Array.from({ length: PUBLISHERS }, one));
}

async function until(condition, what) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition()) {
        assert.ok(Date.now() < deadline, `within ${PATIENCE_MS} ms: ${what}`);
        await pause(20);
    }
}
