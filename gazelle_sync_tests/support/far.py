"""A database that is far away: a TCP proxy that delays what passes, each direction by half of the round trip.

Only time is added. Bandwidth is not limited, nothing is reordered, and any number of chunks is under way at once, so
what is pipelined stays pipelined. A new connection costs a round trip of its own before its first byte, as TCP's does.

`python -m gazelle_sync_tests.support.far ADDRESS ROUND_TRIP_S PORT` is the proxy; it is a process of its own, so that a
busy test does not make the way longer than it is to be. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

FAR_S = 0.06
"""Seconds a round trip: a shop in Montreal with its database in another region."""
CHUNK = 1 << 18
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Far:
    """A proxy that runs.

    Attributes:
        url: The database's address by way of the proxy.
        process: The proxy's; to kill it is an outage of the network.
    """

    url: str
    process: subprocess.Popen[str]

    def to(self, database: str) -> str:
        """The address of another database of the same server by the same way."""
        return f"{self.url.rpartition('/')[0]}/{quote(database)}"


@contextmanager
def far_away(url: str, round_trip_s: float = FAR_S, *, port: int = 0) -> Iterator[Far]:
    """A way to a database that takes so long, for the length of a block.

    Args:
        url: The database's address; a server on a Unix socket is reached by it.
        round_trip_s: Seconds there and back.
        port: Where it listens on loopback; 0: anywhere.
    """
    said = conninfo_to_dict(url)
    host, server_port = str(said.get("host") or HOST), int(said.get("port") or 5432)
    address = f"{host}/.s.PGSQL.{server_port}" if host.startswith("/") else f"{host}:{server_port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gazelle_sync_tests.support.far", address, str(round_trip_s), str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            listening = int(process.stdout.readline())
            password = f":{quote(str(said['password']), safe='')}" if said.get("password") else ""
            user = f"{quote(str(said.get('user') or 'postgres'), safe='')}{password}"
            yield Far(f"postgresql://{user}@{HOST}:{listening}/{quote(str(said.get('dbname') or 'postgres'))}", process)
        finally:
            process.kill()


async def serve(address: str, round_trip_s: float, port: int) -> None:
    """Be the proxy, until standard input ends.

    Args:
        address: `host:port`, or the path of a Unix socket.
        round_trip_s: Seconds there and back.
        port: Where to listen on loopback; 0: anywhere.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
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
        await asyncio.gather(
            _carry(near_reader, writer, round_trip_s / 2, opened),
            _carry(reader, near_writer, round_trip_s / 2, opened),
        )

    server = await asyncio.start_server(pass_on, HOST, port)
    threading.Thread(target=wait_for_end, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how the starter learns it
    await ended.wait()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, opened: float) -> None:
    """One direction: every chunk leaves `delay_s` after it came, the end of the stream too.

    Args:
        reader: Where it comes from.
        writer: Where it goes.
        delay_s: Seconds on the way.
        opened: By the loop's clock, before which the connection does not stand.
    """
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
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
        under_way.put_nowait((max(loop.time(), opened) + delay_s, chunk))
    await delivering


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
