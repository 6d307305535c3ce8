"""Command line: ``python -m simulators.whatsapp_web --port 0 --state FILE``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

import uvloop
from aiohttp import web

from simulators.whatsapp_web.certificate import self_signed
from simulators.whatsapp_web.server import Server
from simulators.whatsapp_web.settings import CHOICES, Settings
from simulators.whatsapp_web.store import Store
from simulators.whatsapp_web.world import World


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.whatsapp_web", description="A local stand-in for web.whatsapp.com."
    )
    defaults = Settings()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--port-file", type=Path, help="the chosen ports are written here once requests are taken")
    parser.add_argument("--state", type=Path, help="logins, messages and ids are kept in this SQLite file")
    parser.add_argument("--keys", default=defaults.keys, choices=CHOICES["keys"], help="kind of message keys")
    parser.add_argument("--chat-ids", default=defaults.chat_ids, choices=CHOICES["chat_ids"], help="of new chats")
    parser.add_argument("--sync-s", type=float, default=defaults.sync_s, help="from CONNECTED to synced")
    parser.add_argument("--https-port", type=int, help="serve HTTPS too, with a certificate that nobody trusts")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    settings = Settings()
    settings.change({"keys": options.keys, "chat_ids": options.chat_ids, "sync_s": options.sync_s})
    store = Store(options.state)
    runner = web.AppRunner(Server(World(settings, store)).application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, options.host, options.port).start()
    if options.https_port is not None:
        await web.TCPSite(runner, options.host, options.https_port, ssl_context=self_signed()).start()
    ports = [address[1] for address in runner.addresses]
    if options.port_file is not None:
        partial = options.port_file.with_suffix(options.port_file.suffix + ".part")
        partial.write_text(" ".join(map(str, ports)) + "\n")
        partial.replace(options.port_file)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    urls = [f"{scheme}://{options.host}:{port}" for scheme, port in zip(("http", "https"), ports, strict=False)]
    print(f"whatsapp web simulator on {' and '.join(urls)}", flush=True)  # noqa: T201 - said to whoever started it
    await stop.wait()
    await runner.cleanup()
    store.close()


def main() -> None:
    """Run the simulator."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    uvloop.run(_serve(options))


if __name__ == "__main__":
    main()
