// A TCP relay whose connections can be cut at any time, without a goodbye.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Relays to `port`; `cut(share, random)` resets that share of the connections. */
export async function breaker(port) {
    const pairs = new Set();
    const listener = createServer((near) => {
        const far = connect(port, '127.0.0.1');
        const pair = [near, far];
        pairs.add(pair);
        const cut = () => {
            pairs.delete(pair);
            near.resetAndDestroy();
            far.resetAndDestroy();
        };
        for (const [from, to] of [[near, far], [far, near]]) {
            from.on('error', cut);
            from.on('close', cut);
            from.pipe(to);
        }
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const cut = (share, random) => {
        for (const [near, far] of [...pairs]) {
            if (random() < share) {
                near.resetAndDestroy();
                far.resetAndDestroy();
            }
        }
    };
    const stop = () => {
        cut(1, () => 0);
        listener.close();
    };
    return { url: `http://127.0.0.1:${listener.address().port}`, cut, stop };
}
