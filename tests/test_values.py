"""What is pasted with a secret or an address: taken away at the ends, refused inside."""

from collections.abc import Callable

import pytest

from shoptalk import values

KEY = "sk-4f9aD_w-0x7"
ENDS = ["\n", "\r\n", " ", "\t", "\u00a0", "\u200b", "\ufeff", "\u2060", "\u200e", "\u3000", "\0"]
RULES = [
    (values.secret, KEY),
    (values.passphrase, "correct horse, بطارية"),
    (values.web_address, "http://127.0.0.1:11434/v1"),
    (values.database_address, "postgresql://shop:p%40ss@db/shop"),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("rule", "value"), RULES)
def test_what_nobody_sees_at_the_ends_is_taken_away(
    rule: Callable[[str], str], value: str, end: str
) -> None:
    assert rule(value) == value
    assert rule(f"{end}{value}{end}{end}") == value


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u200b", r"ZERO WIDTH SPACE \(U\+200B\)"),
        ("\ufeff", r"ZERO WIDTH NO-BREAK SPACE \(U\+FEFF\)"),
        ("\u00ad", r"SOFT HYPHEN \(U\+00AD\)"),
        ("\u202e", r"RIGHT-TO-LEFT OVERRIDE \(U\+202E\)"),
        ("\u201c", r"LEFT DOUBLE QUOTATION MARK \(U\+201C\)"),
        ("\n", r"control character 0x0a \(U\+000A\)"),
        ("\0", r"control character 0x00 \(U\+0000\)"),
        ("\ud800", r"control character 0xd800 \(U\+D800\)"),
    ],
)
@pytest.mark.parametrize(("rule", "value"), RULES)
def test_what_nobody_sees_inside_is_refused_by_its_name_and_place(
    rule: Callable[[str], str], value: str, character: str, name: str
) -> None:
    half = len(value) // 2
    with pytest.raises(ValueError, match=f"{name} at position {half + 1}") as caught:
        rule(value[:half] + character + value[half:])
    assert value[:half] not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (f'"{KEY}"', "stands in quotes"),
        (f"'{KEY}'", "stands in quotes"),
        (f"Bearer {KEY}", "begins with the word Bearer"),
        (f"bearer\t{KEY}", "begins with the word Bearer"),
        (f"https://example.com/{KEY}", "is an address where a key is expected"),
        ("sk-4f9a w", r"SPACE \(U\+0020\) at position 8"),
        ("sk\u20104f9a", r"HYPHEN \(U\+2010\) at position 3"),
        ("sk-4f9a\u0430", "CYRILLIC SMALL LETTER A"),
        (KEY * 4, "holds the same text twice"),
    ],
)
def test_what_is_no_key_is_said_without_the_key(value: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        values.secret(value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("api.openai.com/v1", "must begin with https:// or http://"),
        ("https://", "names no host"),
        ("https:///v1", "names no host"),
        ("http://localhost:port/v1", "host or port"),
        ("http://localhost:99999/v1", "host or port"),
        ("http://[::1/v1", "host or port"),
        ("http://local host/v1", r"SPACE \(U\+0020\) at position 13"),
        ("https://shop:secret@example.com/v1", "user or password"),
        ("https://example.com/v1?key=secret", "must end before"),
        ("https://api.openai.com/v1/chat/completions", "must end before /chat/completions"),
        ("https://api.openai.com/v1/Responses/", "must end before /responses"),
    ],
)
def test_what_is_no_base_of_an_address_is_said(value: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        values.web_address(value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["p@ss", "pa#ss", "p@s#s@", "#"])
def test_a_password_that_would_be_taken_for_a_host_is_refused_and_not_told(password: str) -> None:
    with pytest.raises(ValueError, match="write them as %40 and %23") as caught:
        values.database_address(f"postgresql://shop:{password}@db/shop")
    assert str(caught.value) == "holds @ or # in its password: write them as %40 and %23"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://shop@server:secret@db:5432/shop",
        "postgresql://shop:p%40%23@one,two:5433/shop?options=a@b",
        "postgresql:///shop?host=/run/postgresql",
    ],
)
def test_an_address_that_can_be_understood_is_left_as_it_is(address: str) -> None:
    assert values.database_address(address) == address
