"""What can be changed while the simulator runs (``POST /_sim/settings``)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

#: Meta's gaps between redeliveries are not published; these stand for real time and are multiplied by the scale.
REDELIVER_FIRST_S = 500.0
REDELIVER_MAX_S = 10_000.0


class BadSetting(ValueError):
    """A setting that does not exist or has the wrong type; the text says which."""


@dataclass
class Settings:
    r"""The live settings.

    Attributes:
        open: Accept unknown numeric phone number ids with a bearer token ``EAA...`` (and any 360dialog key).
        receipts: Emit status webhooks.
        read: Also emit ``read`` (and ``played`` for voice notes).
        receipt_delay_s: Time from acceptance to ``sent``, and from each status to the next.
        batch_window_s: Statuses due within this time share a body; small enough not to be seen in a latency.
        statuses_per_body: At most so many statuses in one webhook body.
        duplicates: Probability that a webhook body is delivered a second time although it was taken.
        reorder: Probability that the statuses of a message come in another order.
        loss: Probability that a status is never emitted.
        late: Probability that a status comes ``late_s`` later.
        late_s: See ``late``.
        ascii_escape: Write webhooks as ASCII with ``\uXXXX`` as Meta does; off: raw UTF-8.
        redeliver_scale: Factor on the (assumed) real gaps of 500 s doubling to 10,000 s; 0.001 gives 0.5 s to 10 s.
        webhook_timeout_s: A webhook without an answer by then counts as refused.
        webhook_concurrency: At most so many webhooks in flight.
        rate_per_s: Messages per second of one number, in both directions, before 130429; 0 is unlimited.
        pair_limit: Enforce the pair limit (131056): 45 at once, one more each 6 s.
        pair_scale: Factor on the 6 s.
        window: Enforce the 24 h customer service window (131047, asynchronous).
        window_s: Length of that window.
        unknown_templates: Accept templates that no ``message_templates`` call created.
        keep_bodies: Keep request bodies in the ledger.
        media_url_ttl_s: Life of a media URL.
        d360_webhook_url: Where webhooks of 360dialog numbers go unless the number configured its own.
    """

    open: bool = True
    receipts: bool = True
    read: bool = False
    receipt_delay_s: float = 0.05
    batch_window_s: float = 0.01
    statuses_per_body: int = 50
    duplicates: float = 0.0
    reorder: float = 0.0
    loss: float = 0.0
    late: float = 0.0
    late_s: float = 2.0
    ascii_escape: bool = True
    redeliver_scale: float = 0.001
    webhook_timeout_s: float = 5.0
    webhook_concurrency: int = 32
    rate_per_s: float = 1000.0
    pair_limit: bool = False
    pair_scale: float = 1.0
    window: bool = False
    window_s: float = 86_400.0
    unknown_templates: bool = True
    keep_bodies: bool = True
    media_url_ttl_s: float = 300.0
    d360_webhook_url: str = ""

    def change(self, values: dict[str, Any]) -> None:
        """Apply several settings, or none if one of them is wrong.

        Raises:
            BadSetting: when a name is unknown or a value has the wrong type.
        """
        types = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in types:
                raise BadSetting(f"unknown setting {name!r}; known: {', '.join(sorted(types))}")
            checked[name] = _convert(name, value, types[name])
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Return all settings."""
        return asdict(self)

    def redeliver_gap_s(self, attempt: int) -> float:
        """Return the gap after the given failed attempt (1 is the first), in seconds."""
        real_s = min(REDELIVER_FIRST_S * 2.0 ** min(attempt - 1, 30), REDELIVER_MAX_S)
        return real_s * self.redeliver_scale


def _convert(name: str, value: Any, wanted: type) -> Any:
    if wanted is bool and value in ("on", "off"):
        return value == "on"
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not wanted:
        raise BadSetting(f"setting {name!r} must be {wanted.__name__}, not {value!r}")
    if isinstance(value, (int, float)) and value < 0:
        raise BadSetting(f"setting {name!r} must not be negative")
    return value
