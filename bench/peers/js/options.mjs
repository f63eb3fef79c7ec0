// The command line and the announcement that all servers have in common, in node and in bun.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Reads `[--deflate] [--send] [--tls CERT.pem KEY.pem] [--threads N]`. */
export function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true, // the key's path, behind the certificate's
    options: {
      deflate: { type: "boolean", default: false },
      send: { type: "boolean", default: false },
      threads: { type: "string", default: "1" },
      tls: { type: "string" },
    },
  });
  if (values.threads !== "1") unsupported("--threads");
  const tls = values.tls && { cert: readFileSync(values.tls), key: readFileSync(positionals[0]) };
  return { deflate: values.deflate, send: values.send, tls };
}

/** Ends the process with status 3: the peer cannot do what was asked. */
export function unsupported(what) {
  console.error(`unsupported: ${what}`);
  process.exit(3);
}

/** Says on which port of 127.0.0.1 the server listens. */
export function announce(port) {
  console.log(`listening 127.0.0.1:${port}`);
}
