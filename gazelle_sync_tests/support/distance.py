"""A database that is far away: a TCP proxy that delays what passes, each direction by half of the round trip.

Only time is added. Bandwidth is not limited, nothing is reordered, and any number of chunks is under way at once, so
what is pipelined stays pipelined. A new connection costs a round trip of its own before its first byte, as TCP's does.

It counts as well: a round trip begins when the client says something after the server's last answer. Where little is
added to the way, an answer may come while a pipeline is still being sent, and one round trip counts as more.

`python -m gazelle_sync_tests.support.distance ADDRESS ROUND_TRIP_S PORT` is the proxy; it is a process of its own, so
that a busy test does not make the way longer than it is to be. Each line of its standard input is answered with the
round trips since the last one, as JSON; it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

FAR_S = 0.06
"""Seconds a round trip: a shop in Montreal with its database in another region."""
COUNTED_S = 0.005
"""For a test that counts round trips: long enough for a pipeline to be one, and no wait to speak of."""
CHUNK = 1 << 18
HOST = "127.0.0.1"
HEAD = 80
"""Characters of a statement that are kept: what the comment at its top says, where there is one."""
LENGTH = 4
"""Bytes that say how long a message is, themselves included."""
QUERY, PARSE, LEAVE = b"Q", b"P", "(leave)"
NAMES = {b"": "(begin)", b"p": "(password)", b"d": "(copy)", b"X": LEAVE}


@dataclass(frozen=True)
class DelayProxy:
    """A running proxy.

    Attributes:
        url: The database's address by way of the proxy.
        process: The proxy's; to kill it is an outage of the network.
    """

    url: str
    process: subprocess.Popen[str]

    def to(self, database: str) -> str:
        """The address of another database of the same server by the same way."""
        return f"{self.url.rpartition('/')[0]}/{quote(database)}"

    def round_trips(self) -> list[list[str]]:
        """The round trips since it was last asked: of each connection, the beginnings of what was said in each."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said: list[list[str]] = json.loads(self.process.stdout.readline())
        return said


class Conversation:
    """What a client and a server send each other on one connection, round trip by round trip."""

    def __init__(self) -> None:
        self._trips: list[list[str]] = [["(connection)"]]
        self._unread = b""
        self._is_answered = True

    def ask(self, chunk: bytes) -> None:
        """The client says something."""
        self._unread += chunk
        said = list(self._messages())
        if not chunk or LEAVE in said:
            return
        if self._is_answered or not self._trips:
            self._trips.append([])
            self._is_answered = False
        self._trips[-1] += said

    def answer(self, _: bytes) -> None:
        """The server says something."""
        self._is_answered = True

    def drain(self) -> list[str]:
        """What was said in each round trip since it was last asked."""
        trips, self._trips = self._trips, []
        return ["; ".join(dict.fromkeys(filter(None, trip))) for trip in trips]

    def _messages(self) -> Iterator[str]:
        """The messages that have come whole: of a statement its beginning, of the others their type or nothing.

        One without a type begins the connection, or asks for TLS, which the embedded server has not.
        """
        while len(self._unread) > LENGTH:
            typed = 0 if self._unread[:1] == b"\0" else 1
            end = typed + int.from_bytes(self._unread[typed : typed + LENGTH], "big")
            if len(self._unread) < end:
                return
            kind, contents = self._unread[:typed], self._unread[typed + LENGTH : end]
            self._unread = self._unread[end:]
            if kind == PARSE:
                contents = contents.partition(b"\0")[2]  # the name of the prepared statement stands before it
            if kind in (QUERY, PARSE):
                yield " ".join(contents.partition(b"\0")[0].decode(errors="replace").split())[:HEAD]
            else:
                yield NAMES.get(kind, "")


@contextmanager
def far_away(url: str, round_trip_s: float = FAR_S, *, port: int = 0) -> Iterator[DelayProxy]:
    """Reach a database through a delay, for the length of a block.

    Args:
        url: The database's address; a server on a Unix socket is reached by it.
        round_trip_s: Seconds there and back.
        port: Where it listens on loopback; 0: anywhere.
    """
    said = conninfo_to_dict(url)
    host, server_port = str(said.get("host") or HOST), int(said.get("port") or 5432)
    address = f"{host}/.s.PGSQL.{server_port}" if host.startswith("/") else f"{host}:{server_port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gazelle_sync_tests.support.distance", address, str(round_trip_s), str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            listening = int(process.stdout.readline())
            password = f":{quote(str(said['password']), safe='')}" if said.get("password") else ""
            user = f"{quote(str(said.get('user') or 'postgres'), safe='')}{password}"
            yield DelayProxy(
                f"postgresql://{user}@{HOST}:{listening}/{quote(str(said.get('dbname') or 'postgres'))}", process
            )
        finally:
            process.kill()


async def serve(address: str, round_trip_s: float, port: int) -> None:
    """Run the proxy until standard input ends.

    Args:
        address: `host:port`, or the path of a Unix socket.
        round_trip_s: Seconds there and back.
        port: Where to listen on loopback; 0: anywhere.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    conversations: list[Conversation] = []

    def tell() -> None:
        print(json.dumps([trips for conversation in conversations if (trips := conversation.drain())]), flush=True)  # noqa: T201

    def wait_for_end() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(tell)
        loop.call_soon_threadsafe(ended.set)

    async def pass_on(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        try:
            if address.startswith("/"):
                reader, writer = await asyncio.open_unix_connection(address)
            else:
                host, _, number = address.rpartition(":")
                reader, writer = await asyncio.open_connection(host, int(number))
        except OSError:
            near_writer.transport.abort()
            return
        opened = loop.time() + round_trip_s
        conversations.append(conversation := Conversation())
        await asyncio.gather(
            _carry(near_reader, writer, round_trip_s / 2, opened, came=conversation.ask),
            _carry(reader, near_writer, round_trip_s / 2, opened, left=conversation.answer),
        )

    server = await asyncio.start_server(pass_on, HOST, port)
    threading.Thread(target=wait_for_end, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how the starter learns it
    await ended.wait()


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay_s: float,
    opened: float,
    *,
    came: Callable[[bytes], object] = bytes,
    left: Callable[[bytes], object] = bytes,
) -> None:
    """One direction: every chunk leaves `delay_s` after it came, the end of the stream too.

    Args:
        reader: Where it comes from.
        writer: Where it goes.
        delay_s: Seconds on the way.
        opened: By the loop's clock, before which the connection does not stand.
        came: Told of a chunk when it begins its way.
        left: Told of a chunk when its way ends.
    """
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            left(chunk)
            with suppress(OSError):
                if not chunk:
                    writer.close()
                    return
                writer.write(chunk)
                await writer.drain()

    delivering = asyncio.create_task(deliver())
    chunk = b"-"
    while chunk:
        try:
            chunk = await reader.read(CHUNK)
        except OSError:
            chunk = b""
        came(chunk)
        under_way.put_nowait((max(loop.time(), opened) + delay_s, chunk))
    await delivering


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
