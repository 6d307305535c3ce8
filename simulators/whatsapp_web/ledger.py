"""What the server got from pages, in order: the truth that tests compare a database with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from simulators.whatsapp_web.store import Store

#: Upper bound of one answer of the control API.
PAGE_MAX = 20_000


@dataclass
class Entry:
    """A message by account and id; a second arrival of the same id is a copy, not another entry.

    Attributes:
        order: 1, 2, 3 ... over all accounts.
        copies: How often it arrived.
        arrivals: Unix times of the arrivals, each with the page that handed it over.
        media: ``sha256``, ``size_bytes``, ``mimetype``, ``filename``.
        different: A copy said something else than the first arrival.
    """

    order: int
    account: str
    id: str
    chat: str
    kind: str
    body: str | None
    caption: str | None
    media: dict[str, Any] | None
    quoted: str | None
    forwarded: bool
    content: dict[str, Any]
    copies: int = 0
    swallowed: int = 0
    different: bool = False
    arrivals: list[dict[str, Any]] = field(default_factory=list)

    def says(self) -> tuple[Any, ...]:
        """Return what must be equal in each copy."""
        sha256 = self.media["sha256"] if self.media else None
        return (self.chat, self.kind, self.body, self.caption, self.quoted, sha256)


class Ledger:
    """Messages by account and id, and the other actions (edits, revokes, reactions, seen, typing ...) in order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.entries: dict[tuple[str, str], Entry] = {}
        self.actions: list[dict[str, Any]] = []
        for row in store.all("ledger"):
            entry = Entry(**row)
            self.entries[entry.account, entry.id] = entry
        self.actions.extend(store.all("action"))

    def arrived(self, entry: Entry, page: str, at: float, *, swallowed: bool) -> Entry:
        """Record one arrival; ``entry`` is kept if it is the first of its id."""
        key = (entry.account, entry.id)
        kept = self.entries.setdefault(key, entry)
        if kept is entry:
            entry.order = len(self.entries)
        kept.copies += 1
        kept.swallowed += swallowed
        kept.different = kept.different or kept.says() != entry.says()
        kept.arrivals.append({"at": at, "page": page})
        self._store.put("ledger", f"{kept.order:012}", asdict(kept))
        return kept

    def act(self, account: str, kind: str, page: str, at: float, **details: Any) -> None:
        """Record an action that is not a message of its own."""
        row = {"order": len(self.actions) + 1, "account": account, "kind": kind, "at": at, "page": page, **details}
        self.actions.append(row)
        self._store.put("action", f"{row['order']:012}", row)

    def messages(self, account: str | None = None, after: int = 0, limit: int = PAGE_MAX) -> list[dict[str, Any]]:
        """Return entries with ``order`` above ``after``."""
        rows = [e for e in self.entries.values() if e.order > after and account in {None, e.account}]
        rows.sort(key=lambda entry: entry.order)
        return [asdict(entry) for entry in rows[: min(limit, PAGE_MAX)]]

    def acted(self, account: str | None = None, kind: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return actions with ``order`` above ``after``."""
        return [
            row
            for row in self.actions[max(after, 0) :]
            if account in {None, row["account"]} and kind in {None, row["kind"]}
        ][:PAGE_MAX]

    def clear(self) -> None:
        """Forget everything; orders start at 1 again."""
        for entry in self.entries.values():
            self._store.delete("ledger", f"{entry.order:012}")
        for row in self.actions:
            self._store.delete("action", f"{row['order']:012}")
        self.entries.clear()
        self.actions.clear()
