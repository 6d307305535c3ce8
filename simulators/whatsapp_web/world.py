"""The parts of the simulator, made once and handed to whoever works with them."""

from __future__ import annotations

from simulators.whatsapp_web.accounts import Accounts
from simulators.whatsapp_web.faults import Faults
from simulators.whatsapp_web.ledger import Ledger
from simulators.whatsapp_web.media import Media
from simulators.whatsapp_web.pages import Pages
from simulators.whatsapp_web.settings import Settings
from simulators.whatsapp_web.store import Store


class World:
    """What one simulator knows; the file is read here."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.accounts = Accounts(store)
        self.ledger = Ledger(store)
        self.media = Media(store)
        self.pages = Pages()
        self.faults = Faults()
