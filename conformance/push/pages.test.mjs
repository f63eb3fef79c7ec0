// The pages and the browser client in Chromium: tabs that chat on each transport and across them, and a client that
// falls back where a proxy blocks WebSocket.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './chromium.mjs';
import { daemon, freePort, serve } from './server.mjs';

const TIMEOUT = { timeout: 180_000 };
const TITLES = { websocket: 'WebSocket', sse: 'Server-Sent Events', long_poll: 'Long polling', poll: 'Polling' };
const TRANSPORTS = Object.keys(TITLES);
const SIZES = [['desktop', 1280, 900], ['phone', 390, 844]];
const pictures = join(process.env.CONFORMANCE_WORK, 'pictures');

let server, browser;

before(async () => {
    await mkdir(pictures, { recursive: true });
    browser = await launch();
    server = await serve();
}, TIMEOUT);

after(async () => {
    await browser?.close();
    await server?.stop();
});

for (const transport of TRANSPORTS) {
    test(`two tabs chat by ${TITLES[transport]}`, TIMEOUT, async () => {
        const [alice, bob] = await tabs(server.url, `on-${transport}`, [transport, transport]);
        await exchange(alice, bob);
        await close(alice, bob);
    });
}

test('two tabs chat across transports, which change as they go', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'across', ['websocket', 'poll']);
    for (const [hers, his] of [['sse', 'long_poll'], ['poll', 'websocket'], ['long_poll', 'sse'], ['websocket', 'poll']]) {
        await alice.selectOption('#transport', hers);
        await bob.selectOption('#transport', his);
        await say(alice, `going to ${hers}`); // while it moves
        await say(bob, `going to ${his}`);
        await state(alice, hers);
        await state(bob, his);
        await exchange(alice, bob);
    }
    assert.deepEqual(await said(alice), await said(bob));
    await close(alice, bob);
});

test('who is there is shown by name, and goes with the tab', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'people', ['websocket', 'websocket']);
    await alice.waitForFunction(() => document.querySelector('#people').textContent.includes('Bob'));
    await bob.close();
    await alice.waitForFunction(() => document.querySelectorAll('#people li').length === 1);
    await alice.close();
});

test('by polling, too, tabs see each other come and go', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'polled-people', ['poll', 'websocket']);
    const sees = (page, names) => page.waitForFunction(
        (names) => [...document.querySelectorAll('#people li')].map((item) => item.textContent).join() === names, names);
    await sees(alice, 'Alice (you),Bob');
    await sees(bob, 'Alice,Bob (you)');
    await bob.close();
    await sees(alice, 'Alice (you)');
    await alice.close();
});

test('a message that waits for the server is sent once this is back, and the page says so', TIMEOUT, async () => {
    let target = await serve();
    const [alice, bob] = await tabs(target.url, 'outage', ['websocket', 'poll']);
    await exchange(alice, bob);
    await target.stop('SIGKILL');
    await alice.waitForFunction(() => /^Connection lost.*, trying again in \d+ s$/.test(document.querySelector('#state').parentNode.textContent));
    assert.equal(await alice.textContent('#round-trip'), '– ms');
    await say(alice, 'said in between');
    await shows(alice, 'said in between');
    assert.equal(await statusOf(alice, 'said in between'), 'sending…');
    for (const [name, width, height] of SIZES) {
        await alice.setViewportSize({ width, height });
        assert.equal(await fits(alice), true, name);
        for (const what of ['#state', '#round-trip']) assert.equal(await isInView(alice, what), true, `${name}: ${what}`);
        await alice.screenshot({ path: join(pictures, `chat-outage-${name}.png`) });
    }
    target = await serve({ port: target.port });
    await shows(bob, 'said in between');
    await alice.waitForFunction(() => [...document.querySelectorAll('#messages .status')].every((each) => each.textContent === ''));
    await exchange(alice, bob);
    assert.equal((await said(bob)).filter((text) => text === 'said in between').length, 1);
    assert.equal((await said(alice)).filter((text) => text === 'said in between').length, 1);
    await close(alice, bob);
    await target.stop();
});

test('a page that the server has ended says so and offers a reload', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'ended', ['websocket', 'poll']);
    const { members } = await (await fetch(`${server.url}/api/presence?channel=chat:ended`)).json();
    for (const { client } of members) await fetch(`${server.url}/api/disconnect?client=${client}`, { method: 'POST' });
    await alice.waitForFunction(() => document.querySelector('#state').textContent === 'Closed');
    assert.equal(await alice.textContent('#retry'), '');
    await say(alice, 'too late');
    await alice.waitForSelector('text=Send again');
    await alice.screenshot({ path: join(pictures, 'chat-closed.png') });
    await alice.click('#reload');
    await state(alice, 'websocket');
    await close(alice, bob);
});

test('a message that fails stays in its room and can be sent again', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'refused', ['poll', 'poll']);
    const refusal = { type: 'error', code: 4305, name: 'too_large', message: 'too much' };
    await alice.route('**/publish?*', (route) => route.fulfill({ status: 413, json: refusal }));
    await say(alice, 'once more');
    await alice.fill('#room-name', 'elsewhere');
    await alice.press('#room-name', 'Enter');
    await alice.waitForFunction(() => document.querySelector('#rooms').textContent.includes('not sent'));
    assert.deepEqual(await said(alice), []);
    await alice.unroute('**/publish?*');
    await alice.click('#rooms button:has-text("refused")');
    assert.match(await statusOf(alice, 'once more'), /^Not sent: too much/);
    await alice.screenshot({ path: join(pictures, 'chat-not-sent.png') });
    await alice.click('text=Send again');
    await shows(bob, 'once more');
    await alice.waitForFunction(() => document.querySelector('#messages .status').textContent === '');
    assert.deepEqual(await said(alice), ['once more']);
    await close(alice, bob);
});

test('any text names a room of its own, which a reload keeps as it keeps the transport', TIMEOUT, async () => {
    const page = await browser.newPage();
    const problems = watch(page);
    await page.addInitScript(forgetRooms);
    await page.goto(`${server.url}/?transport=poll`);
    const names = ['日本語', 'русский', 'ü', "it's-(~*)", '%41'];
    for (const name of names) {
        await page.goto(`${server.url}/?transport=sse&room=${encodeURIComponent(name)}`);
        await state(page, 'sse');
        assert.equal(await page.textContent('#room-title'), name);
        await say(page, `in ${name}`);
        await page.waitForFunction(() => document.querySelector('#messages .status')?.textContent === '');
        assert.deepEqual(await said(page), [`in ${name}`]);
    }
    await page.goto(`${server.url}/?room=${encodeURIComponent(' \n')}`);
    assert.equal(await page.textContent('#room-title'), 'lobby');
    await page.fill('#room-name', '字'.repeat(40));
    await page.press('#room-name', 'Enter');
    const longest = '字'.repeat(27); // 9 bytes each in a channel's name of at most 255
    assert.equal(await page.textContent('#room-title'), longest);
    await say(page, 'there is room');
    await page.waitForFunction(() => document.querySelector('#messages .status')?.textContent === '');
    await page.selectOption('#transport', 'long_poll');
    await page.reload();
    await state(page, 'long_poll');
    await shows(page, 'there is room');
    const kept = await page.$$eval('#rooms bdi', (all) => all.map((each) => each.textContent));
    assert.deepEqual(kept, [...names, 'lobby', longest]);
    assert.deepEqual(await page.$$eval('#rooms .unread', (all) => all.length), 0);
    assert.deepEqual(problems, []);
    await page.close();
});

test('where a proxy blocks WebSocket the client falls back and loses nothing', TIMEOUT, async () => {
    const home = await mkdtemp(join(tmpdir(), 'sockeye-blocking-'));
    const proxy = await blockingProxy(home, server.port);
    const [alice, bob] = await tabs(server.url, 'blocked', ['websocket', 'websocket']);
    await alice.goto(`${proxy.url}/?room=blocked`);
    for (let i = 0; i < 20; i += 1) await say(bob, `message ${i}`);
    await state(alice, 'sse');
    for (let i = 20; i < 40; i += 1) await say(bob, `message ${i}`);
    await say(alice, 'I am here');
    await shows(bob, 'I am here');
    await shows(alice, 'message 39');
    const expected = [...Array.from({ length: 40 }, (_, i) => `message ${i}`)];
    assert.deepEqual((await said(alice)).filter((text) => text.startsWith('message')), expected);
    await close(alice, bob);
    await proxy.stop();
    await rm(home, { recursive: true, force: true });
});

test('the page /compare shows all four transports at work', TIMEOUT, async () => {
    const page = await browser.newPage();
    const problems = watch(page);
    await page.addInitScript(() => { delete Crypto.prototype.randomUUID; }); // as on a page without TLS
    await page.goto(`${server.url}/compare`);
    const figures = (figure) => page.$$eval(`[data-figure=${figure}]`, (cells) => cells.map((cell) => cell.textContent));
    await page.waitForFunction(() => {
        const counts = [...document.querySelectorAll('[data-figure=messages]')].map((cell) => Number(cell.textContent));
        return counts.length === 4 && counts.every((count) => count >= 5);
    });
    const sending = await figures('sending');
    for (const cost of sending.slice(0, 3)) assert.match(cost, /^1 request, /);
    assert.match(sending[3], /^0 requests, \d+ B$/);
    for (const [name, width, height] of SIZES) {
        await page.setViewportSize({ width, height });
        await page.waitForTimeout(500);
        assert.equal(await fits(page), true, name);
        for (const transport of TRANSPORTS) assert.equal(await isInView(page, delayOf(transport)), true, `${name}: ${transport}`);
        for (const colorScheme of ['light', 'dark']) {
            await page.emulateMedia({ colorScheme });
            await page.waitForTimeout(400);
            const dots = await page.evaluate(dotsByTransport);
            for (const transport of TRANSPORTS) assert.ok(dots[transport]?.count > 0, `${name}, ${colorScheme}: no dot of ${transport}`);
            assert.ok(dots.websocket.height < dots.poll.height, `${name}, ${colorScheme}: ${JSON.stringify(dots)}`);
            await page.screenshot({ path: join(pictures, `compare-${name}-${colorScheme}.png`), fullPage: true });
        }
    }
    const [polling, socket] = await Promise.all(['poll', 'websocket'].map(async (transport) => {
        return Number((await page.textContent(delayOf(transport))).replaceAll(',', ''));
    }));
    assert.ok(socket < polling / 4, `median delays: ${socket} ms by WebSocket, ${polling} ms by polling`);
    await page.click('#run');
    await page.waitForTimeout(500); // what was just sent is counted
    await page.waitForFunction(() => new Set([...document.querySelectorAll('[data-figure=messages]')].map((cell) => cell.textContent)).size === 1);
    await page.waitForTimeout(500);
    const before = [await figures('median'), await figures('bytes')];
    await page.setViewportSize({ width: 900, height: 700 });
    await page.emulateMedia({ colorScheme: 'light' });
    await page.waitForTimeout(1000);
    assert.deepEqual([await figures('median'), await figures('bytes')], before);
    assert.equal(await page.evaluate(() => {
        const chart = document.querySelector('#chart');
        return chart.width === Math.round(chart.clientWidth * devicePixelRatio);
    }), true);
    await page.screenshot({ path: join(pictures, 'compare-paused.png'), fullPage: true });
    assert.deepEqual(problems, []);
    await page.close();
});

test('the page / fits a phone and a desktop, and works by keyboard', TIMEOUT, async () => {
    const [alice, bob] = await tabs(server.url, 'pictures', ['websocket', 'sse']);
    const problems = watch(alice);
    for (const room of ['a-longer-name-of-a-room', '日本語', 'pictures']) {
        await alice.fill('#room-name', room);
        await alice.press('#room-name', 'Enter');
    }
    await exchange(alice, bob);
    await alice.focus('#text');
    await alice.keyboard.type('typed, and sent by Enter');
    await alice.keyboard.press('Enter');
    await shows(bob, 'typed, and sent by Enter');
    for (const [name, width, height] of [...SIZES, ['sideways', 740, 360]]) {
        await alice.setViewportSize({ width, height });
        assert.equal(await fits(alice), true, name);
        for (const what of ['#state', '#round-trip']) assert.equal(await isInView(alice, what), true, `${name}: ${what}`);
        const room = await alice.$eval('#messages', (list) => list.clientHeight);
        assert.ok(room >= height / 3, `${name}: ${room} px for messages`);
        for (const colorScheme of ['light', 'dark']) {
            await alice.emulateMedia({ colorScheme });
            await alice.screenshot({ path: join(pictures, `chat-${name}-${colorScheme}.png`) });
        }
    }
    assert.match(await alice.textContent('#round-trip'), /^[\d.]+ ms$/);
    assert.equal(await alice.textContent('#state'), TITLES.websocket);
    assert.deepEqual(problems, []);
    await close(alice, bob);
});

/** Two tabs in one room, by these transports, once both are connected. */
async function tabs(url, room, transports) {
    const pages = [];
    for (const [index, name] of ['Alice', 'Bob'].entries()) {
        const page = await browser.newPage();
        await page.addInitScript(forgetRooms);
        await page.addInitScript((name) => localStorage.setItem('sockeye-name', name), name);
        await page.goto(`${url}/?room=${room}&transport=${transports[index]}`);
        await page.fill('#name', name);
        await state(page, transports[index]);
        pages.push(page);
    }
    return pages;
}

/** What goes wrong in a page, as it comes. */
function watch(page) {
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
    });
    return problems;
}

let counter = 0;

/** Each says something, and both see both. */
async function exchange(alice, bob) {
    counter += 1;
    await say(alice, `hello ${counter}`);
    await shows(bob, `hello ${counter}`);
    await say(bob, `hello back ${counter}`);
    for (const page of [alice, bob]) await shows(page, `hello back ${counter}`);
}

async function say(page, text) {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
}

const shows = (page, text) =>
    page.waitForFunction((text) => [...document.querySelectorAll('#messages .text')].some((each) => each.textContent === text), text);

const said = (page) => page.$$eval('#messages .text', (texts) => texts.map((text) => text.textContent));

const statusOf = (page, text) => page.$$eval('#messages li', (items, text) =>
    items.find((item) => item.querySelector('.text')?.textContent === text)?.querySelector('.status').textContent, text);

/** Nothing stands beside the window, not even what can be reached by a pan alone. */
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && visualViewport.width === innerWidth);

const delayOf = (transport) => `[data-transport=${transport}] [data-figure=median]`;

/** Whether all of it can be seen without scrolling, and nothing covers it. */
const isInView = (page, selector) => page.$eval(selector, (element) => {
    const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
    const isWithin = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && width > 0 && height > 0;
    return isWithin && element.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
});

const state = (page, transport) =>
    page.waitForFunction((title) => document.querySelector('#state').textContent === title, TITLES[transport]);

const close = (...pages) => Promise.all(pages.map((page) => page.close()));

/** nginx that hands nothing of an upgrade on. */
async function blockingProxy(home, upstream) {
    const port = await freePort();
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${home}/${kind};`);
    await writeFile(join(home, 'nginx.conf'), `daemon off; pid ${home}/pid; error_log ${home}/error.log;
        events { worker_connections 512; }
        http {
            access_log off; ${paths.join(' ')}
            server {
                listen 127.0.0.1:${port};
                location / { proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host; }
            }
        }`);
    return daemon('nginx', ['-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], port);
}

/** Runs in the page: how many pixels of the chart have each transport's colour, and how high they stand on average. */
function dotsByTransport() {
    const canvas = document.querySelector('#chart');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const dots = {};
    for (const lane of document.querySelectorAll('[data-transport]')) {
        const [red, green, blue] = getComputedStyle(lane.querySelector('h2')).color.match(/\d+/g).map(Number);
        const heights = [];
        for (let i = 0; i < data.length; i += 4) {
            if (data[i] === red && data[i + 1] === green && data[i + 2] === blue && data[i + 3] === 255) {
                heights.push(canvas.height - Math.floor(i / 4 / canvas.width));
            }
        }
        const sum = heights.reduce((total, height) => total + height, 0);
        dots[lane.dataset.transport] = { count: heights.length, height: sum / heights.length };
    }
    return dots;
}

/** Runs in the page. The tabs of this browser share their storage: each begins with no rooms of others. */
function forgetRooms() {
    if (sessionStorage.getItem('is-known')) return;
    sessionStorage.setItem('is-known', 'yes');
    localStorage.removeItem('sockeye-rooms');
}
