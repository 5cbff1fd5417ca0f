"""The server's process: a socket, the event loop, and an end after the last answer."""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from pipeline.errors import UserError
from pipeline.serving import connections
from pipeline.serving.application import Application
from pipeline.serving.limits import Limits

# Longer than clients keep connections in their pools, which would else send into one that closes.
_KEEP_ALIVE_SECONDS = 75

# A thread that scores a large request hands Python's lock to the event loop so often; by default it is 5 ms.
_SWITCH_SECONDS = 0.0005


def listening(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 is one that is free. Raises: UserError if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"--host {host}: expected an address of this machine: {_reason(error)}") from None
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UserError(f"--port {port}: expected a free port of {host}: {_reason(error)}; choose another") from None
    return listener


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def address(listener: socket.socket) -> str:
    """The address of a socket for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(application: Application, listener: socket.socket, limits: Limits, ready: Callable[[], None]) -> None:
    """Serve until a signal asks for the end; then answer what has begun. ``ready`` is called once requests come in."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    # A command collects no garbage, a server has to; what is loaded by now is none.
    gc.collect()
    gc.freeze()
    gc.enable()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would tell of each request that is none
    config = uvicorn.Config(
        application,
        http=connections.BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # A request that began may take its time to arrive, and its time to be answered.
        timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
    )
    server = _Server(config)
    application.connections = server.server_state.connections
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, listener, limits, ready))


async def _serve(server: "_Server", listener: socket.socket, limits: Limits, ready: Callable[[], None]) -> None:
    sweeping = asyncio.create_task(connections.sweep(server.server_state.connections, limits.seconds))
    server.ready = ready
    try:
        await server.serve([listener])
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


class _Server(uvicorn.Server):
    """uvicorn's server, whose end by a signal is an ordinary one: it would raise the signal again."""

    ready: Callable[[], None]

    async def startup(self, sockets: Any = None) -> None:
        """Open the socket, then say so."""
        await super().startup(sockets)
        self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what has begun; at a second signal end at once."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()
