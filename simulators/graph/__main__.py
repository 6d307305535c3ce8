"""Command line: ``python -m simulators.graph --port 0 --webhook-url URL --app-secret S --verify-token T``."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from time import time_ns

import uvloop

from simulators.graph.registry import Phone
from simulators.graph.server import serve
from simulators.graph.settings import Settings
from simulators.graph.simulation import Simulation


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.graph", description="A local stand-in for Meta's Graph API."
    )
    defaults = Settings()
    on_off = ("on", "off")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--port-file", type=Path, help="the chosen port is written here once requests are taken")
    parser.add_argument("--webhook-url", default="", help="where webhooks go; none are sent without it")
    parser.add_argument(
        "--app-secret",
        default=os.environ.get("META_APP_SECRET", "simulated-app-secret"),
        help="signs webhooks; better given as $META_APP_SECRET, which no list of processes shows",
    )
    parser.add_argument(
        "--verify-token",
        default=os.environ.get("META_WEBHOOK_VERIFY_TOKEN", "simulated-verify-token"),
        help="sent by the GET handshake; also $META_WEBHOOK_VERIFY_TOKEN",
    )
    parser.add_argument("--d360-webhook-url", default="", help="where webhooks of 360dialog numbers go")
    parser.add_argument(
        "--phone", action="append", default=[], metavar="ID:WABA:TOKEN", help="a number with its only token"
    )
    parser.add_argument(
        "--d360-phone", action="append", default=[], metavar="ID:WABA:KEY", help="a number behind 360dialog"
    )
    parser.add_argument(
        "--open", default="on", help="take unknown numbers with a token EAA... (default on)", choices=on_off
    )
    parser.add_argument("--receipts", default="on", help="emit status webhooks (default on)", choices=on_off)
    parser.add_argument("--read", default="off", help="emit read receipts too (default off)", choices=on_off)
    parser.add_argument("--receipt-delay-s", type=float, default=defaults.receipt_delay_s)
    parser.add_argument(
        "--redeliver-scale", type=float, default=defaults.redeliver_scale, help="1 is (assumed) real time"
    )
    parser.add_argument("--rate-per-s", type=float, default=defaults.rate_per_s, help="per number, 0 is unlimited")
    parser.add_argument("--pair-limit", default="off", help="enforce 131056 (default off)", choices=on_off)
    parser.add_argument("--window", default="off", help="enforce the 24 h window (default off)", choices=on_off)
    parser.add_argument(
        "--unknown-templates", default="", help="accept them (default: as --open)", choices=("", "on", "off")
    )
    parser.add_argument("--seed", type=int, default=None, help="of all chances; the clock by default")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    settings = Settings()
    settings.change(
        {
            "open": options.open,
            "receipts": options.receipts,
            "read": options.read,
            "receipt_delay_s": options.receipt_delay_s,
            "redeliver_scale": options.redeliver_scale,
            "rate_per_s": options.rate_per_s,
            "pair_limit": options.pair_limit,
            "window": options.window,
            "unknown_templates": options.unknown_templates or options.open,
            "d360_webhook_url": options.d360_webhook_url,
        }
    )
    return settings


def _phone(text: str, *, d360: bool) -> Phone:
    parts = text.split(":", 2)
    if len(parts) != 3 or not all(parts) or not parts[0].isdecimal():
        raise SystemExit(f"not ID:WABA:TOKEN: {text!r}")
    phone_id, waba_id, secret = parts
    return Phone(phone_id, waba_id, d360_key=secret) if d360 else Phone(phone_id, waba_id, token=secret)


def main() -> None:
    """Run the simulator."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    simulation = Simulation(
        _settings(options),
        webhook_url=options.webhook_url,
        app_secret=options.app_secret,
        verify_token=options.verify_token,
        seed=time_ns() if options.seed is None else options.seed,
    )
    for text in options.phone:
        simulation.registry.add_phone(_phone(text, d360=False))
    for text in options.d360_phone:
        simulation.registry.add_phone(_phone(text, d360=True))
    uvloop.run(serve(simulation, options.host, options.port, options.port_file))


if __name__ == "__main__":
    main()
