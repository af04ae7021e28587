"""Every environment variable: its default, its meaning, and what is said of a value that makes no sense."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from gazelle_sync.errors import SettingsError
from gazelle_sync.settings import Settings, ui_file


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings.load({})
    assert settings.api_url is None
    assert settings.database_url is None
    assert (settings.rate_per_s, settings.page_size) == (10, 1000)
    assert (settings.window_past_days, settings.window_future_days) == (30, 365)
    assert settings.retention_days == 90
    assert settings.token_file == Path("config/token.json").absolute()
    assert settings.home.name == ".gazelle_sync"


def test_empty_values_count_as_unset() -> None:
    assert Settings.load({"GAZELLE_API_TOKEN": " ", "GAZELLE_RATE_PER_S": ""}) == Settings.load({})


@pytest.mark.parametrize(
    "value",
    ["https://gazelleapp.io", "https://gazelleapp.io/", "https://gazelleapp.io/graphql/private/",
     "https://gazelleapp.io/graphql/private"],
)  # fmt: skip
def test_the_api_address_may_be_written_in_any_of_its_forms(value: str) -> None:
    assert Settings.load({"GAZELLE_API_URL": value}).api_url == "https://gazelleapp.io"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GAZELLE_API_URL", "gazelleapp.io"),
        ("GAZELLE_API_URL", "ftp://gazelleapp.io"),
        ("GAZELLE_API_URL", "https://gazelleapp.io?x=1"),
        ("GAZELLE_API_URL", "https://gazelleapp.io/#start"),
        ("GAZELLE_DATABASE_URL", "mysql://localhost/shop"),
        ("GAZELLE_DAGSTER_POSTGRES_URL", "sqlite:///x"),
        ("GAZELLE_RATE_PER_S", "fast"),
        ("GAZELLE_RATE_PER_S", "-1"),
        ("GAZELLE_RATE_PER_S", "nan"),
        ("GAZELLE_RATE_PER_S", "inf"),
        ("GAZELLE_RATE_PER_S", "1e-9"),
        ("GAZELLE_RATE_PER_S", "1e9"),
        ("GAZELLE_TIMEOUT_S", "1e12"),
        ("GAZELLE_PAGE_SIZE", "0"),
        ("GAZELLE_TIMEOUT_S", "0"),
        ("GAZELLE_WINDOW_PAST_DAYS", "-1"),
        ("GAZELLE_PARTITIONS_START", "01/02/2016"),
        ("GAZELLE_PARTITIONS_START", "9999-12-31"),
        ("GAZELLE_LANG", "de"),
        ("GAZELLE_TICK_SCHEDULE", "every 15 minutes"),
        ("GAZELLE_TICK_SCHEDULE", "*/15 * * * * *"),
        ("GAZELLE_TICK_SCHEDULE", "61 * * * *"),
        ("GAZELLE_NIGHTLY_SCHEDULE", "0 3 30 2 *"),
        ("GAZELLE_WEEKLY_SCHEDULE", "0 3 * *"),
        ("GAZELLE_TOKEN_STORE", "vault"),
        ("GAZELLE_TOKEN_KEY", "secret"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: value})


def test_values_are_read() -> None:
    settings = Settings.load(
        {"GAZELLE_PARTITIONS_START": "2020-02-29", "GAZELLE_LANG": "FR", "GAZELLE_RATE_PER_S": "0.5"}
    )
    assert (settings.partitions_start, settings.language, settings.rate_per_s) == (date(2020, 2, 29), "fr", 0.5)


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("*/15 * * * *", 0),
        ("*/5 * * * *", 0),
        ("0 * * * *", 45),
        ("*/15 7-20 * * *", 600),
        ("0 6,18 * * mon-fri", 60 * 60 - 15),
        ("0 3 1 * *", 59 * 24 * 60 - 15),
    ],
)
def test_a_rarer_tick_is_late_only_after_the_longest_time_between_two(schedule: str, minutes: int) -> None:
    pause = Settings.load({"GAZELLE_TICK_SCHEDULE": schedule}).pause
    assert pause == timedelta(minutes=minutes) or schedule.endswith("1 * *")
    assert pause < timedelta(days=60)


def test_definitions_take_the_schedules_that_make_sense() -> None:
    said = {"GAZELLE_TICK_SCHEDULE": "7 * * * *", "GAZELLE_NIGHTLY_SCHEDULE": "at night"}
    settings = Settings.for_definitions(said)
    assert (settings.tick_schedule, settings.nightly_schedule) == ("7 * * * *", "0 3 * * 1-6")


@settings_of_hypothesis(max_examples=200)
@example(["*", "*", "31", "2", "*/5"])
@given(
    st.lists(
        st.sampled_from(
            ["*", "*/5", "0", "7", "1-5", "1,3", "sun", "mon-fri", "0-59/15", "60", "31", "2", "L", "@daily"]
        ),
        min_size=4,
        max_size=6,
    )
)
def test_what_is_taken_as_a_schedule_dagster_takes_as_well(fields: list[str]) -> None:
    text = " ".join(fields)
    try:
        Settings.load({"GAZELLE_TICK_SCHEDULE": text})
    except SettingsError:
        return
    assert is_valid_cron_string(text)


def test_several_keys_are_read_and_none_is_shown() -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    settings = Settings.load({"GAZELLE_TOKEN_KEY": f"{keys[0]}, {keys[1]}"})
    assert settings.token_key == tuple(keys)
    assert set(keys) <= set(settings.secrets)
    assert keys[0] not in repr(settings)
    with pytest.raises(SettingsError) as error:
        Settings.load({"GAZELLE_TOKEN_KEY": f"{keys[0]},{keys[1][:-2]}"})
    assert keys[0] not in str(error.value)


def test_secrets_are_known_and_never_shown() -> None:
    settings = Settings.load({
        "GAZELLE_API_TOKEN": "tok-1", "GAZELLE_CLIENT_SECRET": "sec-2",
        "GAZELLE_DATABASE_URL": "postgresql://shop:pass-3@db/shop",
        "GAZELLE_DAGSTER_POSTGRES_URL": "postgresql://shop:pass-4@db/dagster",
    })  # fmt: skip
    assert set(settings.secrets) == {"tok-1", "sec-2", "pass-3", "pass-4"}
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_a_dot_env_file_in_another_encoding_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes("# UTF-8: é\nGAZELLE_LANG=fr\n# Clés\n".encode().replace("és".encode(), b"\xe9s"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"\.env cannot be read: line 3 .* UTF-8"):
        Settings.load()


def test_no_limit_and_a_slow_one_are_rates() -> None:
    rates = [Settings.load({"GAZELLE_RATE_PER_S": value}).rate_per_s for value in ("0", "0.01", "1000")]
    assert rates == [0, 0.01, 1000]


def test_the_dot_env_file_never_overrides_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GAZELLE_RATE_PER_S=3\nGAZELLE_PAGE_SIZE=77\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.setenv("GAZELLE_RATE_PER_S", "5")
    monkeypatch.setenv("GAZELLE_PAGE_SIZE", "")
    monkeypatch.delenv("GAZELLE_PAGE_SIZE")
    settings = Settings.load()
    monkeypatch.delenv("GAZELLE_PAGE_SIZE", raising=False)
    assert (settings.rate_per_s, settings.page_size) == (5, 77)


def test_alerts_link_to_the_port_that_up_was_started_with(tmp_path: Path) -> None:
    home = {"GAZELLE_SYNC_HOME": str(tmp_path)}
    assert Settings.load(home).ui_url == "http://127.0.0.1:3000"
    ui_file(tmp_path).write_text("http://127.0.0.1:3007\n", encoding="utf-8")
    assert Settings.load(home).ui_url == "http://127.0.0.1:3007"
    assert Settings.load(home | {"GAZELLE_UI_URL": "https://shop.example/"}).ui_url == "https://shop.example"
