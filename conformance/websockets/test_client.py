"""`websockets` as client, `sockeye echo` as server."""

import asyncio
import ssl
import sys
import unittest
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from sockeye import WORK, echo  # noqa: E402

TIMEOUT = 60
MIB = 1 << 20
TLS = Path(WORK, "tls")


class Echo:
    """What must work however the connection was made; the classes below say how."""

    arguments = ()
    options = {"compression": None}
    extensions = []

    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(echo(*cls.arguments))

    def talk(self, conversation):
        """Runs one conversation over a connection of its own."""

        async def talk():
            async with asyncio.timeout(TIMEOUT), connect(self.url, max_size=None, **self.options) as socket:
                await conversation(socket)

        asyncio.run(talk())

    def test_negotiated(self):
        async def conversation(socket):
            self.assertEqual([extension.name for extension in socket.protocol.extensions], self.extensions)
            self.assertIsNone(socket.subprotocol)

        self.talk(conversation)

    def test_text(self):
        async def conversation(socket):
            for text in ["", "hello", "größer 水 🐟", "a" * 125, "b" * 126, "c" * MIB]:
                await socket.send(text)
                self.assertEqual(await socket.recv(), text)

        self.talk(conversation)

    def test_binary(self):
        async def conversation(socket):
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, MIB]:
                data = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(length))
                await socket.send(data)
                self.assertEqual(await socket.recv(), data)

        self.talk(conversation)

    def test_fragments(self):
        async def conversation(socket):
            await socket.send(["hel", "lo ", "", "wörld"])
            self.assertEqual(await socket.recv(), "hello wörld")
            await socket.send([b"\x00" * 1000, b"\xff" * 100_000])
            self.assertEqual(await socket.recv(), b"\x00" * 1000 + b"\xff" * 100_000)

        self.talk(conversation)

    def test_many_in_flight(self):
        async def conversation(socket):
            sent = [f"message {i} {'x' * i}" for i in range(500)]
            receiving = asyncio.create_task(receive(socket, len(sent)))
            for text in sent:
                await socket.send(text)
            self.assertEqual(await receiving, sent)

        self.talk(conversation)

    def test_ping_between_fragments(self):
        async def conversation(socket):
            async def fragments():
                yield "hel"
                await (await socket.ping(b"between"))
                yield "lo"

            await socket.send(fragments())
            self.assertEqual(await socket.recv(), "hello")

        self.talk(conversation)

    def test_pings(self):
        async def conversation(socket):
            answers = [await socket.ping(payload) for payload in (b"a", b"p" * 125, b"\x00\xff")]
            await asyncio.gather(*answers)
            await socket.pong(b"unasked")
            await socket.send("still there")
            self.assertEqual(await socket.recv(), "still there")

        self.talk(conversation)

    def test_close_codes(self):
        for code in (1000, 1001, 1003, 1011, 3000, 4999):
            with self.subTest(code=code):

                async def conversation(socket, code=code):
                    await socket.close(code, "bye")
                    with self.assertRaises(ConnectionClosed) as closed:
                        await socket.recv()
                    self.assertEqual(closed.exception.sent.code, code)
                    self.assertEqual(closed.exception.rcvd.code, code)

                self.talk(conversation)


class Plain(Echo, unittest.TestCase):
    pass


class DeflateOfferedOnly(Echo, unittest.TestCase):
    options = {"compression": "deflate"}


class DeflateKnownOnly(Echo, unittest.TestCase):
    arguments = ("--deflate",)


class Deflate(Echo, unittest.TestCase):
    arguments = ("--deflate",)
    options = {"compression": "deflate"}
    extensions = ["permessage-deflate"]


class DeflateWithoutTakeover(Deflate):
    options = {
        "compression": None,
        "extensions": [
            ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
        ],
    }


class DeflateWithSmallWindows(Deflate):
    options = {
        "compression": None,
        "extensions": [ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9)],
    }


class Secure(Deflate):
    arguments = ("--deflate", "--tls-cert", str(TLS / "server.pem"), "--tls-key", str(TLS / "server.key"))
    options = {"compression": "deflate", "ssl": ssl.create_default_context(cafile=TLS / "ca.pem")}


class Refusals(unittest.TestCase):
    def test_a_message_over_the_limit(self):
        async def talk(url):
            async with asyncio.timeout(TIMEOUT), connect(url) as socket:
                await socket.send("m" * 1000)
                self.assertEqual(await socket.recv(), "m" * 1000)
                await socket.send("m" * 1001)
                with self.assertRaises(ConnectionClosed) as closed:
                    await socket.recv()
                self.assertEqual(closed.exception.rcvd.code, 1009)

        with echo("--max-message", "1000") as url:
            asyncio.run(talk(url))

    def test_a_subprotocol_that_the_server_does_not_speak(self):
        async def talk(url):
            async with asyncio.timeout(TIMEOUT), connect(url, subprotocols=["nope"]) as socket:
                self.assertIsNone(socket.subprotocol)

        with echo() as url:
            asyncio.run(talk(url))


async def receive(socket, count):
    return [await socket.recv() for _ in range(count)]


if __name__ == "__main__":
    unittest.main()
