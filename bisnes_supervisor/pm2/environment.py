"""The environment of an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bisnes_supervisor.pm2 import ini
from bisnes_supervisor.pm2.attributes import Unusable, number, text_of
from bisnes_supervisor.pm2.draft import Draft
from bisnes_supervisor.pm2.report import Outcome


def add_environment(draft: Draft, chosen: str | None, deploy: Mapping[str, Any]) -> None:
    """Writes what the processes find in their environment.

    Later ones win: `deploy.NAME.env`, `env`, `port`, `env_NAME`. Source: lib/Common.js, prepareAppConf (port) and
    mergeEnvironmentVariables.

    Args:
        draft: of the application.
        chosen: the NAME of `--env NAME`.
        deploy: the file's section of that name.
    """
    variables = _variables_of(draft, f"deploy.{chosen}.env", _environment_of(deploy.get(chosen or "")))
    variables |= _block(draft, "env")
    port = draft.read("port", lambda value: str(int(number(value))))
    if port is not None:
        variables["PORT"] = port
        draft.say("port", Outcome.MAPPED, "PORT in [env]")
    for name in [name for name in draft.values if name.startswith("env_")]:
        if name == f"env_{chosen}":
            variables |= _block(draft, name)
        else:
            again = f"to get it: --env {name.removeprefix('env_')}"
            draft.say(name, Outcome.IGNORED, f"another environment was imported; {again}", secret=True)
    for name, value in variables.items():
        _place_variable(draft, name, value)
    draft.options["copy_env"] = "True"
    if "filter_env" in draft.values:
        _filter(draft, draft.values["filter_env"])


def _environment_of(deployment: Any) -> Any:
    return deployment.get("env") if isinstance(deployment, dict) else None


def _block(draft: Draft, attribute: str) -> dict[str, str]:
    block = draft.values.get(attribute)
    if block is None:
        return {}
    variables = _variables_of(draft, draft.spelled[attribute], block)
    if isinstance(block, dict):
        draft.say(attribute, Outcome.MAPPED, f"sets {', '.join(variables) or 'nothing'}", secret=True)
    return variables


def _variables_of(draft: Draft, spelled: str, block: Any) -> dict[str, str]:
    if not isinstance(block, dict):
        if block is not None:
            draft.tell(spelled, Outcome.NOT_MAPPED, "wants an object of names and values")
        return {}
    variables = {}
    for name, value in block.items():
        if value is None:
            draft.tell(f"{spelled}.{name}", Outcome.IGNORED, "has no value: not set, as with PM2")
        elif isinstance(value, dict) and "$javascript" in value:
            draft.tell(f"{spelled}.{name}", Outcome.NOT_MAPPED, f"is {value['$javascript']}")
        else:
            variables[name] = text_of(value)
    return variables


def _place_variable(draft: Draft, name: str, value: str) -> None:
    if ini.fits_environment(name, value):
        draft.environment[name] = value
    elif name and "=" not in name and ini.fits_command([f"{name}={value}"]):
        draft.command_environment[name] = value
        why = "in cmd instead of [env]: Circus would change its value there"
        draft.tell(f"env.{name}", Outcome.MAPPED, why)
    else:
        why = "an ini file cannot hold empty lines, or white space around lines"
        draft.tell(f"env.{name}", Outcome.NOT_MAPPED, f"{why}: set it where circusd is started")


def _filter(draft: Draft, wanted: Any) -> None:
    """What is kept from the processes. Source: lib/Common.js, prepareAppConf, filterEnv."""
    if wanted is True:
        draft.set("filter_env", "copy_env", "False", why="nothing but [env] reaches the processes")
    elif isinstance(wanted, str) and wanted:
        draft.command_unset.append(wanted)
        draft.say("filter_env", Outcome.MAPPED, f"the command takes {wanted} away")
    elif isinstance(wanted, list) and wanted:
        draft.command_unset.extend(map(text_of, wanted))
        why = "taken away by these very names; PM2 takes away every name that contains one"
        draft.say("filter_env", Outcome.APPROXIMATED, why)
    else:
        draft.say("filter_env", Outcome.IGNORED, "filters nothing")


def port_in(draft: Draft) -> int | None:
    """PORT, where it is a port number."""
    try:
        port = int(number(draft.environment.get("PORT", "")))
    except Unusable:
        return None
    return port if 0 < port < 65536 else None
