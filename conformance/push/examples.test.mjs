// The examples of docs/protocol.md, section 9, as they stand there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch } from './chromium.mjs';
import { publish } from './clients.mjs';
import { serve } from './server.mjs';

const TIMEOUT = { timeout: 60_000 };
const protocol = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const example = (name) => new RegExp(`<!-- example ${name} -->\n\`\`\`\\w+\n([^]*?)\`\`\``).exec(protocol)[1];

let server, browser;

before(async () => {
    server = await serve();
    browser = await launch();
}, TIMEOUT);

after(async () => {
    await browser?.close();
    await server?.stop();
});

for (const name of ['websocket', 'eventsource', 'fetch']) {
    test(`ten lines: ${name}`, TIMEOUT, async () => {
        const code = example(name);
        assert.ok(code.trim().split('\n').length <= 10, 'it has more than ten lines');
        const page = await browser.newPage();
        await page.goto(`${server.url}/health`);
        await page.evaluate(`globalThis.shown = []; globalThis.show = (data) => shown.push(data); void (async () => { ${code} })(); 0`);
        // It starts now: whatever comes before that is not for it.
        let number = 0;
        const shown = () => page.evaluate(() => globalThis.shown);
        while ((await shown()).length < 3) {
            await publish(server.url, 'chat', { text: `${(number += 1)}` });
            await page.waitForTimeout(50);
        }
        const numbers = (await shown()).map(({ text }) => Number(text));
        assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index));
        await page.close();
    });
}

test('two lines: curl', TIMEOUT, async () => {
    const lines = example('curl').trim().replaceAll('127.0.0.1:8000', new URL(server.url).host).split('\n');
    assert.equal(lines.length, 2);
    const sh = async (line) => JSON.parse((await promisify(execFile)('sh', ['-c', `${line} --silent`])).stdout);
    const position = (await sh(lines[0])).position;
    const { messages } = await sh(lines[1]);
    assert.deepEqual([messages.at(-1).position, messages.at(-1).data], [position, { text: 'hello' }]);
});
