// Pages of other origins, with a cookie that says who they are, on each transport: one of a listed origin streams and
// resumes, without the cookie it is told that a token is needed, and one of an unlisted origin gets nowhere.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch } from './chromium.mjs';
import { TRANSPORTS } from './clients.mjs';
import { serve } from './server.mjs';

const TIMEOUT = { timeout: 120_000 };
const COOKIE = 'sockeye-token';
const env = { SOCKEYE_AUTH_TOKEN_SECRET: 'a secret of these tests that is long enough', SOCKEYE_AUTH_COOKIE: COOKIE };
const TOKEN_REQUIRED = 4200;

let server, browser, listed, unlisted, token;

before(async () => {
    [listed, unlisted] = [await pageServer(), await pageServer()];
    server = await serve({ options: ['--origin', listed.url], env });
    const rights = ['subscribe', 'publish', 'history'].flatMap((right) => ['--right', right]);
    const args = ['token', '--sub', 'alice', '--channel', 'shared-*', ...rights];
    token = (await promisify(execFile)(process.env.SOCKEYE_BIN, args, { env: { ...process.env, ...env } })).stdout.trim();
    browser = await launch();
}, TIMEOUT);

after(async () => {
    await browser?.close();
    await server?.stop();
    listed?.stop();
    unlisted?.stop();
});

for (const transport of TRANSPORTS) {
    const options = () => ({ url: `${server.url}/stream`, transport, channel: `shared-${transport}`, withCredentials: true });

    test(`${transport}: a page of a listed origin streams and resumes by its cookie`, TIMEOUT, async () => {
        await logIn();
        const { first, resumed } = await inPage(listed.url, followAndResume, options());
        assert.deepEqual(first, ['a by alice', 'b by alice']);
        assert.deepEqual(resumed, ['c by alice', 'd by alice']);
    });

    test(`${transport}: without its cookie it is told that a token is needed`, TIMEOUT, async () => {
        await browser.clearCookies();
        assert.equal(await inPage(listed.url, connectOnly, options()), `closed with ${TOKEN_REQUIRED}`);
        await logIn();
        // A WebSocket always takes the cookies along; `fetch` does not unless it is asked to.
        const plain = await inPage(listed.url, connectOnly, { ...options(), withCredentials: false });
        assert.equal(plain, transport === 'websocket' ? 'connected' : `closed with ${TOKEN_REQUIRED}`);
    });

    test(`${transport}: a page of an unlisted origin gets nowhere, with the same cookie`, TIMEOUT, async () => {
        await logIn();
        assert.equal(await inPage(unlisted.url, connectOnly, options()), 'not connected');
        const { channel } = options();
        const before = await published(channel);
        await inPage(unlisted.url, postBlindly, { url: `${server.url}/publish?channel=${channel}` });
        assert.deepEqual(await published(channel), before);
    });
}

const logIn = () => browser.addCookies([{ name: COOKIE, value: token, url: server.url }]);

/** What the channel's history holds. */
async function published(channel) {
    const headers = { authorization: `Bearer ${token}` };
    const { messages } = await (await fetch(`${server.url}/history?channel=${channel}`, { headers })).json();
    return messages.map(({ data }) => data);
}

/** Another origin: an empty page, and the client. */
async function pageServer() {
    const files = ['/sockeye.js', '/sockeye-connection.js'];
    const http = createServer(async (request, response) => {
        const isClient = files.includes(request.url);
        response.setHeader('content-type', isClient ? 'text/javascript' : 'text/html');
        const page = '<!doctype html><title>page</title>';
        response.end(isClient ? await readFile(new URL(`../../js${request.url}`, import.meta.url)) : page);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return { url: `http://127.0.0.1:${http.address().port}`, stop: () => http.closeAllConnections() ?? http.close() };
}

async function inPage(url, work, argument) {
    const page = await browser.newPage();
    await page.goto(url);
    const outcome = await page.evaluate(work, argument);
    await page.close();
    return outcome;
}

// What follows runs in the page, so each function stands alone.

async function followAndResume({ url, transport, channel, withCredentials }) {
    const { Sockeye } = await import('/sockeye.js');
    const options = { transports: [transport], withCredentials, interval: 200 };
    const receive = (client, count, since) => new Promise((resolve, reject) => {
        const data = [];
        client.subscribe(channel, (message) => {
            data.push(`${message.data} by ${message.meta.user}`);
            if (data.length === count) resolve(data);
        }, { since });
        client.onclose = ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`));
    });
    const publisher = new Sockeye(url, options);
    const one = new Sockeye(url, options);
    await publisher.publish(channel, 'a');
    await publisher.publish(channel, 'b');
    const first = await receive(one, 2, 'start');
    const { cursor } = one;
    one.onclose = null;
    one.close();
    await publisher.publish(channel, 'c');
    await publisher.publish(channel, 'd');
    const two = new Sockeye(url, options);
    const resumed = await receive(two, 2, cursor);
    two.onclose = null;
    two.close();
    publisher.close();
    return { first, resumed };
}

/** How the first attempt ends. */
async function connectOnly({ url, transport, channel, withCredentials }) {
    const { Sockeye } = await import('/sockeye.js');
    const client = new Sockeye(url, { transports: [transport], withCredentials });
    client.subscribe(channel);
    const outcome = await new Promise((resolve) => {
        client.onopen = () => resolve('connected');
        client.onclose = ({ code }) => resolve(`closed with ${code}`);
        client.ontransport = (event) => event.transport ?? resolve('not connected');
    });
    client.close();
    return outcome;
}

/** A request that no browser asks leave for; the page does not see the answer. */
async function postBlindly({ url }) {
    await fetch(url, { method: 'POST', body: 'forged', mode: 'no-cors', credentials: 'include' });
}
