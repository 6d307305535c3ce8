from __future__ import annotations

from typing import Any

import pytest

from plugins.wwebjs.browser_failed import PageError, Reason
from plugins.wwebjs.page_call import arguments_of, result_of, wrapped
from plugins.wwebjs.selenium_session import start_failure


@pytest.mark.parametrize(
    ("text", "value"), [('{"value":{"a":[1,null]}}', {"a": [1, None]}), ('{"value":null}', None), ("{}", None)]
)
def test_results_are_json(text: str, value: Any) -> None:
    assert result_of({"type": "success", "result": {"type": "string", "value": text}}) == value


def test_what_the_page_threw_keeps_name_message_code_and_stack() -> None:
    text = '{"error":{"name":"WPPError","message":"no chat","code":"chat_not_found","stack":"at x"}}'
    with pytest.raises(PageError, match="WPPError: no chat") as caught:
        result_of({"type": "success", "result": {"type": "string", "value": text}})
    error = caught.value
    assert (error.reason, error.name, error.message, error.code, error.stack) == (
        "page_error",
        "WPPError",
        "no chat",
        "chat_not_found",
        "at x",
    )


def test_a_text_that_is_no_function_is_a_page_error() -> None:
    with pytest.raises(PageError) as caught:
        result_of({"type": "exception", "exceptionDetails": {"text": "SyntaxError: Unexpected token"}})
    assert (caught.value.name, caught.value.message) == ("SyntaxError", "Unexpected token")


def test_arguments_travel_as_one_text() -> None:
    assert arguments_of(({"to": "é"}, [1])) == [{"type": "string", "value": '[{"to":"é"},[1]]'}]
    assert "await (() => 1\n)(...JSON.parse(text))" in wrapped("() => 1")


@pytest.mark.parametrize(
    ("text", "said", "reason"),
    [
        ("session not created: Chrome instance exited. Examine ChromeDriver verbose log", "", "start_failed"),
        ("session not created: This version of ChromeDriver only supports Chrome version 99", "", "version_mismatch"),
        ("unknown error: no chrome binary at /x", "", "no_browser"),
        ("session not created: Chrome instance exited.", "write: No space left on device", "disk_full"),
        ("session not created: probably user data directory is already in use", "", "profile_in_use"),
        (
            "session not created: Chrome instance exited.",
            "The profile appears to be in use by another Chromium process (4711) on another computer (old-host)",
            "profile_in_use",
        ),
        ("Chrome instance exited", "cannot create default profile directory", "profile_unwritable"),
    ],
)
def test_the_drivers_words_give_the_reason(text: str, said: str, reason: Reason) -> None:
    failure = start_failure(f"{text}; For documentation on this error, please visit: x\nStacktrace:\n#0 0x55", said)
    assert failure.reason == reason
    assert "Stacktrace" not in failure.text
    assert failure.text == f"{text}\n{said}".strip()
