"""Which browser is taken, with programs that say what real ones would."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest

from plugins.wwebjs.browser_failed import BrowserFailed, NoBrowser
from plugins.wwebjs.chromium import MEND, find_chromium
from tests.fixtures.eventually import eventually


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; the scripts in it name their shell, so they need none of the others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_the_lighter_kind_is_preferred(on_path: Path) -> None:
    program(on_path / "chromium", "Chromium 156.0.1.2 built on Debian")
    program(on_path / "chromedriver", "ChromeDriver 156.0.9.9 (a21ce95-refs/branch-heads/8078@{#1704})")
    found = asyncio.run(find_chromium())
    assert (found.browser, found.headless_shell) == (on_path / "chromium", False)
    program(on_path / "chromium-headless-shell", "Chromium 156.0.1.2")
    found = asyncio.run(find_chromium())
    assert (found.browser, found.headless_shell) == (on_path / "chromium-headless-shell", True)
    assert (found.driver, found.version) == (on_path / "chromedriver", "156.0.1.2")


def test_given_programs_win(on_path: Path, tmp_path: Path) -> None:
    program(on_path / "chromium", "Chromium 155.0.1.2")
    program(on_path / "chromedriver", "ChromeDriver 155.0.1.2")
    browser, driver = program(tmp_path / "b", "Google Chrome 156.0.1.2"), program(tmp_path / "d", "ChromeDriver 156.1")
    found = asyncio.run(find_chromium(str(browser), str(driver)))
    assert (found.browser, found.driver, found.version) == (browser, driver, "156.0.1.2")


@pytest.mark.parametrize("present", [(), ("chromium",), ("chromedriver",)])
def test_what_is_missing_is_told_with_the_command_that_mends_it(on_path: Path, present: tuple[str, ...]) -> None:
    for name in present:
        program(on_path / name, "X 156.0.1.2")
    with pytest.raises(NoBrowser) as caught:
        asyncio.run(find_chromium())
    assert caught.value.reason == "no_browser"
    assert MEND in caught.value.text
    assert ("Chromium" in caught.value.text) == ("chromium" not in present)


def test_a_given_path_that_is_no_program_is_told(on_path: Path) -> None:
    with pytest.raises(NoBrowser, match="/nowhere/chromium is no program") as caught:
        asyncio.run(find_chromium("/nowhere/chromium"))
    assert caught.value.reason == "no_browser"


def test_majors_must_agree(on_path: Path) -> None:
    program(on_path / "chromium", "Chromium 156.0.1.2")
    program(on_path / "chromedriver", "ChromeDriver 155.0.1.2")
    with pytest.raises(NoBrowser) as caught:
        asyncio.run(find_chromium())
    assert caught.value.reason == "version_mismatch"
    assert "156.0.1.2" in caught.value.text
    assert "155.0.1.2" in caught.value.text


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/nowhere/sh\n"])
def test_a_program_that_does_not_start_is_no_browser(on_path: Path, text: str) -> None:
    program(on_path / "chromedriver", "ChromeDriver 156.0.1.2")
    broken = program(on_path / "chromium", "")
    broken.write_text(text)
    with pytest.raises(NoBrowser) as caught:
        asyncio.run(find_chromium())
    assert caught.value.reason == "no_browser"
    assert "chromium" in caught.value.text


def test_a_program_that_takes_its_time_is_no_missing_one(on_path: Path) -> None:
    """A machine that just boots is slow; a phone that only a person could bring back would stay down."""
    program(on_path / "chromedriver", "ChromeDriver 156.0.1.2")
    slow = program(on_path / "chromium", "")
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    with pytest.raises(BrowserFailed, match="chromium does not tell its version within") as caught:
        asyncio.run(find_chromium(version_timeout_s=0.2))
    assert caught.value.reason == "start_failed"


def test_selenium_manager_is_asked_only_where_it_may_download(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, driver = program(tmp_path / "b", "Chrome 156.0.1.2"), program(tmp_path / "d", "ChromeDriver 156.0.1.2")
    answer = {
        "result": {"code": 0, "message": "", "driver_path": str(driver), "browser_path": str(browser)},
        "logs": [],
    }
    monkeypatch.setenv("SE_MANAGER_PATH", str(program(tmp_path / "manager", json.dumps(answer))))
    with pytest.raises(NoBrowser):
        asyncio.run(find_chromium())
    found = asyncio.run(find_chromium(may_download=True))
    assert (found.browser, found.driver) == (browser, driver)


def test_a_download_that_fails_is_told(on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = program(tmp_path / "manager", "")
    manager.write_text('#!/bin/sh\necho \'{"result": {"code": 65, "message": "no network"}, "logs": []}\'\nexit 65\n')
    monkeypatch.setenv("SE_MANAGER_PATH", str(manager))
    with pytest.raises(NoBrowser, match="Selenium Manager") as caught:
        asyncio.run(find_chromium(may_download=True))
    assert MEND in caught.value.text


def test_a_program_that_is_asked_for_its_version_ends_with_the_asker(on_path: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    browser = program(on_path / "chromium", "")
    browser.write_text(f"#!/bin/sh\necho $$ > {asked}.new && /bin/mv {asked}.new {asked}\nexec /bin/sleep 60\n")
    program(on_path / "chromedriver", "ChromeDriver 156.0.1.2")

    async def ask_and_give_up() -> None:
        asking = asyncio.create_task(find_chromium())
        await asyncio.to_thread(eventually, asked.exists, 10, "the program to run")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not psutil.pid_exists(int(asked.read_text()))

    asyncio.run(ask_and_give_up())
