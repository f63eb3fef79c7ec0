// The protocol of the push server as a client without a library would speak it, on each transport.

import WebSocket from 'ws';

/** How often a plain poll asks. */
const POLL_MS = 100;

/**
 * Follows `query` (such as `channel=a&since=start`) on a transport, and gives each message of the server to `receive`.
 * Resolves once the stream is open; `stop()` ends it, `failed` rejects when it ends otherwise.
 */
export const follow = {
    websocket(base, query, receive, headers = {}) {
        const socket = new WebSocket(`${base.replace('http', 'ws')}/stream?${query}`, { headers });
        return follower(async ({ opened, fail }) => {
            socket.on('message', (data) => {
                const message = JSON.parse(data);
                if (message.type === 'open') opened(message);
                receive(message);
            });
            socket.on('close', (code, reason) => fail(new Error(`closed with ${code} ${reason}`)));
            socket.on('error', fail);
        }, () => socket.terminate());
    },

    sse(base, query, receive, headers = {}) {
        const abort = new AbortController();
        return follower(async ({ opened, fail }) => {
            const answer = await fetch(`${base}/stream?${query}`, {
                headers: { accept: 'text/event-stream', ...headers },
                signal: abort.signal,
            });
            if (!answer.ok) throw new Error(`status ${answer.status}: ${await answer.text()}`);
            for await (const event of eventsOf(answer.body)) {
                const message = JSON.parse(event.data);
                if (message.type === 'open') opened(message);
                receive(message, event);
            }
            fail(new Error('the event stream has ended'));
        }, () => abort.abort());
    },

    long_poll: (base, query, receive, headers) => poll(base, `${query}&wait=5`, receive, { headers, pause: 0 }),
    poll: (base, query, receive, headers) => poll(base, query, receive, { headers, pause: POLL_MS }),
};

/** The names of the transports. */
export const TRANSPORTS = Object.keys(follow);

function poll(base, query, receive, { headers = {}, pause }) {
    const abort = new AbortController();
    return follower(async ({ opened, fail }) => {
        const parameters = new URLSearchParams(query);
        if (!parameters.has('since')) parameters.set('since', 'now');
        for (let first = true; !abort.signal.aborted; first = false) {
            const url = `${base}/stream?${first && pause === 0 ? withoutWait(parameters) : parameters}`;
            const answer = await fetch(url, { headers, signal: abort.signal });
            const batch = await answer.json();
            if (batch.type !== 'batch') throw new Error(JSON.stringify(batch));
            batch.messages.forEach((message) => receive(message));
            parameters.set('since', batch.cursor);
            parameters.set('client', batch.client);
            if (first) opened(batch);
            if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
        }
        fail(new Error('aborted'));
    }, () => abort.abort());
}

// The first long poll tells the cursor at once.
function withoutWait(parameters) {
    const first = new URLSearchParams(parameters);
    first.set('wait', '0');
    return first;
}

function follower(run, abort) {
    let stopped = false;
    let fail;
    const failed = new Promise((_, reject) => {
        fail = (error) => {
            if (!stopped) reject(error);
        };
    });
    failed.catch(() => {});
    const stop = () => {
        stopped = true;
        abort();
    };
    const open = new Promise((resolve) => {
        run({ opened: resolve, fail }).catch(fail);
    });
    return Promise.race([open, failed]).then((message) => ({ open: message, stop, failed }));
}

async function* eventsOf(body) {
    let rest = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        const events = (rest + chunk).split('\n\n');
        rest = events.pop();
        for (const event of events) {
            const fields = { data: '' };
            for (const line of event.split('\n').filter((line) => line && !line.startsWith(':'))) {
                const [name, ...value] = line.split(': ');
                fields[name] = value.join(': ');
            }
            if (fields.data) yield fields;
        }
    }
}

/** Publishes a JSON value; resolves to its position. */
export async function publish(base, channel, value, headers = {}) {
    const answer = await fetch(`${base}/publish?channel=${channel}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(value),
    });
    const published = await answer.json();
    if (published.type !== 'published') throw new Error(JSON.stringify(published));
    return published.position;
}
