"""The process: socket, signals, and which part answers which request."""

from __future__ import annotations

import asyncio
import gc
import signal
from pathlib import Path

from simulators.graph.admin import PREFIX, Admin
from simulators.graph.dialog360 import KEY_HEADER, Dialog360
from simulators.graph.graph import Graph, Result, guarded
from simulators.graph.http_protocol import Connection
from simulators.graph.http_request import Request
from simulators.graph.simulation import Simulation


async def serve(simulation: Simulation, host: str, port: int, port_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; the port file appears when requests are taken."""
    connections: set[Connection] = set()
    graph = Graph(simulation)
    admin = Admin(simulation, connections)
    dialog360 = Dialog360(simulation)

    def handle(request: Request) -> Result:
        if request.path.startswith(PREFIX):
            return admin.handle(request)
        if KEY_HEADER in request.headers:
            return dialog360.handle(request)
        return graph.handle(request)

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = simulation.times.append
    server = await loop.create_server(lambda: Connection(guarded(handle), clock, connections), host, port, backlog=1024)
    chosen: int = server.sockets[0].getsockname()[1]
    if port_file is not None:
        partial = port_file.with_suffix(port_file.suffix + ".part")
        partial.write_text(f"{chosen}\n")
        partial.replace(port_file)
    print(f"graph simulator on http://{host}:{chosen}", flush=True)  # noqa: T201 - said to whoever started it
    # A ledger of 100,000 entries must not be walked again and again.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    await stop.wait()
    server.close()
    simulation.sender.close()
    for connection in list(connections):
        connection.abort()
