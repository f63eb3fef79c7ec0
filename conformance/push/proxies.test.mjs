// Every transport behind nginx, HAProxy and Apache httpd, with the configurations of docs/operate/proxies.md.

import assert from 'node:assert/strict';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { follow, publish, TRANSPORTS } from './clients.mjs';
import { daemon, freePort, serve } from './server.mjs';

const TIMEOUT = { timeout: 120_000 };
const MESSAGES = 50;
/** Behind a proxy a server is closed unless it says otherwise. */
const OPEN = `
    [auth]
    anonymous = true
    [limits]
    messages_per_second = 100000
    [namespace]
    subscribe = "anyone"
    publish = "anyone"
`;

for (const name of ['nginx', 'haproxy', 'apache']) {
    describe(`behind ${name}`, () => {
        let home, server, proxy;

        before(async () => {
            home = await mkdtemp(join(tmpdir(), 'sockeye-proxy-'));
            await writeFile(join(home, 'sockeye.toml'), OPEN);
            server = await serve({ options: ['--trust-proxy', '127.0.0.0/8', '--config', join(home, 'sockeye.toml')] });
            proxy = await startProxy(name, home, server.port);
        }, TIMEOUT);

        after(async () => {
            await proxy?.stop();
            await server?.stop();
            await rm(home, { recursive: true, force: true });
        });

        for (const transport of TRANSPORTS) {
            test(`${transport} receives what is published, in order`, TIMEOUT, async () => {
                const channel = `through-${name}-${transport}`;
                const received = inbox();
                const follower = await follow[transport](proxy.url, `channel=${channel}`, received.take);
                for (let i = 0; i < MESSAGES; i += 1) await publish(proxy.url, channel, i);
                await Promise.race([received.until(MESSAGES), follower.failed]);
                follower.stop();
                assert.deepEqual(received.values, Array.from({ length: MESSAGES }, (_, i) => i));
            });
        }

        test('upgrades come as later requests on connections that are kept alive', TIMEOUT, async () => {
            for (let round = 0; round < 20; round += 1) {
                assert.equal((await fetch(`${proxy.url}/health`)).status, 200);
                const received = inbox();
                const follower = await follow.websocket(proxy.url, 'channel=kept&since=now', received.take);
                await publish(proxy.url, 'kept', round);
                await Promise.race([received.until(1), follower.failed]);
                follower.stop();
                assert.deepEqual(received.values, [round]);
            }
        });

        test('a page of the same host connects, one of another host does not', TIMEOUT, async () => {
            const own = await follow.websocket(proxy.url, 'channel=o', () => {}, { origin: proxy.url });
            own.stop();
            await assert.rejects(
                follow.websocket(proxy.url, 'channel=o', () => {}, { origin: 'http://elsewhere.example' }),
                /403/,
            );
        });
    });
}

/** What was received: `take` for the follower, `until(n)` to wait for n publications. */
function inbox() {
    const values = [];
    let awaited = { count: Infinity, resolve: () => {} };
    return {
        values,
        take(message) {
            if (message.type === 'message') values.push(message.data);
            if (values.length >= awaited.count) awaited.resolve();
        },
        until(count) {
            return new Promise((resolve) => {
                awaited = { count, resolve };
                if (values.length >= count) resolve();
            });
        },
    };
}

async function startProxy(name, home, upstream) {
    const port = await freePort();
    const page = await readFile(new URL('../../docs/operate/proxies.md', import.meta.url), 'utf8');
    const found = new RegExp(`<!-- config ${name} -->\n\`\`\`\\w+\n([^]*?)\`\`\``).exec(page);
    const config = found[1].replaceAll('127.0.0.1:8000', `127.0.0.1:${upstream}`).replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
    const file = join(home, 'proxy.conf');
    const [command, ...args] = await programs[name](home, file, config);
    return daemon(command, args, port);
}

// What a proxy needs around the configuration to run from a folder of its own.
const programs = {
    async nginx(home, file, config) {
        const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${home}/${kind};`);
        await writeFile(file, `daemon off; pid ${home}/pid; error_log ${home}/error.log;
            events { worker_connections 512; }
            http { access_log off; ${paths.join(' ')} ${config} }`);
        return ['nginx', '-e', join(home, 'error.log'), '-c', file];
    },

    async haproxy(home, file, config) {
        await writeFile(file, config);
        return ['haproxy', '-db', '-f', file];
    },

    async apache(home, file, config) {
        const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', 'headers'].map(
            (module) => `LoadModule ${module}_module /usr/lib/apache2/modules/mod_${module}.so`,
        );
        await mkdir(join(home, 'run'));
        await writeFile(file, `ServerRoot ${home}
            PidFile ${home}/pid
            DefaultRuntimeDir ${home}/run
            ServerName localhost
            ErrorLog ${home}/error.log
            User www-data
            Group www-data
            ${modules.join('\n')}
            ${config}`);
        return ['apache2', '-f', file, '-D', 'FOREGROUND'];
    },
};
