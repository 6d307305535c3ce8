"""Settings come from the environment, and a misspelled one is no silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from bisnes_core.settings import SOCKET_DIR_MAX_BYTES, Settings, UnknownSetting, declared_variables, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of the checkout."""
    monkeypatch.chdir(tmp_path)


def test_lists_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "BISNES_WWEBJS_BROWSER_ARGUMENTS", "--lang=de '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE x'"
    )
    monkeypatch.setenv("BISNES_WWEBJS_BUNDLES", "/one.js, /two.js")
    settings = load_settings()
    assert settings.wwebjs_browser_arguments == ("--lang=de", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE x")
    assert settings.wwebjs_bundles == ("/one.js", "/two.js")


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path
    assert settings.database_conninfo == f"postgresql://bisnes@/bisnes?host={settings.run_dir}"
    assert settings.redis_address == f"unix://{settings.run_dir}/valkey.sock"


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("BISNES_API_PORT", "4000", "api_port", 4000),
        ("API_PORT", "4000", "api_port", 4000),
        ("DATABASE_URL", "postgresql://x", "database_conninfo", "postgresql://x"),
        ("REDIS_URL", "redis://x", "redis_address", "redis://x"),
        ("DATABASE_POOL_API_MAX", "7", "database_pool_api_max", 7),
        ("BISNES_CHANNELS", " meta , loopback,", "channels", ("meta", "loopback")),
        ("BISNES_CHANNELS", "", "channels", ()),
        ("BISNES_META_GRAPH_URL", "http://127.0.0.1:9", "meta_graph_url", "http://127.0.0.1:9"),
    ],
)
def test_environment(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), field) == expected


def test_our_name_wins_over_the_legacy_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "1111")
    monkeypatch.setenv("BISNES_API_PORT", "2222")
    assert load_settings().api_port == 2222


def test_dot_env_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BISNES_API_PORT=1111\nBISNES_META_PORT=3333\n")
    monkeypatch.setenv("BISNES_API_PORT", "2222")
    settings = load_settings()
    assert (settings.api_port, settings.meta_port) == (2222, 3333)


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_misspelled_setting_is_an_error_with_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == ".env":
        (tmp_path / ".env").write_text("BISNES_API_PROT=1\n")
    else:
        monkeypatch.setenv("BISNES_API_PROT", "1")
    with pytest.raises(UnknownSetting, match="did you mean BISNES_API_PORT"):
        load_settings()


def test_secrets_do_not_show() -> None:
    settings = load_settings(meta_app_secret="made-up")
    assert "made-up" not in repr(settings)


def test_socket_folder_fits_the_kernels_limit_and_differs_per_home(tmp_path: Path) -> None:
    deep = [tmp_path / name / ("x" * 100) for name in "ab"]
    folders = {Settings(home=home).run_dir for home in deep}
    assert len(folders) == 2
    assert all(len(str(folder)) <= SOCKET_DIR_MAX_BYTES for folder in folders)


def test_every_socket_fits_the_kernels_limit() -> None:
    home = Path("/srv/bisnes")
    while len(str(home / "var" / "run")) < SOCKET_DIR_MAX_BYTES:
        home = home.with_name(home.name + "x")
    longest = Settings(home=home, process="p" * 20, instance="9999").health_socket
    assert len(str(longest)) == 107
    assert len(str(Settings(home=home.with_name(home.name + "x"), process="api", instance="1").health_socket)) < 107


def test_pool_follows_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(process="api").pool_size == 20
    assert load_settings(process="relay").pool_size == 4
    assert load_settings(process="somebody").pool_size == 10
    assert load_settings(process="api", pool_max=3).pool_size == 3


def test_every_setting_says_what_it_is_and_has_one_name_of_ours() -> None:
    names = declared_variables()
    for field, info in Settings.model_fields.items():
        assert info.description, field
        assert any(name.startswith("BISNES_") for name, of in names.items() if of == field), field
