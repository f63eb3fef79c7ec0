// Connections are cut at random, clients move between transports, the server is stopped and killed, while 10,000
// messages are published to 20 channels. Every client's record must have every message once and in order, or be told
// which ones it lacks.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { breaker } from './breaker.mjs';
import { follow, publish, TRANSPORTS } from './clients.mjs';
import { pick, randomOf } from './random.mjs';
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

for (const [history, size] of [['as long as the run', MESSAGES], ['small', 5]]) {
    for (const seed of [1, 2, 3]) {
        test(`history ${history}, connections cut, seed ${seed}`, TIMEOUT, () => run({ seed, size, restarts: [] }));
    }
    for (const seed of [4, 5, 6]) {
        test(`history ${history}, the server stopped and killed, seed ${seed}`, TIMEOUT, () => {
            const random = randomOf(seed);
            const restarts = [...RESTARTS].sort(() => random() - 0.5);
            return run({ seed, size, restarts });
        });
    }
}

async function run({ seed, size, restarts }) {
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
    const log = new Log();
    const going = { on: true };
    const clients = records.map((record) => keepFollowing(relay.url, record, random, going));
    await until(() => records.every((record) => record.isOpen), 'every client is connected');
    const cutting = keepCutting(relay, random, going);

    const shares = split(MESSAGES, restarts);
    for (const [part, share] of shares.entries()) {
        const { signal, isBusy } = restarts[part] ?? {};
        const publishing = publishMany(() => server.url, log, { ...share, random });
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
    for (const record of records) record.check(log, { gaps: size < MESSAGES, restarts: restarts.length });
    relay.stop();
    await server.stop();
    await rm(home, { recursive: true, force: true });
}

/** A share of the messages for each time the server lives. */
function split(count, restarts) {
    const parts = restarts.length + 1;
    const edge = (part) => Math.floor((part * count) / parts);
    return Array.from({ length: parts }, (_, part) => ({ from: edge(part), to: edge(part + 1) }));
}

/** What was published: by channel and epoch, offset to value. */
class Log {
    places = new Map(CHANNELS.map((channel) => [channel, new Map()]));
    ends = new Map();
    size = 0;
    /** Values whose answer was lost with the server: they may have been published. */
    unsure = new Set();

    /** Which server it is, counted from 0. */
    generation = 0;

    /** Notes what was acknowledged; `generation` is of when it was sent. */
    add(position, value, generation) {
        const { channel, epoch, offset } = parse(position);
        const epochs = this.places.get(channel);
        if (!epochs.has(epoch)) epochs.set(epoch, new Map());
        epochs.get(epoch).set(offset, value);
        this.size += 1;
        if (generation < this.generation) return;
        const end = this.ends.get(channel);
        if (!end || end.epoch !== epoch || end.offset < offset) this.ends.set(channel, { epoch, offset });
    }

    /** A new server: nothing was published yet. */
    begin() {
        this.generation += 1;
        this.ends.clear();
    }
}

/** What one client has seen: its place in each channel, every message, every gap. */
class Record {
    cursor = new Map();
    messages = [];
    gaps = [];
    faults = [];
    isOpen = false;
    epochs = 1;

    take = (message) => {
        if (message.type === 'open' || message.type === 'batch') this.#open(message);
        else if (message.type === 'message') this.#message(message);
        else if (message.type === 'gap') this.#gap(message);
        else if (!['heartbeat', 'close'].includes(message.type)) this.faults.push(JSON.stringify(message));
    };

    since() {
        const positions = [...this.cursor].map(([channel, { epoch, offset }]) => `${channel}~${epoch}.${offset}`);
        return positions.length > 0 ? positions.join(',') : 'now';
    }

    #open({ cursor }) {
        this.isOpen = true;
        if (this.cursor.size > 0) return;
        for (const position of cursor.split(',').map(parse)) this.cursor.set(position.channel, position);
    }

    #message({ position, data }) {
        const place = parse(position);
        const last = this.cursor.get(place.channel);
        if (place.epoch !== last.epoch || place.offset !== last.offset + 1) {
            this.faults.push(`${position} after ${last.epoch}.${last.offset}`);
        }
        this.cursor.set(place.channel, place);
        this.messages.push({ ...place, data });
    }

    #gap({ position, from, to, reason }) {
        const place = parse(position);
        const last = this.cursor.get(place.channel);
        if (reason === 'epoch') this.epochs = Math.max(this.epochs, 1 + this.gaps.filter((gap) => gap.channel === place.channel && gap.reason === 'epoch').length + 1);
        else if (place.epoch !== last.epoch || from !== last.offset + 1) this.faults.push(`gap from ${from} after ${last.offset}`);
        this.gaps.push({ ...place, from, to, reason });
        this.cursor.set(place.channel, place);
    }

    isAt(log) {
        return [...log.ends].every(([channel, { epoch, offset }]) => {
            const place = this.cursor.get(channel);
            return place?.epoch === epoch && place.offset >= offset;
        });
    }

    check(log, { gaps, restarts }) {
        assert.deepEqual(this.faults, []);
        const epochGaps = this.gaps.filter((gap) => gap.reason === 'epoch');
        if (!gaps) assert.equal(this.gaps.length, epochGaps.length, 'history holds everything');
        assert.equal(epochGaps.length, restarts * CHANNELS.length);
        for (const { channel, epoch, offset, data } of this.messages) {
            const published = log.places.get(channel).get(epoch)?.get(offset);
            if (published !== undefined || !log.unsure.has(data)) assert.equal(data, published, `${channel}~${epoch}.${offset}`);
        }
        // Without a restart every offset was either delivered or told as missing.
        if (restarts > 0) return;
        const told = this.gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
        assert.equal(this.messages.length + told, MESSAGES);
    }
}

function parse(position) {
    const [channel, place] = position.split('~');
    const [epoch, offset] = place.split('.');
    return { channel, epoch, offset: Number(offset) };
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

async function keepCutting(relay, random, going) {
    while (going.on) {
        await pause(CUT_EVERY_MS);
        relay.cut(0.2, random);
    }
}

// Straight to the server, and again until it is there: what is lost on the way to it is another matter.
async function publishMany(url, log, { from, to, random }) {
    let next = from;
    const one = async () => {
        while (next < to) {
            const value = next;
            next += 1;
            const channel = pick(random, CHANNELS);
            for (let position; position === undefined; ) {
                const { generation } = log;
                try {
                    position = await publish(url(), channel, value);
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
