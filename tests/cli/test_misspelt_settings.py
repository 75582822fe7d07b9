"""Names that are no settings, and what was left out of those that are: said to who types."""

import json
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

WARNING = "Warning: OPENAI_KEY is not a setting; did you mean OPENAI_API_KEY?\n"


def test_a_command_warns_of_a_misspelt_setting_and_does_its_work(terminal: Terminal) -> None:
    screen = terminal.types("channels", "list", "--json", OPENAI_KEY="k", OPENAI_API_KEY=None)
    assert (screen.code, screen.err, screen.document) == (0, WARNING, [])


def test_where_log_lines_are_json_so_is_the_warning(terminal: Terminal) -> None:
    screen = terminal.types(
        "channels", "list", OPENAI_KEY="k", OPENAI_API_KEY=None, LOG_FORMAT="json"
    )
    line = json.loads(screen.err)
    assert line["message"] == "a setting is doubtful"
    assert line["error"] == WARNING.removeprefix("Warning: ").strip()


def test_the_warning_comes_beside_what_a_wrong_setting_is_told(terminal: Terminal) -> None:
    screen = terminal.types("status", OPENAI_KEY="k", OPENAI_API_KEY=None, LOG_LEVEL="LOUD")
    assert screen.code == 2
    warning, error = screen.err.splitlines()
    assert f"{warning}\n" == WARNING
    assert error.startswith("Error: Wrong settings: LOG_LEVEL must be ")


def test_the_doctor_tells_of_misspelt_settings_and_of_lines_that_set_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENAI_API_KEY: k\nPOLL_INTERVALL_SECONDS=3\n")
    lines = terminal.types("doctor").out.splitlines()
    assert [line for line in lines if line.startswith("BAD  settings")] == [
        "BAD  settings: .env, line 1, is no NAME=value and is ignored.",
        (
            "BAD  settings: .env, line 2: POLL_INTERVALL_SECONDS is not a setting; "
            "did you mean POLL_INTERVAL_SECONDS?"
        ),
    ]


def test_the_doctor_tells_where_the_key_comes_from_and_what_was_left_out_at_its_ends(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sandbox-from-the-file\n")
    screen = terminal.types("doctor", OPENAI_API_KEY="sandbox-abc\u200b")
    assert (
        "ok   settings: OPENAI_API_KEY is set (environment); "
        "the character ZERO WIDTH SPACE (U+200B) at its ends was left out\n"
    ) in screen.out
    screen = terminal.types("doctor", OPENAI_API_KEY=None)
    assert "ok   settings: OPENAI_API_KEY is set (.env, line 1)\n" in screen.out
    assert "sandbox-" not in screen.out.replace("sandbox-clerk", "")
