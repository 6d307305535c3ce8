"""What Meta's answer means for the message: one table over all error codes, and rules for everything else.

A parsed error means that nothing was sent. An answer that cannot be read, with a status that says "fault of the
server", is an unknown outcome: the request may have been accepted behind whatever broke.
Source: Meta, support/error-codes, read 2026-09-11; 360dialog, support/api-error-message-list, read 2026-09-11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import orjson

from bisnes_core.errors import (
    AuthRequired,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SendError,
    UnknownOutcome,
)
from bisnes_core.retry import PAUSE_MAX_S
from plugins.meta.redaction import redact


class Act(Enum):
    """What an error code asks for."""

    RETRY = "retry"
    PAIR = "pause this number's messages to this recipient"
    PHONE = "pause this number"
    APP = "pause the app"
    RESTRICT = "pause this number for long"
    FAIL = "fail this message"
    STOP = "stop the connection, keep its queue"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a code.

    Attributes:
        wait_s: lower bound of the wait.
        growth: factor of the pause for each throttling in a row.
        attempts: fewer attempts than the channel's rule.
    """

    act: Act
    wait_s: float = 0.0
    growth: float = 1.0
    attempts: int | None = None


_FAIL: Final = Rule(Act.FAIL)
_STOP: Final = Rule(Act.STOP)
_RETRY: Final = Rule(Act.RETRY)
#: For faults that are as often a bad request in disguise.
_FEW: Final = Rule(Act.RETRY, attempts=2)
#: App and account limits are counted over an hour; a minute finds the end of it early enough.
_APP: Final = Rule(Act.APP, wait_s=60.0, growth=2.0)
#: Restrictions for spam or misclassified templates last hours to days; asking more often proves nothing.
_RESTRICTED: Final = Rule(Act.RESTRICT, wait_s=2 * 3600.0)

RULES: Final[Mapping[int, Rule]] = MappingProxyType(
    {
        # Graph: service, session, permission
        0: _STOP,
        1: _FEW,
        2: _RETRY,
        3: _STOP,
        4: _APP,
        10: _STOP,
        17: _APP,
        32: _APP,
        33: _STOP,
        100: _FAIL,  # with subcode 33: _STOP, see `_rule_for`
        102: _STOP,
        104: _STOP,
        190: _STOP,
        **dict.fromkeys(range(200, 300), _STOP),
        368: Rule(Act.RESTRICT, wait_s=3600.0),  # temporarily blocked for policy violation: look again in an hour
        613: _APP,
        803: _FAIL,
        80007: _APP,
        # sending
        130403: _FAIL,
        130429: Rule(Act.PHONE, wait_s=1.0),  # throughput is counted per second
        130472: _FAIL,
        130497: _FAIL,
        131000: _FEW,
        131005: _STOP,
        131008: _FAIL,
        131009: _FAIL,
        131016: _RETRY,
        131020: _FAIL,
        131021: _FAIL,
        131026: _FAIL,
        131030: _FAIL,
        131031: _STOP,
        131037: _STOP,
        131041: _FAIL,
        131042: _STOP,
        131045: _STOP,
        131047: _FAIL,
        131048: _RESTRICTED,
        131049: _FAIL,
        131050: _FAIL,
        131051: _FAIL,
        131052: _FAIL,
        131053: _FAIL,
        131055: _FAIL,
        # Meta's advice is 4^x s. We begin with x = 1: the pair regains one message per 6 s, so after 1 s most
        # repeats would only be refused again.
        131056: Rule(Act.PAIR, wait_s=4.0, growth=4.0),
        131057: Rule(Act.PHONE, wait_s=60.0),  # maintenance of the number takes about a minute
        131062: _FAIL,
        131063: _FAIL,
        131064: _RESTRICTED,
        # templates and flows
        132000: _FAIL,
        132001: _FAIL,
        132005: _FAIL,
        132007: _FAIL,
        132012: _FAIL,
        132015: _FAIL,
        132016: _FAIL,
        132018: _FAIL,
        132068: _FAIL,
        132069: Rule(Act.RETRY, wait_s=600.0),  # ten messages of a throttled flow per hour
        # registration and configuration: never in the send path, so a person has to look at the message
        133000: _FAIL,
        133004: _FAIL,
        133005: _FAIL,
        133006: _FAIL,
        133008: _FAIL,
        133009: _FAIL,
        133010: _STOP,
        133015: _FAIL,
        133016: _FAIL,
        # the rest
        134011: _FAIL,
        134100: _FAIL,
        134101: Rule(Act.RETRY, wait_s=600.0),  # the template is being synchronised, about ten minutes
        134102: _FAIL,
        135000: _FAIL,
        136024: _FAIL,
        136025: _FAIL,
        137000: _FAIL,
        2593107: _FAIL,
        2593108: _FAIL,
        2593109: _FAIL,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal as Meta, 360dialog or something before them worded it."""

    code: str
    detail: str
    trace: Mapping[str, Any]


def classify(
    http: int, headers: Mapping[str, str], body: bytes, *, secrets: Iterable[str] = (), now: datetime | None = None
) -> SendError:
    """The error that an answer without a message id stands for.

    Args:
        http: status of the answer.
        headers: names in any case, if the mapping ignores case, else lower case.
        secrets: values of the phone that must not appear in the error.
        now: aware UTC; default: the clock.
    """
    now = now or datetime.now(UTC)
    after_s = _retry_after_s(headers, now)
    data = _json(body)
    error = data.get("error")
    if isinstance(error, dict):
        return _graph_error(http, headers, error, after_s, tuple(secrets), now)
    meta = data.get("meta")
    if isinstance(meta, dict):
        return _dialog360_error(http, meta, after_s, tuple(secrets), now)
    return _unreadable(http, after_s, now)


# -- Meta's error object ----------------------------------------------------------------------------------------------
def _graph_error(
    http: int,
    headers: Mapping[str, str],
    error: dict[str, Any],
    after_s: float,
    secrets: tuple[str, ...],
    now: datetime,
) -> SendError:
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    rule = _rule_for(http, code, subcode, error)
    if rule.act is Act.APP:
        after_s = max(after_s, _regain_s(headers))
    word = f"meta:{code}" if code is not None else f"meta:http_{http}"
    fault = Fault(word, _sentence(error, secrets), _trace(http, error, secrets))
    return _BUILDERS[rule.act](rule, fault, after_s, now)


def _rule_for(http: int, code: int | None, subcode: int | None, error: dict[str, Any]) -> Rule:
    if code == 100 and subcode == 33:
        return _STOP  # the number does not exist, or not for this token
    if code is not None and code in RULES:
        return RULES[code]
    if http == 429:
        return _APP
    if http >= 500 or error.get("is_transient") is True:
        return _RETRY
    return _STOP if code is None and http in (401, 403) else _FAIL


def _sentence(error: dict[str, Any], secrets: tuple[str, ...]) -> str:
    """Meta's words, the details last; `error_data` is an object or a plain string."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else data
    words = [text for text in (error.get("message"), error.get("error_user_msg"), details) if isinstance(text, str)]
    return redact(": ".join(dict.fromkeys(filter(None, words))), secrets)


def _trace(http: int, error: dict[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    """What Meta's support asks for."""
    trace: dict[str, Any] = {"http": http}
    for name in ("type", "code", "error_subcode", "fbtrace_id", "error_user_title", "is_transient"):
        value = error.get(name)
        if isinstance(value, str):
            trace[name] = redact(value, secrets)
        elif isinstance(value, int):
            trace[name] = value
    return trace


# -- what an act becomes -----------------------------------------------------------------------------------------------
def _retry(rule: Rule, fault: Fault, after_s: float, now: datetime) -> SendError:
    wait_s = max(rule.wait_s, after_s) or None
    return Retryable(fault.code, fault.detail, trace=fault.trace, retry_after_s=wait_s, attempts_max=rule.attempts)


def _throttle(scope: Scope) -> Callable[[Rule, Fault, float, datetime], SendError]:
    def build(rule: Rule, fault: Fault, after_s: float, now: datetime) -> SendError:
        wait_s = max(rule.wait_s, after_s)
        return RateLimited(
            fault.code, fault.detail, retry_after_s=wait_s, scope=scope, growth=rule.growth, trace=fault.trace
        )

    return build


def _restrict(rule: Rule, fault: Fault, after_s: float, now: datetime) -> SendError:
    until = now + timedelta(seconds=max(rule.wait_s, after_s))
    return Restricted(fault.code, fault.detail, until=until, trace=fault.trace)


def _fail(rule: Rule, fault: Fault, after_s: float, now: datetime) -> SendError:
    return Permanent(fault.code, fault.detail, trace=fault.trace)


def _stop(rule: Rule, fault: Fault, after_s: float, now: datetime) -> SendError:
    return AuthRequired(fault.code, fault.detail, trace=fault.trace)


_BUILDERS: Final[Mapping[Act, Callable[[Rule, Fault, float, datetime], SendError]]] = MappingProxyType(
    {
        Act.RETRY: _retry,
        Act.PAIR: _throttle(Scope.PAIR),
        Act.PHONE: _throttle(Scope.PHONE),
        Act.APP: _throttle(Scope.APP),
        Act.RESTRICT: _restrict,
        Act.FAIL: _fail,
        Act.STOP: _stop,
    }
)


# -- 360dialog's own refusals ------------------------------------------------------------------------------------------
def _dialog360_error(
    http: int, meta: dict[str, Any], after_s: float, secrets: tuple[str, ...], now: datetime
) -> SendError:
    """A refusal by the proxy itself. Its 500 and 502 do not say whether Meta behind it took the message."""
    words = meta.get("developerMessage") or meta.get("developer_message")
    text = redact(words, secrets) if isinstance(words, str) else ""
    code = _number(meta.get("httpCode")) or _number(meta.get("http_code")) or http
    fault = Fault(f"360dialog:{code}", text, {"http": http})
    if code in (429, 503) or (code == 400 and any(word in text.lower() for word in ("limit", "throttl", "too many"))):
        return _throttle(Scope.APP)(_APP, fault, after_s, now)
    if code >= 500:
        return UnknownOutcome(fault.code, text, trace=fault.trace)
    account = ("disabled", "paid", "payment", "blocked", "inactive", "suspended", "expired")
    if code in (401, 403, 404) or (code == 400 and any(word in text.lower() for word in account)):
        return _stop(_STOP, fault, after_s, now)
    return _fail(_FAIL, fault, after_s, now)


# -- no words at all ---------------------------------------------------------------------------------------------------
def _unreadable(http: int, after_s: float, now: datetime) -> SendError:
    """HTML of an edge, an empty body, or JSON that is no error."""
    fault = Fault(f"meta:http_{http}", f"answer {http} without a readable body", {"http": http})
    if http == 429:
        return _throttle(Scope.APP)(_APP, fault, after_s, now)
    if 300 <= http < 400 or http in (401, 403, 404, 407):
        return _stop(_STOP, fault, after_s, now)  # a wrong address, or a proxy in between that wants credentials
    if 400 <= http < 500 and http != 408:
        return _retry(_FEW, fault, after_s, now)
    return UnknownOutcome(fault.code, fault.detail, trace=fault.trace)


def _json(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, empty when there is none."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _number(value: object) -> int | None:
    """A whole number, also when it is written as a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float:
    """`Retry-After` in seconds (Meta documents none; a proxy may send one), 0 when absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), PAUSE_MAX_S)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    wait_s = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wait_s.total_seconds(), 0.0), PAUSE_MAX_S)


def _regain_s(headers: Mapping[str, str]) -> float:
    """When an account limit ends, from the usage header, which counts in minutes; 0 when it does not say."""
    usage = _json(headers.get("x-business-use-case-usage", "").encode())
    kinds = [
        kind for account in usage.values() if isinstance(account, list) for kind in account if isinstance(kind, dict)
    ]
    minutes = [_number(kind.get("estimated_time_to_regain_access")) or 0 for kind in kinds]
    return min(60.0 * max(minutes, default=0), PAUSE_MAX_S)
