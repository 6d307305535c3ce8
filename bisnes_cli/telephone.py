"""`bisnes demo`: plays the telephone beside a demo's phone on simulated WhatsApp Web."""

from __future__ import annotations

from typing import Any

import click

from bisnes_cli.demo import COMPANY, SCANNED_PHONE, TELEPHONE, Demo
from bisnes_cli.errors import NOT_RUNNING, Refused
from bisnes_cli.gateway import looks
from bisnes_cli.http import Api
from bisnes_cli.installation import Installation

#: A browser starts in about two seconds, the QR follows; a loaded machine takes several times that.
QR_S = 60.0
#: From the scan to `ready`: login and synchronisation.
READY_S = 60.0

_PHONE = f"/api/v2/phones/{COMPANY}/{SCANNED_PHONE}"


@click.group()
def demo() -> None:
    """What a telephone does, for the demo that `bisnes up --demo` started."""


@demo.command()
def scan() -> None:
    """Scan the QR of the demo's phone on WhatsApp Web, and wait until it is ready."""
    installation = Installation.find()
    kept = Demo.load(installation)
    if kept.key is None or "whatsapp_web" not in kept.ports:
        raise Refused("No demo has run here. Start it: bisnes up --demo", NOT_RUNNING)
    api = Api(f"http://127.0.0.1:{kept.ports['api']}", kept.key)
    click.echo("waiting for the QR")
    if not _scanned(api, Api(f"http://127.0.0.1:{kept.ports['whatsapp_web']}")):
        click.echo(f"phone {SCANNED_PHONE} is ready already")
        return
    click.echo("scanned")
    for _ in looks(READY_S):
        if _state(api) == "ready":
            click.echo(f"phone {SCANNED_PHONE} is ready, its number is {TELEPHONE}")
            return
    raise Refused(f"The phone is still {_state(api)!r} after {READY_S:g} s; see: bisnes logs wwebjs")


def _scanned(api: Api, simulator: Api) -> bool:
    """Scans the QR that is shown, the next one when it was renewed meanwhile; False when the phone needs none."""
    for _ in looks(QR_S):
        qr = _wait_for_qr(api)
        if qr is None:
            return False
        answer = simulator.call("POST", "/control/scan", {"qr": qr, "account": TELEPHONE})
        if answer.status != 404:
            answer.require(200, 201, 204)
            return True
    raise Refused(f"No QR could be scanned within {QR_S:g} s; see: bisnes logs wwebjs")


def _session(api: Api) -> dict[str, Any]:
    session: dict[str, Any] = api.get(f"{_PHONE}/session").require(200)["session"]
    return session


def _state(api: Api) -> str:
    return str(_session(api)["state"])


def _wait_for_qr(api: Api) -> str | None:
    """The text of the QR, or None when the phone needs none; asking for it makes the phone show one."""
    for _ in looks(QR_S):
        answer = api.get(f"{_PHONE}/qr?format=text")
        if answer.status == 200:
            return str(answer.body)
        session = _session(api)
        if session["state"] == "ready":
            return None
        if session["state"] in ("no_browser", "error", "incompatible", "blocked"):
            raise Refused(f"The phone is {session['state']!r}: {session['detail']}")
    raise Refused(f"No QR within {QR_S:g} s, the phone is {_state(api)!r}; see: bisnes logs wwebjs")
