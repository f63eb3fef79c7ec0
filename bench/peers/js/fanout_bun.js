// Fan-out by bun's publish. Every client subscribes to the topic `chat` when it connects, but for those on the path
// /publish: what they send is published to it.

import { announce, options, unsupported } from "./options.mjs";

const { deflate, tls } = options();
if (deflate) unsupported("--deflate");

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls,
  fetch(request, server) {
    const publishes = new URL(request.url).pathname === "/publish";
    if (!server.upgrade(request, { data: { publishes } })) return new Response(null, { status: 426 });
  },
  websocket: {
    backpressureLimit: 64 << 20, // beyond it, messages are dropped
    idleTimeout: 0,
    sendPings: false,
    open(ws) {
      if (!ws.data.publishes) ws.subscribe("chat");
    },
    message(ws, message) {
      if (ws.data.publishes) server.publish("chat", message);
    },
  },
});
announce(server.port);
