// The echo server of bun, whose server is uWebSockets.
//
// It has one shape: uWebSockets corks while it handles what one read brought, so `send` batches by itself, and --send
// changes nothing.

import { announce, options } from "./options.mjs";

const { deflate, tls } = options();

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response(null, { status: 426 });
  },
  websocket: {
    // "dedicated": context takeover, window 15. What `true` stands for, "shared", has no context takeover. The level is
    // uWebSockets' own: zlib's default, 6.
    perMessageDeflate: deflate && { compress: "dedicated", decompress: "dedicated" },
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20, // beyond it, messages are dropped
    idleTimeout: 0,
    sendPings: false,
    message(ws, message) {
      ws.send(message, deflate);
    },
  },
});
announce(server.port);
