// What was published, and what each client was told of it: every message once and in order, or as missing.

import assert from 'node:assert/strict';

/** What was acknowledged: by channel and epoch, offset to value. */
export class Log {
    ends = new Map();
    size = 0;
    /** Values whose answer was lost with the server: they may have been published. */
    unsure = new Set();

    /** Which server it is, counted from 0. */
    generation = 0;

    constructor(channels) {
        this.places = new Map(channels.map((channel) => [channel, new Map()]));
    }

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
export class Record {
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

    /** Without `from` the log has begun anew, and lacks what stands before `to` since its own beginning. */
    #gap({ position, from, to, reason }) {
        const place = parse(position);
        const last = this.cursor.get(place.channel);
        if (place.offset !== to) this.faults.push(`gap to ${to} goes on at ${position}`);
        if (reason === 'epoch') {
            if (from !== undefined || place.epoch === last.epoch) this.faults.push(`epoch gap from ${from} in ${last.epoch} to ${position}`);
            const before = this.gaps.filter((gap) => gap.channel === place.channel && gap.reason === 'epoch');
            this.epochs = Math.max(this.epochs, before.length + 2);
        } else if (place.epoch !== last.epoch || from !== last.offset + 1 || to < from) {
            this.faults.push(`gap from ${from} to ${to} after ${last.offset}`);
        }
        this.gaps.push({ ...place, from: from ?? 1, to, reason });
        this.cursor.set(place.channel, place);
    }

    isAt(log) {
        return [...log.ends].every(([channel, { epoch, offset }]) => {
            const place = this.cursor.get(channel);
            return place?.epoch === epoch && place.offset >= offset;
        });
    }

    /** `isComplete`: the history holds all that is published. */
    check(log, { isComplete, restarts }) {
        assert.deepEqual(this.faults, []);
        const epochGaps = this.gaps.filter((gap) => gap.reason === 'epoch');
        assert.equal(epochGaps.length, restarts * log.places.size);
        if (isComplete) {
            assert.equal(this.gaps.length, epochGaps.length, 'history holds everything');
            assert.deepEqual([...new Set(epochGaps.map(({ to }) => to))], restarts > 0 ? [0] : [], 'nothing is missing in a new log');
        }
        for (const { channel, epoch, offset, data } of this.messages) {
            const published = log.places.get(channel).get(epoch)?.get(offset);
            if (published !== undefined || !log.unsure.has(data)) assert.equal(data, published, `${channel}~${epoch}.${offset}`);
        }
        this.#checkEnds(log);
    }

    /** In the last log of each channel every offset was delivered or told as missing, and none was both. */
    #checkEnds(log) {
        for (const [channel, { epoch, offset: end }] of log.ends) {
            const isHere = (place) => place.channel === channel && place.epoch === epoch;
            const told = this.messages.filter(isHere).map(({ offset }) => offset);
            for (const { from, to } of this.gaps.filter(isHere)) {
                for (let offset = from; offset <= to; offset += 1) told.push(offset);
            }
            told.sort((one, other) => one - other);
            assert.deepEqual(told, Array.from(told, (_, index) => index + 1), channel);
            assert.ok(told.length >= end, `${channel}: ${told.length} of ${end}`);
            assert.deepEqual([...log.places.get(channel).get(epoch).keys()].filter((offset) => offset > told.length), [], channel);
        }
    }
}

function parse(position) {
    const [channel, place] = position.split('~');
    const [epoch, offset] = place.split('.');
    return { channel, epoch, offset: Number(offset) };
}
