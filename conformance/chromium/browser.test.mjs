// Headless Chromium as client, `sockeye echo` as server.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { echo } from '../sockeye.mjs';

const TIMEOUT = { timeout: 120_000 };
const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
];

let profile, browser, pages;

before(async () => {
    profile = await mkdtemp(join(process.env.CONFORMANCE_WORK, 'chromium-'));
    const executablePath = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
    browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
    pages = await serve(new URL('note-003.html', import.meta.url));
}, TIMEOUT);

after(async () => {
    await browser?.close();
    await pages?.stop();
    await rm(profile, { recursive: true, force: true });
});

for (const [name, options, extension] of [
    ['without deflate', [], ''],
    ['with deflate', ['--deflate'], 'permessage-deflate'],
]) {
    test(`text and binary come back, ${name}`, TIMEOUT, async () => {
        const found = await withServer(options, exchange);
        assert.equal(found.extensions.split(';')[0], extension);
        assert.deepEqual(found.answers, ['', 'größer 水 🐟', 'a'.repeat(200_000)]);
        assert.deepEqual(found.binary, { kind: 'ArrayBuffer', bytes: [0, 1, 127, 128, 255] });
    });

    test(`a close with a code comes back cleanly, ${name}`, TIMEOUT, async () => {
        const close = await withServer(options, closeWithCode);
        assert.deepEqual([close.wasClean, close.code], [true, 3001]);
    });

    test(`a subprotocol that the server does not speak fails, ${name}`, TIMEOUT, async () => {
        const events = await withServer(options, askForSubprotocol);
        assert.deepEqual(events, ['error', 'close 1006 false']);
    });
}

test('a server that goes away says 1001', TIMEOUT, async () => {
    const server = await echo();
    const page = await browser.newPage();
    await page.goto(pages.url);
    await page.evaluate(openAndWatch, server.url);
    await server.stop();
    assert.deepEqual(await page.evaluate(() => globalThis.farewell), { code: 1001, wasClean: true });
    await page.close();
});

test('the page of note 003 alerts the answer', TIMEOUT, async () => {
    const server = await echo();
    const page = await browser.newPage();
    await page.goto(`${pages.url}?port=${new URL(server.url).port}`);
    const logged = page.waitForEvent('console');
    const dialog = page.waitForEvent('dialog');
    const clicked = page.click('#wsbtn');
    assert.equal((await logged).text(), 'connection to server opened');
    assert.equal((await dialog).message(), 'hello word');
    await (await dialog).accept();
    await clicked;
    await page.close();
    await server.stop();
});

/** Runs a function in a page, with the URL of an echo server of its own. */
async function withServer(options, inPage) {
    const server = await echo(...options);
    const page = await browser.newPage();
    await page.goto(pages.url);
    const result = await page.evaluate(inPage, server.url);
    await page.close();
    await server.stop();
    return result;
}

// What follows runs in the page, so each function stands alone.

async function exchange(url) {
    const socket = new WebSocket(url);
    const next = (event) => new Promise((resolve, reject) => {
        socket.addEventListener(event, resolve, { once: true });
        socket.addEventListener('close', ({ code }) => reject(new Error(`closed with ${code}`)), { once: true });
    });
    socket.binaryType = 'arraybuffer';
    await next('open');
    const answer = async (message) => {
        const received = next('message');
        socket.send(message);
        return (await received).data;
    };
    const answers = [];
    for (const text of ['', 'größer 水 🐟', 'a'.repeat(200_000)]) answers.push(await answer(text));
    const data = await answer(new Uint8Array([0, 1, 127, 128, 255]));
    const binary = { kind: data.constructor.name, bytes: [...new Uint8Array(data)] };
    return { extensions: socket.extensions, answers, binary };
}

function closeWithCode(url) {
    const socket = new WebSocket(url);
    socket.onopen = () => socket.close(3001, 'bye');
    return new Promise((resolve) => {
        socket.onclose = ({ wasClean, code, reason }) => resolve({ wasClean, code, reason });
    });
}

function askForSubprotocol(url) {
    const socket = new WebSocket(url, 'nope');
    const events = [];
    socket.onopen = () => events.push('open');
    socket.onerror = () => events.push('error');
    return new Promise((resolve) => {
        socket.onclose = ({ code, wasClean }) => resolve([...events, `close ${code} ${wasClean}`]);
    });
}

function openAndWatch(url) {
    const socket = new WebSocket(url);
    globalThis.farewell = new Promise((resolve) => {
        socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
    });
    return new Promise((resolve) => (socket.onopen = () => resolve()));
}

/** Serves one page on a free port, whatever is asked for. */
async function serve(file) {
    const html = await readFile(file);
    const server = createServer((_, response) => {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stop = async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
    };
    return { url: `http://127.0.0.1:${server.address().port}/`, stop };
}
