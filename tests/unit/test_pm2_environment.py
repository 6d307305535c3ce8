"""An application of PM2's gets the environment that PM2 gives it, and Circus reads back what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from circus.config import get_config
from circus.process import Process
from circus.util import parse_env_dict, replace_gnu_args
from hypothesis import given, settings
from hypothesis import strategies as st

from bisnes_supervisor.environment import expand_references
from bisnes_supervisor.pm2 import Outcome
from tests.fixtures.pm2 import outcome, sections, translated


def environment(app: dict[str, Any], chosen: str | None = None, others: dict[str, Any] | None = None) -> dict[str, str]:
    found = sections(translated({"script": "app.js", "name": "app", **app}, chosen=chosen, others=others))["env:app"]
    return {name: value for name, value in found.items() if name != "NODE_APP_INSTANCE"}


def test_a_chosen_environment_wins_over_the_common_one_and_that_over_the_deployments() -> None:
    app = {"env": {"A": 1, "B": 1}, "env_test": {"B": 2}, "env_production": {"B": 3}}
    others = {"deploy": {"test": {"env": {"A": 0, "C": 0}}}}
    assert environment(app, "test", others) == {"A": "1", "B": "2", "C": "0"}
    assert environment(app) == {"A": "1", "B": "1"}
    assert outcome(app, "env_production") is Outcome.IGNORED


@pytest.mark.parametrize(
    ("value", "text"),
    [(3000, "3000"), (1.5, "1.5"), (2.0, "2"), (True, "true"), ("", ""), ({"a": [1, "ö"]}, '{"a":[1,"ö"]}')],
)
def test_a_value_is_what_javascript_makes_of_it(value: Any, text: str) -> None:
    assert environment({"env": {"A": value}}) == {"A": text}


def test_an_unset_value_is_not_set_and_a_function_is_reported() -> None:
    app = {"env": {"A": None, "B": {"$javascript": "a function"}, "C": 1}}
    assert environment(app) == {"C": "1"}
    assert (outcome(app, "env.A"), outcome(app, "env.B")) == (Outcome.IGNORED, Outcome.NOT_MAPPED)


def test_no_value_of_a_variable_is_in_the_report() -> None:
    secret = "hunter$PASS"
    app = {"env": {"A": secret}, "env_test": {"A": secret}, "env_live": {"A": secret}}
    assert secret not in repr(translated({"script": "a.js", **app}, chosen="test").lines)


def test_a_port_is_a_variable() -> None:
    assert environment({"port": 3000, "env": {"PORT": 1}}) == {"PORT": "3000"}
    assert environment({"port": 3000, "env_test": {"PORT": 2}}, "test") == {"PORT": "2"}


# -- Circus reads back what was meant --------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*"aZ0 _-$;#%'\"\\()=:{}[]\n\t", "$(circus.wid)", "((circus.wid))", "$HOME", "$WID", "rem ", '""', "ö", " ;", "$$A"]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)
NAMES = st.sampled_from(["A", "path_2", "a.b", "REM", "__name__", "x-y", "a b", "[x", "a:b", "#c"])


def runs(ini: Path, name: str) -> tuple[list[str], dict[str, str]]:
    """Command and own environment of a watcher's process, as Circus makes them."""
    (watcher,) = (watcher for watcher in get_config(str(ini))["watchers"] if watcher["name"] == name)
    stock = parse_env_dict(dict(watcher["env"]))
    ours = expand_references(dict(watcher["env"]))
    changed = {key: value for key, value in ours.items() if stock.get(key) != value}
    assert not {key for key in changed if key in ("A", "path_2", "a.b", "x-y")}
    command = replace_gnu_args(watcher["cmd"], env=ours)
    words = Process(name, 7, command, env=ours, spawn=False).format_args()
    if words[0] == "env":
        rest = next(place for place, word in enumerate(words[1:], 1) if "=" not in word)
        ours |= dict(word.split("=", 1) for word in words[1:rest])
        words = words[rest:]
    return words, ours


@settings(deadline=None, max_examples=300)
@given(values=st.dictionaries(NAMES, TEXT, max_size=4), arguments=st.lists(TEXT, max_size=4))
def test_circus_reads_back_every_word_and_value(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], arguments: list[str]
) -> None:
    app = {"script": "app.py", "name": "app", "interpreter": "interpret", "args": arguments, "env": values}
    translation = translated(app)
    lossy = [line.option for line in translation.lines if line.outcome is Outcome.NOT_MAPPED]
    if "script" in lossy:
        assert any("\n" in argument for argument in arguments)
        return
    ini = tmp_path_factory.getbasetemp() / "circus.ini"
    ini.write_text(translation.ini)
    words, found = runs(ini, "app")
    assert words == ["interpret", "app.py", *arguments]
    kept = {name: value for name, value in values.items() if f"env.{name}" not in lossy}
    assert {name: found.get(name) for name in kept} == kept
    assert all("\n" in values[name] for name in values if name not in kept)
