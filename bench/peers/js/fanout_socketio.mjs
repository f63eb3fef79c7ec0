// Fan-out by socket.io over WebSocket alone. Every client is in the one room, but for those that connect with
// `&publish=1`: the argument of their event `publish` is emitted as the event `message` to the room.
//
// As its page 'Performance tuning' advises, ws has bufferutil.

import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Server } from "socket.io";
import { announce, options, unsupported } from "./options.mjs";

const { deflate, tls } = options();
if (deflate) unsupported("--deflate");

const server = tls ? createTlsServer(tls) : createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  if (socket.handshake.query.publish === undefined) {
    socket.join("chat");
  } else {
    socket.on("publish", (message) => io.to("chat").emit("message", message));
  }
});
server.listen(0, "127.0.0.1", () => announce(server.address().port));
