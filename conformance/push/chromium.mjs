// Debian's Chromium, without a window, with a profile of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
];

/** A browser: `newPage()`, `addCookies(cookies)`, `clearCookies()`, and `close()`, after which nothing of it is left. */
export async function launch(options = {}) {
    const profile = await mkdtemp(join(tmpdir(), 'sockeye-chromium-'));
    const executablePath = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
    const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS, ...options });
    const close = async () => {
        await context.close();
        await rm(profile, { recursive: true, force: true });
    };
    return {
        newPage: () => context.newPage(),
        addCookies: (cookies) => context.addCookies(cookies),
        clearCookies: () => context.clearCookies(),
        close,
    };
}
