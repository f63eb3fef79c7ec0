"""`websockets` as server, `sockeye connect` as client."""

import asyncio
import json
import os
import ssl
import sys
import unittest
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from sockeye import WORK  # noqa: E402

TIMEOUT = 60
LINE_LIMIT = 1 << 20
TLS = Path(WORK, "tls")


class Serve:
    """What must work however the connection was made; the classes below say how."""

    arguments = ()
    options = {"compression": None}
    extensions = []
    tls = None

    def talk(self, handler, conversation, *arguments):
        """One conversation of a client with a server that has this handler."""

        async def talk():
            async with asyncio.timeout(TIMEOUT), serve(handler, "127.0.0.1", 0, ssl=self.tls, **self.options) as server:
                scheme = "wss" if self.tls else "ws"
                url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/path?query"
                async with connected(url, *self.arguments, *arguments) as client:
                    await conversation(client)

        asyncio.run(talk())

    def test_negotiated(self):
        async def handler(socket):
            names = [extension.name for extension in socket.protocol.extensions]
            await socket.send(json.dumps([names, socket.request.path, socket.request.headers["X-Test"]]))
            await socket.wait_closed()

        async def conversation(client):
            self.assertEqual(json.loads(await line(client)), [self.extensions, "/path?query", "one two"])
            await self.ends(client)

        self.talk(handler, conversation, "-H", "X-Test: one two")

    def test_lines(self):
        async def conversation(client):
            for text in ["hello", "größer 水 🐟", "l" * 100_000]:
                client.stdin.write(f"{text}\n".encode())
                self.assertEqual(await line(client), text)
            await self.ends(client)

        self.talk(echo_handler, conversation)

    def test_binary(self):
        async def handler(socket):
            received = await socket.recv()
            await socket.send(f"{type(received).__name__} {bytes(received)}")
            await socket.wait_closed()

        async def conversation(client):
            client.stdin.write(b"bytes\n")
            self.assertEqual(await line(client), "bytes b'bytes'")
            await self.ends(client)

        self.talk(handler, conversation, "--binary")

    def test_once(self):
        async def conversation(client):
            client.stdin.write(b"hello\n")
            self.assertEqual(await line(client), "hello")
            self.assertEqual(await client.stdout.read(), b"")
            self.assertEqual(await client.wait(), 0)

        self.talk(echo_handler, conversation, "--once")

    def test_fragments_with_a_ping_between(self):
        async def handler(socket):
            async def fragments():
                yield "hel"
                await (await socket.ping(b"between"))
                yield "lo"

            await socket.send(fragments())
            await socket.wait_closed()

        async def conversation(client):
            self.assertEqual(await line(client), "hello")
            await self.ends(client)

        self.talk(handler, conversation)

    def test_close_codes(self):
        for code in (1000, 1001, 1011, 3001, 4999):
            with self.subTest(code=code):
                echoed = asyncio.Queue()

                async def handler(socket, code=code, echoed=echoed):
                    await socket.close(code, "bye")
                    await echoed.put(socket.protocol.close_rcvd.code)

                async def conversation(client, code=code, echoed=echoed):
                    close = await event(client, "close")
                    self.assertEqual((close["code"], close["reason"]), (code, "bye"))
                    self.assertEqual(await echoed.get(), code)
                    client.stdin.close()
                    await client.wait()

                self.talk(handler, conversation, "--json")

    async def ends(self, client):
        """The client whose input ends closes cleanly, prints no more and exits with 0."""
        client.stdin.close()
        self.assertEqual(await client.stdout.read(), b"")
        self.assertEqual(await client.wait(), 0)


class Plain(Serve, unittest.TestCase):
    pass


class DeflateOfferedOnly(Serve, unittest.TestCase):
    arguments = ("--deflate",)


class DeflateKnownOnly(Serve, unittest.TestCase):
    options = {"compression": "deflate"}


class Deflate(Serve, unittest.TestCase):
    arguments = ("--deflate",)
    options = {"compression": "deflate"}
    extensions = ["permessage-deflate"]


class DeflateWithoutTakeover(Deflate):
    options = {
        "compression": None,
        "extensions": [
            ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
        ],
    }


class Secure(Deflate):
    arguments = ("--deflate", "--ca", str(TLS / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TLS / "server.pem", TLS / "server.key")


class Refusals(unittest.TestCase):
    def test_the_status_of_a_refusal_is_told(self):
        async def refuse(connection, _request):
            return connection.respond(HTTPStatus.FORBIDDEN, "not you\n")

        async def talk():
            async with asyncio.timeout(TIMEOUT), serve(echo_handler, "127.0.0.1", 0, process_request=refuse) as server:
                async with connected(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as client:
                    client.stdin.close()
                    self.assertEqual(await client.stdout.read(), b"")
                    errors = (await client.stderr.read()).decode()
                    self.assertNotEqual(await client.wait(), 0)
                    self.assertIn("403", errors)
                    self.assertIn("not you", errors)

        asyncio.run(talk())


async def echo_handler(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass


@asynccontextmanager
async def connected(url, *arguments):
    """`sockeye connect` in a pipe; ended at the latest here."""
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(
        os.environ["SOCKEYE_BIN"], "connect", url, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_LIMIT
    )
    try:
        yield client
    finally:
        if client.returncode is None:
            client.terminate()
            await client.wait()


async def line(client):
    """The next line that the client prints."""
    return (await client.stdout.readline()).decode().removesuffix("\n")


async def event(client, kind):
    """The next event of this type that `--json` prints."""
    while printed := await line(client):
        if (found := json.loads(printed))["type"] == kind:
            return found
    raise AssertionError(f"there is no event {kind}; on standard error: {(await client.stderr.read()).decode()}")


if __name__ == "__main__":
    unittest.main()
