// The echo server of ws, with bufferutil where that is installed (its README, 'Opt-in for performance').
//
// The replies to what one read brought leave in one write: ws emits their messages in the same tick
// (`allowSynchronousEvents`), and the socket, which is the application's own, is corked until that ends, as node's
// documentation of `writable.cork()` shows. With --send every reply is written by itself.

import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { WebSocketServer } from "ws";
import { announce, options } from "./options.mjs";

const { deflate, send, tls } = options();

const sockets = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  maxPayload: 64 << 20,
  // Context takeover, window 15; messages below 1 KiB, which it would spare by default, are compressed too.
  perMessageDeflate: deflate && { threshold: 0, zlibDeflateOptions: { level: 6 } },
});

function echo(ws, socket) {
  let corked = false;
  const uncork = () => {
    corked = false;
    socket.uncork();
  };
  ws.on("error", () => {}); // the connection ends alone
  ws.on("message", (message, binary) => {
    if (!send && !corked) {
      corked = true;
      socket.cork();
      process.nextTick(uncork);
    }
    ws.send(message, { binary });
  });
}

const server = tls ? createTlsServer(tls) : createServer();
server.on("upgrade", (request, socket, head) => {
  socket.setNoDelay(true);
  sockets.handleUpgrade(request, socket, head, (ws) => echo(ws, socket));
});
server.listen(0, "127.0.0.1", () => announce(server.address().port));
