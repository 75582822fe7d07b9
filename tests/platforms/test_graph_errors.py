"""Every row of the table against a list written from Meta's documentation by hand."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from shoptalk.errors import (
    BadPayload,
    ChannelStopped,
    DeliveryUncertain,
    GiveUp,
    PlatformError,
    RetryLater,
    ThreadTaken,
    Throttled,
    TooMuchData,
    WindowClosed,
)
from shoptalk.platforms.meta.errors import TABLE, Purpose, platform_error

Kinds = tuple[type[PlatformError], type[PlatformError]]  # of a read, of a send
PASSING: Kinds = (RetryLater, DeliveryUncertain)
WAIT: Kinds = (Throttled, Throttled)
STOP: Kinds = (ChannelStopped, ChannelStopped)
SKIP: Kinds = (GiveUp, GiveUp)
OUR_MISTAKE: Kinds = (BadPayload, GiveUp)
CLOSED: Kinds = (WindowClosed, WindowClosed)
TAKEN: Kinds = (ThreadTaken, ThreadTaken)

EXPECTED: dict[tuple[int | None, int | None], Kinds] = {
    (1, None): PASSING,
    (1, 99): PASSING,
    (None, 1357046): PASSING,
    (2, None): PASSING,
    (131000, None): PASSING,
    (131016, None): PASSING,
    (133004, None): PASSING,
    (4, None): WAIT,
    (17, None): WAIT,
    (32, None): WAIT,
    (341, None): WAIT,
    (613, None): WAIT,
    (613, 1996): WAIT,
    (613, 2018338): WAIT,
    (613, 2534040): WAIT,
    (80000, None): WAIT,
    (80001, None): WAIT,
    (80002, None): WAIT,
    (80003, None): WAIT,
    (80004, None): WAIT,
    (80005, None): WAIT,
    (80006, None): WAIT,
    (80007, None): WAIT,
    (80008, None): WAIT,
    (80009, None): WAIT,
    (80014, None): WAIT,
    (130429, None): WAIT,
    (131048, None): WAIT,
    (10, 1893063): WAIT,
    (368, None): WAIT,
    (131056, None): (RetryLater, RetryLater),
    (190, None): STOP,
    (190, 458): STOP,
    (190, 459): STOP,
    (190, 460): STOP,
    (190, 463): STOP,
    (190, 464): STOP,
    (190, 467): STOP,
    (190, 492): STOP,
    (0, None): STOP,
    (102, None): STOP,
    (104, None): STOP,
    (-2, 2534084): STOP,
    (3, None): STOP,
    (10, None): STOP,
    (10, 2534077): STOP,
    (100, 2534013): STOP,
    (100, 2534029): STOP,
    (200, None): STOP,
    (200, 2018028): STOP,
    (200, 2534048): STOP,
    (200, 2534041): STOP,
    (36103, None): STOP,
    (131005, None): STOP,
    (131031, None): STOP,
    (131042, None): STOP,
    (133010, None): STOP,
    (100, 33): (GiveUp, ChannelStopped),
    (10, 2018278): CLOSED,
    (10, 2534022): CLOSED,
    (10, 2018065): CLOSED,
    (131047, None): CLOSED,
    (100, 2534037): TAKEN,
    (None, 2018300): TAKEN,
    (2018300, None): TAKEN,
    (None, 2018321): TAKEN,
    (2018321, None): TAKEN,
    (10, 2018108): SKIP,
    (100, 2018001): SKIP,
    (100, 2534014): SKIP,
    (100, 2534001): SKIP,
    (100, 2534015): SKIP,
    (100, 2018008): SKIP,
    (100, 2018047): SKIP,
    (100, 2018074): SKIP,
    (100, 2018109): SKIP,
    (100, 2018294): SKIP,
    (100, 2534080): SKIP,
    (None, 1545041): SKIP,
    (551, None): SKIP,
    (230, None): SKIP,
    (803, None): SKIP,
    (9000001, None): SKIP,
    (131021, None): SKIP,
    (131026, None): SKIP,
    (131030, None): SKIP,
    (131049, None): SKIP,
    (131050, None): SKIP,
    (131051, None): SKIP,
    (131052, None): SKIP,
    (131053, None): SKIP,
    (100, None): OUR_MISTAKE,
    (2500, None): OUR_MISTAKE,
    (131008, None): OUR_MISTAKE,
    (131009, None): OUR_MISTAKE,
    (132000, None): OUR_MISTAKE,
    (132001, None): OUR_MISTAKE,
    (132005, None): OUR_MISTAKE,
    (132007, None): OUR_MISTAKE,
    (132012, None): OUR_MISTAKE,
    (132015, None): OUR_MISTAKE,
}


def raised(
    purpose: Purpose, error: Mapping[str, object], regain_after: timedelta | None = None
) -> PlatformError:
    found = platform_error(
        {"message": "words of a customer", **error},
        platform="facebook",
        purpose=purpose,
        regain_after=regain_after,
    )
    assert "customer" not in str(found)
    return found


def test_every_row_is_expected() -> None:
    assert set(TABLE) == set(EXPECTED)


@pytest.mark.parametrize(("code", "subcode"), EXPECTED)
def test_row(code: int | None, subcode: int | None) -> None:
    read, send = EXPECTED[code, subcode]
    error: dict[str, object] = {"code": 100 if code is None else code, "error_subcode": subcode}
    for purpose, kind in ((Purpose.THREAD, read), (Purpose.SEND, send)):
        found = raised(purpose, error)
        assert type(found) is kind
        assert (found.platform, found.code) == ("facebook", error["code"])
        assert found.subcode == subcode
        if isinstance(found, ChannelStopped):
            assert found.remedy[0].isupper()
            assert found.remedy.endswith(".")


@pytest.mark.parametrize("code", [613, 190, 4, 551])
def test_a_subcode_nobody_knows_leaves_the_code_its_meaning(code: int) -> None:
    known, unknown = (
        raised(Purpose.SEND, {"code": code, "error_subcode": sub}) for sub in (None, 7)
    )
    assert type(known) is type(unknown)


def test_a_missing_object_is_the_account_itself_where_that_was_asked_for() -> None:
    for purpose in (Purpose.ACCOUNT, Purpose.TYPING, Purpose.SEND):
        assert isinstance(raised(purpose, {"code": 100, "error_subcode": 33}), ChannelStopped)
    assert isinstance(raised(Purpose.THREAD, {"code": 100, "error_subcode": 33}), GiveUp)


@pytest.mark.parametrize("key", ["message", "error_user_msg"])
def test_too_heavy_a_question_is_told_by_its_phrase(key: str) -> None:
    error = {"code": 1, key: "Please reduce the amount of data you're asking for, then retry"}
    assert isinstance(raised(Purpose.ACCOUNT, error), TooMuchData)
    assert isinstance(raised(Purpose.SEND, error), DeliveryUncertain)


def test_a_refused_proof_is_told_by_the_parameters_name() -> None:
    found = raised(Purpose.ACCOUNT, {"code": 100, "message": "Invalid appsecret_proof provided"})
    assert isinstance(found, ChannelStopped)
    assert "app secret" in found.remedy


@pytest.mark.parametrize("code", [201, 210, 299])
def test_all_of_the_two_hundreds_are_permissions(code: int) -> None:
    assert isinstance(raised(Purpose.ACCOUNT, {"code": code}), ChannelStopped)


@pytest.mark.parametrize(
    ("is_transient", "purpose", "kind"),
    [
        (True, Purpose.THREAD, RetryLater),
        (True, Purpose.SEND, DeliveryUncertain),
        (False, Purpose.THREAD, BadPayload),
        (False, Purpose.SEND, GiveUp),
        ("yes", Purpose.SEND, GiveUp),
    ],
)
def test_an_unknown_code_goes_by_is_transient(
    is_transient: object, purpose: Purpose, kind: type[PlatformError]
) -> None:
    assert type(raised(purpose, {"code": 424242, "is_transient": is_transient})) is kind


def test_codes_may_come_as_text() -> None:
    found = raised(Purpose.SEND, {"code": "10", "error_subcode": "2018278"})
    assert isinstance(found, WindowClosed)
    assert str(found) == "Messenger's 24-hour reply window is over (Graph error 10/2018278)"


@pytest.mark.parametrize(
    ("error", "regain_minutes", "wait"),
    [
        ({"code": 10, "error_subcode": 1893063}, None, timedelta(minutes=30)),
        ({"code": 368}, None, timedelta(hours=1)),
        ({"code": 131056}, None, timedelta(seconds=6)),
        ({"code": 80006}, 17, timedelta(minutes=17)),
        ({"code": 368}, 17, timedelta(hours=1)),
        ({"code": 613}, None, None),
    ],
)
def test_how_long_to_wait(
    error: dict[str, object], regain_minutes: int | None, wait: timedelta | None
) -> None:
    regain_after = None if regain_minutes is None else timedelta(minutes=regain_minutes)
    found = raised(Purpose.SEND, error, regain_after)
    assert isinstance(found, RetryLater)
    assert found.retry_after == wait
