// What is shipped: its size, its types, its independence.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import * as shipped from '../sockeye.js';

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const modules = ['sockeye.js', 'sockeye-connection.js'];
const types = read('sockeye.d.ts');

/** The module as the server sends it: without comments and indentation, each line where it was. */
function bare(source) {
  return source.split('\n').map((line) => line.trim()).map((line) => (/^(\/\/|\/\*\*|\* |\*\/)/.test(line) ? '' : line)).join('\n');
}

/** The members that a class of the declarations names. */
function declared(name) {
  const body = new RegExp(`export class ${name} .*\\{\\n([\\s\\S]*?)\\n\\}`).exec(types)[1];
  const isStatic = /^ {2}static /;
  const lines = body.split('\n').filter((line) => /^ {2}[a-z]/i.test(line) && !isStatic.test(line));
  return new Set(lines.map((line) => /^ {2}(?:private |readonly )*(\w+)/.exec(line)[1]));
}

// As `cat js/sockeye.js js/sockeye-connection.js | gzip -9 | wc -c` counts.
test('the modules as they stand have under 10 kB together, compressed', () => {
  const { length } = gzipSync(modules.map(read).join(''), { level: 9 });
  assert.ok(length < 10000, `${length} bytes`);
});

test('without comments and indentation they are the same program', async () => {
  const url = (source) => `data:text/javascript,${encodeURIComponent(source).replaceAll("'", "%27")}`;
  const connection = url(bare(read('sockeye-connection.js')));
  const { Sockeye } = await import(url(bare(read('sockeye.js')).replace('./sockeye-connection.js', () => connection)));
  assert.equal(new Sockeye('http://push.test/').readyState, 0);
  for (const name of modules) assert.equal(bare(read(name)).split('\n').length, read(name).split('\n').length);
});

test('the modules import nothing but each other', () => {
  for (const name of modules) {
    const imports = [...read(name).matchAll(/\bfrom '([^']+)'|\bimport\(/g)].map(([, from]) => from);
    assert.ok(imports.every((from) => modules.includes(from?.replace('./', ''))), `${name}: ${imports}`);
  }
  assert.deepEqual(Object.keys(JSON.parse(read('package.json'))).filter((key) => /dependencies/i.test(key)), []);
});

test('the declarations name what the module exports', () => {
  const names = [...types.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(names.sort(), Object.keys(shipped).sort());
});

test('the declarations name the members of the class', () => {
  const client = new shipped.Sockeye('http://push.test/');
  const actual = new Set(Object.getOwnPropertyNames(shipped.Sockeye.prototype).concat(Object.keys(client)));
  const expected = declared('Sockeye').add('constructor');
  assert.deepEqual([...expected].filter((name) => !actual.has(name)), ['addEventListener', 'removeEventListener']);
  assert.deepEqual([...actual].filter((name) => !expected.has(name)), []);
  const subscription = client.subscribe('chat');
  for (const name of declared('Subscription')) assert.ok(name in subscription, name);
  client.close();
});

test('the declarations name the options', () => {
  const defaults = /const DEFAULTS = \{([\s\S]*?)\};/.exec(read('sockeye.js'))[1];
  const options = /export interface Options \{([\s\S]*?)\n\}/.exec(types)[1];
  for (const [, name, value] of defaults.matchAll(/(\w+): ([\d]+|'\w+')/g)) {
    const doc = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s+${name}\\?:`).exec(options)?.[1];
    assert.ok(doc?.includes(value.replaceAll("'", '')), `${name} is declared with its default ${value}`);
  }
});
