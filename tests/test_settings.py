"""Everything from the environment: read once, checked, and what is wrong is named."""

from datetime import timedelta
from pathlib import Path

import platformdirs
import pytest
from pydantic import SecretStr

from shoptalk.errors import UsageError
from shoptalk.settings import Settings, doubts, load, trimmed

SECRET = "sk-do-not-show-this"


def test_nothing_has_to_be_set() -> None:
    settings = load()
    assert settings.database_url is None
    assert settings.shoptalk_home == platformdirs.user_data_path("shoptalk")
    assert settings.shoptalk_secret_key is None
    assert settings.poll_interval_seconds == 10
    assert settings.graph_calls_per_second == 2
    assert settings.message_buffer_duration_ms == 30_000
    assert settings.max_buffer_size == 50
    assert settings.max_buffer_age_ms == 300_000
    assert settings.openai_api_style == "auto"
    assert settings.poll_overlap == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLL_INTERVAL_SECONDS", "soon"),
        ("POLL_INTERVAL_SECONDS", "0"),
        ("POLL_INTERVAL_SECONDS", "nan"),
        ("POLL_INTERVAL_SECONDS", "inf"),
        ("POLL_INTERVAL_MAX_SECONDS", "-1"),
        ("POLL_OVERLAP_SECONDS", "-1"),
        ("GRAPH_CALLS_PER_SECOND", "-0.5"),
        ("MESSAGE_BUFFER_DURATION_MS", "-1"),
        ("MESSAGE_BUFFER_DURATION_MS", "2.5"),
        ("BUFFER_PROCESSING_INTERVAL_MS", "0"),
        ("MAX_BUFFER_SIZE", "0"),
        ("MAX_BUFFER_AGE_MS", "-1"),
        ("AI_PROCESSING_TIMEOUT_MS", "1"),
        ("RESPONSE_QUALITY_THRESHOLD", "1.1"),
        ("WORKER_CONCURRENCY", "0"),
        ("EXTRACTION_INTERVAL", "0"),
        ("OPENAI_TIMEOUT", "0"),
        ("OPENAI_TIMEOUT", "-inf"),
        ("OPENAI_MAX_RETRIES", "-1"),
        ("OPENAI_API_STYLE", "telepathy"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("FACEBOOK_API_BASE_URL", "ftp://graph.facebook.com"),
        ("INSTAGRAM_API_BASE_URL", "graph.instagram.com"),
        ("WHATSAPP_API_BASE_URL", "//graph.facebook.com"),
        ("TWILIO_API_BASE_URL", "file:///etc/passwd"),
        ("CHATWOOT_BASE_URL", "app.chatwoot.com"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_variable_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load()
    sentence = str(caught.value)
    assert sentence.startswith(f"Wrong settings: {name} ")
    assert sentence.endswith(" (environment).")
    assert "\n" not in sentence
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("OPENAI_TIMEOUT", "0", "must be above 0.0"),
        ("WORKER_CONCURRENCY", "201", "must be at most 200"),
        ("WORKER_CONCURRENCY", "many", "must be a whole number"),
        ("MESSAGE_BUFFER_DURATION_MS", "2.5", "must be a whole number"),
        ("POLL_INTERVAL_SECONDS", "soon", "must be a number"),
        ("LOG_FORMAT", "xml", "must be 'text' or 'json'"),
        ("CHATWOOT_TYPING_INDICATOR_ENABLED", "maybe", "must be true or false"),
        ("OPENAI_API_KEY", "\u201csk\u201d", "holds the character LEFT DOUBLE QUOTATION MARK"),
        ("SHOPTALK_SECRET_KEY", "a\u200bb", "holds the character ZERO WIDTH SPACE"),
        ("DATABASE_URL", "postgresql://a\u200bb/c", "holds the character ZERO WIDTH SPACE"),
        ("OPENAI_BASE_URL", "http://h/v1/chat/completions", "must end before /chat/completions"),
    ],
)
def test_what_a_variable_must_be_is_said_in_our_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load()
    assert f"{name} {says}" in str(caught.value)


def test_what_is_pasted_around_a_secret_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"\ufeff{SECRET}\u200b\r\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/shop\n")
    settings = load()
    assert settings.openai_api_key == SecretStr(SECRET)
    assert settings.database_url == SecretStr("postgresql://localhost/shop")


def test_a_key_of_white_space_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    assert load().openai_api_key is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_dotenv_file_of_any_editor_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    (tmp_path / ".env").write_text("WORKSPACE=متجر\n", encoding=encoding)
    monkeypatch.chdir(tmp_path)
    assert load().workspace == "متجر"


def test_a_dotenv_file_in_another_encoding_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WORKSPACE=shop\n", encoding="utf-16")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^The file \.env is not UTF-8 text"):
        load()


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"LOG_FORMAT": "xml", "MAX_BUFFER_SIZE": "few", "OPENAI_TIMEOUT": "long"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        load()
    assert all(name in str(caught.value) for name in wrong)


def test_no_value_is_repeated_in_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret may have been put into the wrong variable."""
    for name, field in Settings.model_fields.items():
        if field.annotation not in {str, Path, SecretStr | None}:
            monkeypatch.setenv(name.upper(), SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", SECRET)
    with pytest.raises(UsageError) as caught:
        load()
    assert "MAX_BUFFER_SIZE" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("SHOPTALK_SECRET_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://shop:{SECRET}@localhost/shop")
    settings = load()
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "name",
    ["DATABASE_URL", "SHOPTALK_HOME", "SHOPTALK_SECRET_KEY", "OPENAI_API_KEY", "OPENAI_MODEL"],
)
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    nothing_set = Settings()
    monkeypatch.setenv(name, "")
    assert load() == nothing_set


def test_a_dotenv_file_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "# the shop\nOPENAI_MODEL='small one'\nMAX_BUFFER_SIZE=7\nOPENAI_API_KEY=\nUNKNOWN=1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAX_BUFFER_SIZE", "9")
    settings = load()
    assert settings.openai_model == "small one"
    assert settings.max_buffer_size == 9
    assert settings.openai_api_key is None


def test_a_wrong_line_of_the_dotenv_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("# ours\n\n\nLOG_FORMAT=text\nWORKER_CONCURRENCY=many\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(UsageError) as caught:
        load()
    assert str(caught.value) == (
        "Wrong settings: WORKER_CONCURRENCY must be a whole number (.env, line 5); "
        "LOG_FORMAT must be 'text' or 'json' (environment)."
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("POLL_INTERVALL_SECONDS", "POLL_INTERVAL_SECONDS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("SHOPTALK_OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("SHOPTALK_SECRETKEY", "SHOPTALK_SECRET_KEY"),
        ("openai-api-key", "OPENAI_API_KEY"),
        ("WORKSPACES", "WORKSPACE"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, SECRET)
    assert [said for said in doubts() if name in said] == [
        f"{name} is not a setting; did you mean {meant}?"
    ]
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"\nLOG_LEVEL=INFO\n\nexport {name}={SECRET}\n")
    assert doubts() == [f".env, line 4: {name} is not a setting; did you mean {meant}?"]


def test_an_unknown_name_that_begins_as_ours_do_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPTALK_COLOUR", "blue")
    assert doubts() == ["SHOPTALK_COLOUR is not a setting."]


@pytest.mark.parametrize(
    "name",
    [
        "SHOPTALK_ACCESS_TOKEN",
        "SHOPTALK_SERVICE_HOST",
        "SHOPTALK_SERVICE_PORT_HTTP",
        "SHOPTALK_PORT",
        "SHOPTALK_PORT_8080_TCP_ADDR",
        "SHOPTALK_DB_PORT_5432_TCP",
        "_SHOPTALK_COMPLETE",
        "OPENAI_ORG_ID",
        "OPENAI_API_VERSION",
        "GITHUB_WORKSPACE",
        "NPM_LOG_LEVEL",
        "DATABASE_URL_TEST",
        "HOME",
        "LANG",
        "PGPASSWORD",
        "HTTPS_PROXY",
    ],
)
def test_what_other_programs_are_told_by_the_environment_is_not_taken_for_a_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "something")
    assert doubts() == []


def test_a_name_like_that_of_a_setting_that_is_set_is_another_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_KEY", "theirs")
    assert doubts() != []
    monkeypatch.setenv("OPENAI_API_KEY", "ours")
    assert doubts() == []


@pytest.mark.parametrize(
    "line",
    [
        "OPENAI_API_KEY",
        f"OPENAI_API_KEY: {SECRET}",
        f"OPENAI API KEY={SECRET}",
        f"set A={SECRET}",
        f"$env:OPENAI_API_KEY='{SECRET}'",
        f"OPENAI_API_KEY='{SECRET}",
        SECRET,
    ],
)
def test_a_line_of_the_dotenv_file_that_sets_nothing_is_told_by_its_number(
    tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"# the shop\n\nLOG_LEVEL=DEBUG\n\n{line}\nLOG_FORMAT=json\n")
    assert load().log_format == "json"
    assert doubts() == [".env, line 5, is no NAME=value and is ignored."]
    assert caplog.text == ""


def test_a_dotenv_file_of_comments_and_settings_is_not_doubted(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# A\n   # B\n\nexport LOG_LEVEL = DEBUG # loud\nOPENAI_API_KEY=\nPOSTGRES_PASSWORD=x\n"
        'OPENAI_MODEL="two\nlines"\n\n',
        encoding="utf-8-sig",
    )
    assert doubts() == []


def test_what_was_left_out_at_the_ends_is_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\u200b\r\n")
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/shop")
    [only] = trimmed()
    assert (only.name, only.where) == ("OPENAI_API_KEY", "environment")
    assert list(only.left_out) == [
        "the character ZERO WIDTH SPACE (U+200B)",
        "the control character 0x0d (U+000D)",
        "the control character 0x0a (U+000A)",
    ]


@pytest.mark.parametrize(
    ("style", "url", "spoken"),
    [
        ("auto", None, "responses"),
        ("auto", "https://api.openai.com/v1/", "responses"),
        ("auto", "http://localhost:11434/v1", "chat"),
        ("auto", "https://api.openai.com.example/v1", "chat"),
        ("responses", "http://localhost:11434/v1", "responses"),
        ("chat", None, "chat"),
    ],
)
def test_the_style_fits_the_server_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, style: str, url: str | None, spoken: str
) -> None:
    monkeypatch.setenv("OPENAI_API_STYLE", style)
    if url is not None:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert load().model_style == spoken


def test_an_address_loses_the_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBOOK_API_BASE_URL", "http://127.0.0.1:8000/v25.0/")
    assert load().facebook_api_base_url == "http://127.0.0.1:8000/v25.0"
    assert load().base_urls["facebook_api_base_url"] == "http://127.0.0.1:8000/v25.0"
    assert set(load().base_urls) == {
        "facebook_api_base_url",
        "instagram_api_base_url",
        "whatsapp_api_base_url",
        "twilio_api_base_url",
        "chatwoot_base_url",
    }


def test_the_log_level_is_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load().log_level == "DEBUG"
