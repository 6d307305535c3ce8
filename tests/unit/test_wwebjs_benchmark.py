"""The verdicts of `python -m benchmarks wwebjs`: against whatsapp-web.js as it comes, and no text lost or doubled."""

from __future__ import annotations

import pytest

from benchmarks.wwebjs.contender import Contender, Weight
from benchmarks.wwebjs.figures import ACKNOWLEDGED, STORED, Figures, judge, tables
from tests.soak.browsers import most_at_once


def figures(*, ours_ms: float = 10, ours_mib: int = 200, wrong: int = 0) -> list[Figures]:
    ours = Figures(Contender("ours", "new", "chromium-headless-shell", ("ours",), is_ours=True))
    theirs = Figures(Contender("whatsapp-web.js", "old", "chromium", ("node",)))
    # Their other browser is for information only.
    lighter = Figures(Contender("whatsapp-web.js", "old", "chromium-headless-shell", ("node",)))
    for one, stored_ms, mib in ((theirs, 6.0, 400), (lighter, 1.0, 100)):
        one.taken_ms = {STORED: [stored_ms], ACKNOWLEDGED: [9.0]}
        one.weights = [Weight(mib * 2**20, 80 * 2**20, 10)]
    ours.taken_ms = {ACKNOWLEDGED: [ours_ms]}
    ours.weights = [Weight(ours_mib * 2**20, 40 * 2**20, 9)]
    ours.wrong = wrong
    for one in (ours, theirs, lighter):
        one.ready_s = [2.0]
    return [ours, theirs, lighter]


@pytest.mark.parametrize(
    ("measured", "holds"),
    [
        (figures(), [True, True, True]),
        (figures(ours_ms=12.1), [False, True, True]),
        (figures(ours_mib=261), [True, False, True]),
        (figures(wrong=1), [True, True, False]),
    ],
)
def test_each_target_is_judged(measured: list[Figures], holds: list[bool]) -> None:
    assert [verdict.holds for verdict in judge(measured)] == holds


def test_tables_name_what_each_text_waited_for() -> None:
    text = tables(figures())
    assert ACKNOWLEDGED in text
    assert STORED in text


def test_most_at_once_counts_overlaps() -> None:
    assert most_at_once([]) == 0
    assert most_at_once([(0, 2), (2, 3), (3, 4)]) == 1
    assert most_at_once([(0, 2), (1, 3), (1.5, 1.6), (5, 9)]) == 3
