"""The demo: a company with two phones on simulated WhatsApp, and a first message.

What a second run must find again (ports, key) is kept in var/demo.json; the data itself is in the database.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bisnes_cli.accounts import database
from bisnes_cli.errors import Refused
from bisnes_cli.gateway import looks
from bisnes_cli.http import Api
from bisnes_cli.installation import Installation, write_private
from db.companies import create_company
from db.keys import create_key

COMPANY = "demo"
#: A made-up number; nothing leaves the machine.
CHAT = "60123456789"

#: Where the simulators listen unless that port is taken; beside the gateway's own 3000 to 3005.
SIMULATOR_PORTS = {"graph": 3010, "whatsapp_web": 3011}

#: The phone that has to be paired, and the number of the telephone that `bisnes demo scan` plays.
SCANNED_PHONE = 2
TELEPHONE = "60111222333"

#: The simulator takes any number with a token of this form.
PHONES = (
    {
        "phoneIndex": 0,
        "connectionType": "meta_direct",
        "config": {"phone_number_id": "100000000000001", "waba_id": "200000000000001", "access_token": "EAAdemo"},
    },
    {"phoneIndex": 1, "connectionType": "loopback", "config": {}},
    {"phoneIndex": SCANNED_PHONE, "connectionType": "wwebjs", "config": {}},
)

#: The channels of these phones.
CHANNELS = ("meta", "loopback", "wwebjs")

#: From 202 to `delivered` takes a fraction of a second; the first message also waits for its channel to start, which it
#: does within seconds of the first phone.
FIRST_MESSAGE_S = 30.0


@dataclass
class Demo:
    """What is kept between two runs."""

    path: Path
    ports: dict[str, int] = field(default_factory=dict)
    key: str | None = None

    @classmethod
    def load(cls, installation: Installation) -> Demo:
        """The last run's, or a new one."""
        path = installation.home / "var" / "demo.json"
        try:
            kept = json.loads(path.read_text())
            return cls(path, {name: int(port) for name, port in kept["ports"].items()}, kept["key"])
        except (FileNotFoundError, ValueError, KeyError):
            return cls(path)

    def save(self) -> None:
        """Keeps it, readable by its owner only: it holds a key."""
        kept = {name: value for name, value in asdict(self).items() if name != "path"}
        write_private(self.path, json.dumps(kept, indent=2) + "\n")


def settings(ports: dict[str, int]) -> dict[str, str]:
    """Variables with which the channels meet the simulators instead of Meta."""
    graph, web = (f"http://127.0.0.1:{ports[simulator]}" for simulator in SIMULATOR_PORTS)
    return {
        "GRAPH_SIMULATOR_PORT": str(ports["graph"]),
        "BISNES_META_GRAPH_URL": graph,
        "WHATSAPP_WEB_SIMULATOR_PORT": str(ports["whatsapp_web"]),
        "BISNES_WWEBJS_URL": f"{web}/",
    }


def set_up(installation: Installation, demo: Demo) -> Api:
    """Creates company, key and phones where they are missing, and answers the API with the demo's key."""
    api = Api(installation.api_url, demo.key)
    if demo.key is None or api.get(f"/api/v2/phones/{COMPANY}").status == 401:
        with database(installation.settings) as connection:
            create_company(connection, COMPANY, "Demo company")
            demo.key, _ = create_key(connection, COMPANY, ["admin"], "bisnes up --demo")
        demo.save()
        api = Api(installation.api_url, demo.key)
    for phone in PHONES:
        api.call("POST", f"/api/v2/phones/{COMPANY}", phone).require(200, 201, 409)
    return api


def send_first_message(api: Api) -> str:
    """Sends a message and waits until its receipt says that it was delivered; answers its id.

    Raises:
        Refused: when it is not delivered in time.
    """
    sent = api.call("POST", f"/api/v2/messages/text/{COMPANY}/{CHAT}", {"message": "Hello from Bisnes"}).require(202)
    message_id: str = sent["messageId"]
    status = ""
    for _ in looks(FIRST_MESSAGE_S):
        status = api.get(f"/api/v2/messages/{COMPANY}/{message_id}").require(200)["status"]
        if status in ("delivered", "read"):
            return message_id
    raise Refused(f"The first message is still {status!r} after {FIRST_MESSAGE_S:g} s; see: bisnes logs meta")
