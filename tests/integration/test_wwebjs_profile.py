"""The folder of a phone's browser: who may use it, and what becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.wwebjs import profile as profile_module
from plugins.wwebjs.browser_failed import BrowserFailed, ProfileInUse
from plugins.wwebjs.profile import ASIDE_MAX, Profile
from tests.fixtures.eventually import eventually

HOLDER = """
import sys
from pathlib import Path
from plugins.wwebjs.profile import Profile
Profile(Path(sys.argv[1]), "acme", 0).hold()
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def held(profile: Profile) -> bool:
    """Tries to take it."""
    try:
        profile.hold()
    except ProfileInUse:
        return False
    return True


def test_one_holder_at_a_time_within_a_process(tmp_path: Path) -> None:
    first, second, other = Profile(tmp_path, "acme", 0), Profile(tmp_path, "acme", 0), Profile(tmp_path, "acme", 1)
    first.hold()
    other.hold()
    for refused in (first, second):
        with pytest.raises(ProfileInUse) as caught:
            refused.hold()
        assert caught.value.reason == "profile_in_use"
    first.release()
    second.hold()
    assert second.held
    assert not first.held
    second.release()
    other.release()


def test_the_kernel_frees_the_lock_of_a_killed_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        profile = Profile(tmp_path, "acme", 0)
        assert not held(profile)
        holder.kill()
    eventually(lambda: held(profile), 5, "the lock is free")
    profile.release()


def test_a_place_for_one_browser_on_a_held_profile(tmp_path: Path) -> None:
    profile = Profile(tmp_path, "acme", 0)
    with pytest.raises(RuntimeError, match="hold"):
        profile.occupy()
    profile.hold()
    profile.occupy()
    with pytest.raises(ProfileInUse):
        profile.occupy()
    profile.vacate()
    profile.occupy()
    profile.release()


def test_prepare_removes_what_a_dead_browser_left_and_nothing_else(tmp_path: Path) -> None:
    profile = Profile(tmp_path, "acme", 0)
    profile.hold()
    profile.prepare()
    (profile.path / "SingletonLock").symlink_to("elsewhere-4711")
    (profile.path / "Cookies").write_text("login")
    (profile.downloads / "old.bin").write_text("old")
    (profile.temporary / "old").mkdir()
    profile.prepare()
    assert not list(profile.path.glob("Singleton*"))
    assert (profile.path / "Cookies").read_text() == "login"
    assert list(profile.downloads.iterdir()) == []
    assert list(profile.temporary.iterdir()) == []
    assert profile.path.stat().st_mode & 0o077 == 0
    profile.clean()
    assert not profile.temporary.exists()
    profile.release()


def test_profiles_move_aside_and_the_oldest_beyond_the_bound_go(tmp_path: Path) -> None:
    profile, neighbour = Profile(tmp_path, "acme", 1), Profile(tmp_path, "acme", 10)
    neighbour.hold()
    neighbour.prepare()
    neighbour.move_aside()
    profile.hold()
    assert profile.move_aside() is None
    moved = []
    for number in range(ASIDE_MAX + 2):
        profile.prepare()
        (profile.path / "login").write_text(str(number))
        moved.append(profile.move_aside())
        assert not profile.path.exists()
    kept = profile.set_aside()
    assert kept == [path for path in reversed(moved) if path][:ASIDE_MAX]
    assert [(path / "login").read_text() for path in kept] == ["4", "3", "2"]
    assert len(neighbour.set_aside()) == 1
    for each in (profile, neighbour):
        each.clean()
        each.release()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BrowserFailed) as caught:
        Profile(tmp_path / "file", "acme", 0).hold()
    assert caught.value.reason == "profile_unwritable"
    assert str(tmp_path) in caught.value.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' always full device")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    profile = Profile(tmp_path, "acme", 0)
    profile.hold()
    profile.prepare()
    (profile.path / "bisnes-written").unlink()
    (profile.path / "bisnes-written").symlink_to("/dev/full")
    with pytest.raises(BrowserFailed, match="No space left") as caught:
        profile.prepare()
    assert caught.value.reason == "disk_full"
    profile.clean()
    profile.release()


def test_little_room_is_told_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_module, "ROOM_MIN_BYTES", 1 << 62)
    profile = Profile(tmp_path, "acme", 0)
    profile.hold()
    with pytest.raises(BrowserFailed, match="MiB are left") as caught:
        profile.prepare()
    assert caught.value.reason == "disk_full"
    profile.clean()
    profile.release()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_temporary_folder_of_another_user_is_not_taken(tmp_path: Path) -> None:
    profile = Profile(tmp_path, "acme", 0)
    profile.hold()
    profile.temporary.mkdir()
    os.chown(profile.temporary, 65534, 65534)
    with pytest.raises(BrowserFailed, match="another user") as caught:
        profile.prepare()
    assert caught.value.reason == "profile_unwritable"
    profile.clean()
    profile.release()
