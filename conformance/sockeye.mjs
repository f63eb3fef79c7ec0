// Starts the programs under test, tells where they listen, what they print, and ends them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_MS = 30_000;
const tls = join(process.env.CONFORMANCE_WORK, 'tls');

/** The files that `conformance/run` has made for wss. */
export const files = {
    authority: join(tls, 'ca.pem'),
    certificate: join(tls, 'server.pem'),
    key: join(tls, 'server.key'),
};
/** The same, as text. */
export const pem = (name) => readFileSync(files[name], 'utf8');

/** `sockeye echo` on a free port: `url`, and `stop()`, which resolves to its exit code. */
export async function echo(...options) {
    const program = start(['echo', '--listen', '127.0.0.1:0', ...options], ['ignore', 'inherit', 'pipe']);
    const url = await listeningUrl(program);
    const stop = async () => {
        const exited = once(program, 'exit');
        program.kill('SIGTERM');
        return (await exited)[0];
    };
    return { url, stop };
}

// Standard error is read to its end, so that the program never waits for us.
function listeningUrl(program) {
    const seen = [];
    return new Promise((resolve, reject) => {
        const refuse = () => reject(new Error(`the server does not say where it listens; it said: ${seen.join('\n')}`));
        const deadline = setTimeout(refuse, START_MS);
        const lines = createInterface({ input: program.stderr });
        lines.on('line', (line) => {
            seen.push(line);
            const found = /listening on (wss?:\/\/\S+?)\/?\s*$/.exec(line);
            if (found) {
                clearTimeout(deadline);
                resolve(found[1]);
            }
        });
        lines.on('close', () => {
            clearTimeout(deadline);
            refuse();
        });
        program.on('error', reject);
    });
}

/** `sockeye connect URL …` in a pipe. */
export function connect(url, ...options) {
    return new Connect(start(['connect', url, ...options], 'pipe'));
}

// A test that fails half-way leaves its program behind, which must not outlive the tests.
function start(args, stdio) {
    const program = spawn(process.env.SOCKEYE_BIN, args, { stdio });
    const kill = () => program.kill('SIGKILL');
    process.once('exit', kill);
    program.once('exit', () => process.off('exit', kill));
    return program;
}

class Connect {
    #program;
    #lines;
    #errors = '';
    #exited;

    constructor(program) {
        this.#program = program;
        this.#exited = once(program, 'close');
        this.#lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
        program.stderr.setEncoding('utf8').on('data', (text) => (this.#errors += text));
        // A program that has already refused the connection does not read its input.
        program.stdin.on('error', () => {});
    }

    /** Sends one message. */
    write(line) {
        this.#program.stdin.write(`${line}\n`);
    }

    /** Ends the input. */
    end() {
        this.#program.stdin.end();
    }

    /** The next line that it prints; undefined behind the last. */
    async line() {
        return (await this.#lines.next()).value;
    }

    /** The next event of this type that `--json` prints. */
    async event(type) {
        for (let line = await this.line(); line !== undefined; line = await this.line()) {
            const event = JSON.parse(line);
            if (event.type === type) return event;
        }
        throw new Error(`there is no event ${type}; on standard error: ${this.#errors}`);
    }

    /** Rejects when it ends: for races with what only a client that is connected brings about. */
    async failure() {
        const [code] = await this.#exited;
        throw new Error(`sockeye connect ended with ${code}: ${this.#errors}`);
    }

    /** All lines that are still to come, the exit code, and what stands on standard error. */
    async finished() {
        const lines = [];
        for (let line = await this.line(); line !== undefined; line = await this.line()) lines.push(line);
        const [code] = await this.#exited;
        return { lines, code, errors: this.#errors };
    }
}
