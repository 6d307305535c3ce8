from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.wwebjs.process_tree import is_of_profile
from plugins.wwebjs.profile import Profile, folder_name

PHONES = st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(0, 10**6))


@pytest.mark.parametrize(
    ("company_id", "phone_index", "name"),
    [
        ("acme", 0, "acme-0"),
        ("acme-1", 0, "acme-1-0"),
        ("../../etc", 3, "%2E%2E%2F%2E%2E%2Fetc-3"),
        ("ä b", 1, "%C3%A4%20b-1"),
        ("", 7, "-7"),
    ],
)
def test_names_of_profiles(company_id: str, phone_index: int, name: str) -> None:
    assert folder_name(company_id, phone_index) == name


@given(PHONES)
def test_any_company_gives_one_plain_short_folder(phone: tuple[str, int]) -> None:
    name = folder_name(*phone)
    assert Path("root", name).name == name
    assert "." not in name
    assert len(name) < 200


@given(PHONES, PHONES)
def test_no_two_phones_share_a_folder(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (folder_name(*one) == folder_name(*other)) == (one == other)


def test_folders_beside_a_profile_are_nobodys_profile() -> None:
    assert Profile(Path("/p"), "a-1.downloads", 0).path != Profile(Path("/p"), "a", 1).downloads


@pytest.mark.parametrize(
    ("command_line", "ours"),
    [
        (b"/usr/bin/chromium\0--headless\0--user-data-dir=/p/a-1\0about:blank\0", True),
        (b"chromium --type=renderer --user-data-dir=/p/a-1 --lang=en-US\0\0\0", True),
        (b"chromium\0--user-data-dir=/p/a-1", True),
        (b"chromium\0--user-data-dir=/p/a-1/\0", True),
        (b"chromium\0--user-data-dir=/p/a-10\0", False),
        (b"chromium\0--user-data-dir=/p/a-1.aside-2026\0", False),
        (b"chromium\0--user-data-dir=/q/p/a-1\0", False),
        (b"tail\0-f\0/p/a-1/chrome_debug.log\0", False),
        (b"", False),
    ],
)
def test_processes_are_told_by_their_profile(command_line: bytes, ours: bool) -> None:
    assert is_of_profile(command_line, Path("/p/a-1")) is ours
