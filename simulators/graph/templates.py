"""The templates of an account: creating and deleting them.

Meta's review is not simulated: what is created is approved.
"""

from __future__ import annotations

import re
from typing import Any

from simulators.graph.errors import GraphError, parameter_required
from simulators.graph.fields import as_list
from simulators.graph.ids import new_node_id
from simulators.graph.registry import Waba

_NAME = re.compile(r"[a-z0-9_]{1,512}")
CATEGORIES = frozenset({"AUTHENTICATION", "MARKETING", "UTILITY"})


def create_template(waba: Waba, params: dict[str, Any]) -> dict[str, Any]:
    """Create a template; ``status`` may be given to simulate one that is PAUSED, DISABLED or PENDING.

    Raises:
        GraphError: 100 when a member is missing or wrong.
    """
    for key in ("name", "language", "category"):
        if not params.get(key):
            raise parameter_required(key)
    name, language, category = (str(params[key]) for key in ("name", "language", "category"))
    if not _NAME.fullmatch(name):
        raise GraphError(100, message="(#100) Param name must be lowercase alphanumerics and underscores.", details="")
    if category.upper() not in CATEGORIES:
        words = ", ".join(sorted(CATEGORIES))
        raise GraphError(100, message=f"(#100) Param category must be one of {{{words}}}", details="")
    if (name, language) in waba.templates:
        raise GraphError(
            100,
            message="Invalid parameter",
            subcode=2388024,
            details="",
            extra={"error_user_title": "Content in This Language Already Exists"},
        )
    row = {
        "name": name,
        "language": language,
        "status": str(params.get("status") or "APPROVED"),
        "category": category.upper(),
        "parameter_format": str(params.get("parameter_format") or "POSITIONAL").upper(),
        "id": new_node_id(),
        "components": as_list(params.get("components", []), "components", 0, 100),
    }
    waba.templates[(name, language)] = row
    return {key: row[key] for key in ("id", "status", "category")}


def delete_templates(waba: Waba, args: dict[str, str]) -> None:
    """Delete all languages of a name, or the one with ``hsm_id``.

    Raises:
        GraphError: 100 without a name or when nothing matches.
    """
    name = args.get("name")
    if not name:
        raise parameter_required("name")
    doomed = [
        key for key, row in waba.templates.items() if row["name"] == name and args.get("hsm_id", row["id"]) == row["id"]
    ]
    if not doomed:
        raise GraphError(100, message="(#100) Message template was not found", subcode=2593002, details="")
    for key in doomed:
        del waba.templates[key]
