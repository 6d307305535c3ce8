from __future__ import annotations

from pathlib import Path

from plugins.wwebjs.flags import QUIET, SHM_MIN_BYTES, chromium_arguments, honest_brands, user_agent

PROFILE = Path("/p/a-1")


def arguments(*, headless_shell: bool = True, sandbox: bool = True, shm_bytes: int = SHM_MIN_BYTES) -> list[str]:
    return chromium_arguments(
        PROFILE,
        "156.0.8078.79",
        headless_shell=headless_shell,
        sandbox=sandbox,
        shm_bytes=shm_bytes,
        extra=("--lang=pt-BR",),
    )


def test_every_start_is_quiet_piped_unmarked_and_on_its_profile() -> None:
    for given in (arguments(), arguments(headless_shell=False, sandbox=False, shm_bytes=0)):
        assert {*QUIET, "--remote-debugging-pipe", "--user-data-dir=/p/a-1"} <= set(given)
        assert "--disable-blink-features=AutomationControlled" in given
        assert given[-1] == "--lang=pt-BR"
        assert not any("remote-debugging-port" in argument for argument in given)


def test_the_sandbox_is_left_only_where_it_cannot_be() -> None:
    assert "--no-sandbox" not in arguments()
    assert "--no-sandbox" in arguments(sandbox=False)


def test_only_chromium_with_a_window_must_be_told_to_be_headless() -> None:
    assert "--headless=new" in arguments(headless_shell=False)
    assert "--headless=new" not in arguments()


def test_small_shared_memory_is_not_used() -> None:
    assert "--disable-dev-shm-usage" in arguments(shm_bytes=64 * 1024 * 1024)
    assert "--disable-dev-shm-usage" not in arguments()


def test_a_page_sees_no_headless_browser() -> None:
    assert "Chrome/156.0.0.0 Safari" in user_agent("156.0.8078.79")
    assert "Headless" not in user_agent("156.0.8078.79") + str(honest_brands("156.0.8078.79"))
