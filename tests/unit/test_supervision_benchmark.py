"""The judgement of `benchmarks.supervision`: each target holds at its bound, and not beyond."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.supervision.idle import Idle
from benchmarks.supervision.memory import Memory, Reaction
from benchmarks.supervision.reload import Reload
from benchmarks.supervision.respawn import Respawn
from benchmarks.supervision.targets import Figure, judge
from benchmarks.supervision.workload import read_starts


def respawns(ours_s: float, pm2_s: float) -> list[Figure]:
    return [Respawn("ours", ours_s, ours_s, [ours_s]), Respawn("PM2", pm2_s, pm2_s, [pm2_s])]


def leak(leaker_end_s: float | None, left: int, contender: str = "ours") -> list[Figure]:
    reaction = Reaction("child", 0.1, leaker_end_s, 350.0, left)
    return [Memory(contender, "max_memory_restart", 300, 20.0, [reaction])]


def reloads(failed: int, done: int, total: int = 1000) -> list[Figure]:
    return [Reload("ours", "reload", 3, done, 2.0, total, failed, 0.01, {})]


@pytest.mark.parametrize(
    ("figures", "holds"),
    [
        (respawns(0.1, 0.05), True),
        (respawns(0.11, 0.05), False),
        (leak(5.0, 0), True),
        (leak(0.0, 0), True),
        (leak(5.1, 0), False),
        (leak(0.5, 1), False),
        (leak(None, 1), False),
        (reloads(0, 3), True),
        (reloads(1, 3), False),
        (reloads(0, 2), False),
        (reloads(0, 3, total=0), False),
        ([Idle("ours", 2, 1.0, 40.0, 25.0)], True),
        ([Idle("ours", 2, 1.1, 40.0, 25.0)], False),
    ],
)
def test_a_target_holds_up_to_its_bound(figures: list[Figure], holds: bool) -> None:
    assert [one.holds for one in judge(figures)] == [holds]


def test_the_others_are_not_judged() -> None:
    assert judge([*leak(None, 3, "PM2"), Idle("PM2", 1, 90.0, 60.0, 60.0)]) == []


def test_a_leaker_that_ended_before_the_limit_is_said_to_have_done_so() -> None:
    assert Reaction("child", 0.0, 0.0, 275.0, 0).text == "before, at 275 MB"
    assert Reaction("grandchild", 1.5, None, 1024.0, 1).text == "none; its parent 1.50, 1 left"
    assert Reaction("grandchild", None, None, 1024.0, 2).text == "none, 2 left"


def test_a_start_that_is_just_being_noted_does_not_count_yet(tmp_path: Path) -> None:
    starts = tmp_path / "app.starts"
    assert read_starts(starts) == []
    starts.write_text("12 3.5\n13 4")
    assert read_starts(starts) == [(12, 3.5)]
