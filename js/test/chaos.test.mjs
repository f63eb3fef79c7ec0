// Links that break, hang and change at random, by seed: every message once and in order, or told as missing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.mjs';

const TRANSPORTS = ['websocket', 'sse', 'long_poll', 'poll'];
const CHANNELS = ['chat', 'news', 'pixels'];
const SEEDS = 60;

/** A small generator of random numbers below 1. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Chaos {
  constructor(seed, historySize) {
    this.world = new World();
    this.server = this.world.server;
    this.server.historySize = historySize;
    this.random = this.world.random = randomOf(seed);
    this.client = this.world.client({ climbDelay: 5000, minDelay: 100 });
    this.record = new Map(CHANNELS.map((channel) => [channel, []]));
    for (const channel of CHANNELS) this.client.subscribe(channel);
    this.client.onmessage = ({ channel, position }) => this.record.get(channel).push(Number(position.split('.')[1]));
    this.client.ongap = ({ channel, from, to }) => {
      for (let offset = from; offset <= to; offset += 1) this.record.get(channel).push(offset);
      this.gaps = true;
    };
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  /** One thing that may happen. */
  async step() {
    const { server, world, client } = this;
    const dice = this.random();
    if (dice < 0.45) server.publish(this.pick(CHANNELS), { data: 1 });
    else if (dice < 0.5) client.publish(this.pick(CHANNELS), 1).catch(() => {});
    else if (dice < 0.57) server.break();
    else if (dice < 0.62) server.blocked.add(this.pick(TRANSPORTS));
    else if (dice < 0.67) server.silent.add(this.pick(TRANSPORTS.slice(0, 1)));
    else if (dice < 0.75) [server.blocked, server.silent].forEach((set) => set.clear());
    else if (dice < 0.78) client.transports = this.pick([TRANSPORTS, TRANSPORTS.slice(1), ['poll', 'sse']]);
    else if (dice < 0.8) world.window.dispatchEvent(new Event('online'));
    else if (dice < 0.82) server.loseAnswers = 1;
    else if (dice < 0.9) await world.settle();
    else await world.pass(this.random() * 8000);
  }

  async finish() {
    [this.server.blocked, this.server.silent].forEach((set) => set.clear());
    await this.world.pass(120000);
  }
}

for (const [title, historySize] of [['a long history', 1e6], ['a short history', 3]]) {
  test(`with ${title}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const chaos = new Chaos(seed, historySize);
      await chaos.world.settle();
      for (let i = 0; i < 150; i += 1) await chaos.step();
      await chaos.finish();
      for (const channel of CHANNELS) {
        const { head } = chaos.server.log(channel);
        const expected = Array.from({ length: head }, (_, i) => i + 1);
        assert.deepEqual(chaos.record.get(channel), expected, `seed ${seed}, ${channel}`);
      }
      if (historySize > 1000) assert.ok(!chaos.gaps, `seed ${seed} has a gap`);
      const keys = new Set(chaos.server.publications.map(({ key }) => key));
      assert.ok(chaos.server.publications.length >= keys.size);
      chaos.client.close();
      await chaos.world.pass(40000);
      assert.equal(chaos.world.clock.pending, 0, `seed ${seed} leaves timers behind`);
    }
  });
}
