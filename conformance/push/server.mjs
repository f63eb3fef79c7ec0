// Starts what the suites need: `sockeye serve`, and reverse proxies in front of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const START_MS = 30_000;

/** A port that was free a moment ago. */
export async function freePort() {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address();
    listener.close();
    await once(listener, 'close');
    return port;
}

/** `sockeye serve` on a free port, or on `port`: `url` without a slash at its end, `pid`, and `stop(signal)`, which resolves to its exit code. */
export async function serve({ port = 0, options = [], env = {} } = {}) {
    const listen = ['--listen', `127.0.0.1:${port}`];
    const program = start(process.env.SOCKEYE_BIN, ['serve', ...listen, ...options], { ...process.env, ...env });
    const url = await firstUrl(program);
    const stop = (signal = 'SIGTERM') => end(program, signal);
    return { url, port: Number(new URL(url).port), pid: program.pid, stop };
}

/** Another program that listens on `port` soon. */
export async function daemon(command, args, port) {
    const program = start(command, args, process.env);
    program.stdout.resume();
    program.stderr.resume();
    const deadline = Date.now() + START_MS;
    for (;;) {
        const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
        if (answer?.ok) break;
        if (program.exitCode !== null) throw new Error(`${command} ended with ${program.exitCode}`);
        if (Date.now() > deadline) throw new Error(`${command} does not answer on port ${port}`);
        await pause(50);
    }
    return { url: `http://127.0.0.1:${port}`, stop: () => end(program, 'SIGTERM') };
}

async function end(program, signal) {
    if (program.exitCode !== null || program.signalCode !== null) return program.exitCode;
    const exited = once(program, 'exit');
    program.kill(signal);
    return (await exited)[0];
}

// What a test leaves behind must not outlive the tests.
function start(command, args, env) {
    const program = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const kill = () => program.kill('SIGKILL');
    process.once('exit', kill);
    program.once('exit', () => process.off('exit', kill));
    return program;
}

// Both outputs are read to their ends, so that the program never waits for us.
function firstUrl(program) {
    const seen = [];
    return new Promise((resolve, reject) => {
        const refuse = () => reject(new Error(`the server does not say where it listens; it said: ${seen.join('\n')}`));
        const deadline = setTimeout(refuse, START_MS);
        for (const input of [program.stdout, program.stderr]) {
            createInterface({ input }).on('line', (line) => {
                seen.push(line);
                const found = /(https?:\/\/127\.0\.0\.1:\d+)/.exec(line);
                if (found) {
                    clearTimeout(deadline);
                    resolve(found[1]);
                }
            });
        }
        program.on('exit', () => {
            clearTimeout(deadline);
            refuse();
        });
        program.on('error', reject);
    });
}
