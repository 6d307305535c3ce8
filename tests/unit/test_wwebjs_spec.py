"""What the gateway knows of the channel without a browser."""

from __future__ import annotations

import subprocess
import sys

from jsonschema import Draft202012Validator

from bisnes_core.conformance.form import check_names, check_retry, check_schema, check_secrets
from bisnes_core.conformance.payload import check_check
from bisnes_core.message import Kind
from bisnes_core.phone import Lane
from plugins.wwebjs.spec import SPEC

#: Kinds that WhatsApp Web has no way to send.
NOT_SENT = {Kind.TEMPLATE, Kind.INTERACTIVE}


def test_the_spec_has_the_promised_form() -> None:
    checks = (check_names, check_retry, check_schema, check_secrets, check_check)
    assert [defect for check in checks for defect in check(SPEC)] == []


def test_it_sends_every_kind_that_whatsapp_web_offers() -> None:
    assert SPEC.kinds == set(Kind) - NOT_SENT


def test_it_receives_over_a_session_and_names_its_phones_by_their_lane() -> None:
    assert SPEC.webhook is None
    assert SPEC.session is not None
    assert SPEC.name_phone(Lane("42", 1), {}) == "42-1"


def test_a_phone_needs_no_configuration() -> None:
    Draft202012Validator(dict(SPEC.config_schema)).validate({})


def test_sends_are_paced_by_default() -> None:
    assert SPEC.pace is not None
    assert SPEC.pace.gap_s > 0
    assert SPEC.pace.new_chats_daily_max is not None


def test_importing_the_spec_imports_no_browser() -> None:
    code = (
        "import sys; import plugins.wwebjs.spec; "
        "print([name for name in sys.modules if name.split('.')[0] in ('selenium', 'aiohttp', 'WPP_Whatsapp')])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
