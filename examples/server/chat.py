"""The code under test: a chat server and its client, with websockets.

A peer is one or the other. Coroutine functions run on its event loop, which goes on between the
calls, so the server serves and the client stays connected.
"""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosedError

# The server

server: Server
members: dict[str, ServerConnection] = {}


async def open_room() -> int:
    """Start the server, and return its port."""
    global server
    server = await serve(session, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def session(connection: ServerConnection) -> None:
    name = await connection.recv()
    members[name] = connection
    tell_all(f"{name} joined")
    farewell = "left"
    try:
        async for text in connection:
            tell_all(f"{name}: {text}")
    except ConnectionClosedError:  # the client was killed
        farewell = "was lost"
    del members[name]
    tell_all(f"{name} {farewell}")


def tell_all(text: str) -> None:
    print(text, flush=True)
    broadcast(members.values(), text)


def present() -> list[str]:
    return list(members)


# The client

connection: ClientConnection


async def join(port: int, name: str) -> str:
    """Enter the room, and return the first message."""
    global connection
    connection = await connect(f"ws://127.0.0.1:{port}", proxy=None)
    await connection.send(name)
    return await connection.recv()


async def say(text: str) -> None:
    await connection.send(text)


async def hear() -> str:
    """Wait for the next message in the room, and return it."""
    return await connection.recv()


async def leave() -> None:
    await connection.close()
