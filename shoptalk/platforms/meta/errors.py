"""What Meta's error codes mean for us: one table, read by the Graph API client.

Code and subcode decide. The HTTP status is a poor signal (dead tokens and throttles both come
as 400), and the message is localised, may quote tokens and customers, and is never repeated.

Sources:
https://developers.facebook.com/docs/graph-api/guides/error-handling
https://developers.facebook.com/docs/messenger-platform/error-codes
https://developers.facebook.com/docs/graph-api/overview/rate-limiting
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

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


class Purpose(StrEnum):
    """What a call was for; the same code can mean different things."""

    ACCOUNT = "account"  #: reading the account itself or its list of threads
    THREAD = "thread"  #: reading one thread
    TYPING = "typing"  #: harmless to repeat
    SEND = "send"  #: repeating it may say the same thing twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    meaning: str  #: plain words; becomes the error's text
    read: type[PlatformError]
    send: type[PlatformError]
    account: type[PlatformError] | None = None  #: for ACCOUNT and TYPING; None: as `read`
    remedy: str = ""  #: what the channel's owner has to do, for ChannelStopped
    retry_after: timedelta | None = None

    def kind(self, purpose: Purpose) -> type[PlatformError]:
        if purpose is Purpose.SEND:
            return self.send
        return self.read if purpose is Purpose.THREAD else self.account or self.read


def _stop(meaning: str, remedy: str) -> Row:
    return Row(meaning=meaning, read=ChannelStopped, send=ChannelStopped, remedy=remedy)


def _wait(meaning: str, retry_after: timedelta | None = None) -> Row:
    return Row(meaning=meaning, read=Throttled, send=Throttled, retry_after=retry_after)


def _skip(
    meaning: str, kind: type[GiveUp] = GiveUp, *, read: type[PlatformError] | None = None
) -> Row:
    return Row(meaning=meaning, read=read or kind, send=kind)


def _tells_nothing(meaning: str) -> Row:
    """The server stumbled: a read is repeated, a send may or may not have happened."""
    return Row(meaning=meaning, read=RetryLater, send=DeliveryUncertain)


RECONNECT = "Make a new access token and connect the channel again."
ADVANCED_ACCESS = (
    "Ask Meta for Advanced Access to the messaging permission (App Review and Business "
    "Verification); until then only people with a role on the app can be reached."
)
GRANT = (
    "Grant the app its messaging permissions, check that the account id is the right one, "
    "and connect the channel again."
)
CHECK_PROOF = (
    "Connect the channel again with the app secret of the app that made the token, and check "
    "that this computer's clock is right."
)

#: (code, subcode) to its meaning. (code, None) covers every subcode without a row of its own;
#: (None, subcode) holds under whichever code it comes.
TABLE: Mapping[tuple[int | None, int | None], Row] = {
    # Of no consequence for a read, of no certainty for a send
    (1, None): _tells_nothing("Meta reports an unknown temporary error"),
    (1, 99): _tells_nothing("Meta reports an unknown error, often a missing permission"),
    (None, 1357046): _tells_nothing("Meta reports an error although a send may have succeeded"),
    (2, None): _tells_nothing("Meta's service is temporarily unavailable"),
    (131000, None): _tells_nothing("WhatsApp reports an unknown error"),
    (131016, None): _tells_nothing("WhatsApp is temporarily unavailable"),
    (133004, None): _tells_nothing("WhatsApp's server is temporarily unavailable"),
    # Throttling. Meta's own waiting time, where it tells one, goes before
    (4, None): _wait("the app's call allowance is used up"),
    (17, None): _wait("the user's call allowance is used up"),
    (32, None): _wait("the Page's call allowance is used up"),
    (341, None): _wait("the app's temporary limit is reached"),
    (613, None): _wait("a call limit of this API is reached"),
    (613, 1996): _wait("Meta sees an inconsistent volume of requests"),
    (613, 2018338): _wait("Meta sees abusive tagging"),
    (613, 2534040): _wait("the messaging API's call limit is reached"),
    **dict.fromkeys(
        [(code, None) for code in (80000, 80003, 80004, 80005, 80009, 80014)],
        _wait("the business's call allowance is used up"),
    ),
    (80001, None): _wait("the Page's call allowance is used up"),
    (80002, None): _wait("the Instagram account's call allowance is used up"),
    (80006, None): _wait("the Page's Messenger allowance is used up"),
    (80007, None): _wait("the WhatsApp account's call allowance is used up"),
    (80008, None): _wait("the WhatsApp account's management allowance is used up"),
    (130429, None): _wait("the WhatsApp number's throughput is used up"),
    (131048, None): _wait("WhatsApp limits this number for spam reports", timedelta(hours=1)),
    (10, 1893063): _wait(
        "Meta restricts this account from sending for a while", timedelta(minutes=30)
    ),
    (368, None): _wait("Meta blocks this account for a while over its policy", timedelta(hours=1)),
    # One message per six seconds to one person; other people are not affected, so no Throttled
    (131056, None): Row(
        meaning="too many WhatsApp messages to one person in a short time",
        read=RetryLater,
        send=RetryLater,
        retry_after=timedelta(seconds=6),
    ),
    # The token
    (190, None): _stop("the access token is not valid", RECONNECT),
    (190, 458): _stop(
        "the owner has removed the app",
        "Let the account's owner add the app again, then connect the channel with a new token.",
    ),
    (190, 459): _stop(
        "Meta holds the token's owner at a security check",
        "Let the token's owner log in at facebook.com, pass the check, then connect again.",
    ),
    (190, 460): _stop(
        "the password was changed, which ended the access token",
        "Make a new access token with the new password and connect the channel again.",
    ),
    (190, 463): _stop(
        "the access token has expired",
        "Make a new, long-lived access token and connect the channel again.",
    ),
    (190, 464): _stop(
        "the token's owner has not confirmed their account",
        "Let the token's owner log in at facebook.com and confirm the account, then connect again.",
    ),
    (190, 467): _stop("the access token was invalidated, as by logging out", RECONNECT),
    (190, 492): _stop(
        "the token's owner has lost their role on the Page",
        "Give them a role with the Messages task on the Page again, or connect the channel with "
        "the token of someone who has one.",
    ),
    (0, None): _stop("Meta could not authenticate the app", RECONNECT),
    (102, None): _stop("the login session is no longer valid", RECONNECT),
    (104, None): _stop("the signature of the call is wrong", CHECK_PROOF),
    # Permissions and set-up
    (-2, 2534084): _stop(
        "Instagram's list timed out; too many of its people have no role on the app",
        ADVANCED_ACCESS,
    ),
    (3, None): _stop("the app lacks the capability, or the account id is of another kind", GRANT),
    (10, None): _stop("the app has no permission for this", GRANT),
    (10, 2534077): _stop(
        "the link between the Page and the Instagram account is broken",
        "Link the Instagram account to the Page again and switch on two-factor login where the "
        "Page asks for it.",
    ),
    (100, 2534013): _stop(
        "no Instagram account is linked to the Page",
        "Link an Instagram professional account to the Page, then connect the channel again.",
    ),
    (100, 2534029): _stop(
        "Meta has shut this business out of Instagram messaging",
        "Look in Meta's Account Quality page for the reason and appeal there.",
    ),
    (200, None): _stop("the app has no permission for this account or person", GRANT),
    (200, 2018028): _stop("the app may not reach this person", ADVANCED_ACCESS),
    (200, 2534048): _stop("the app may not reach this person", ADVANCED_ACCESS),
    (200, 2534041): _stop(
        "access to messages is switched off in Instagram",
        "In the Instagram app, under Settings, Messages, Connected tools, switch on "
        '"Allow access to messages".',
    ),
    (36103, None): _stop(
        "the Instagram account is not eligible",
        "Make it a professional account of a business that Meta has verified.",
    ),
    (131005, None): _stop("the token has no permission for this WhatsApp number", GRANT),
    (131031, None): _stop(
        "the WhatsApp account is locked",
        "Look in Meta's Business Support for the reason and have the account unlocked.",
    ),
    (131042, None): _stop(
        "the WhatsApp account has a billing problem",
        "Settle the payment method in Meta's Business Manager.",
    ),
    (133010, None): _stop(
        "the phone number is not registered with WhatsApp's Cloud API",
        "Register the number in Meta's WhatsApp Manager, then connect the channel again.",
    ),
    (100, 33): Row(
        meaning="the object does not exist or the token may not see it",
        read=GiveUp,
        account=ChannelStopped,
        send=ChannelStopped,  # the object in the path of a send is the account itself
        remedy="Check the account id, and that the access token belongs to that account.",
    ),
    # The reply window, and threads held by others
    (10, 2018278): _skip("Messenger's 24-hour reply window is over", WindowClosed),
    (10, 2534022): _skip("Instagram's 24-hour reply window is over", WindowClosed),
    (10, 2018065): _skip("Messenger's reply window is over", WindowClosed),
    (131047, None): _skip("WhatsApp's 24-hour reply window is over", WindowClosed),
    (100, 2534037): _skip("another app owns this thread", ThreadTaken),
    **dict.fromkeys(
        [(None, 2018300), (2018300, None)], _skip("another app controls this thread", ThreadTaken)
    ),
    **dict.fromkeys(
        [(None, 2018321), (2018321, None)],
        _skip("an automated flow is running in this thread", ThreadTaken),
    ),
    # One person, thread or message
    (10, 2018108): _skip("this person cannot receive messages now"),
    (100, 2018001): _skip("there is no such Messenger user"),
    (100, 2534014): _skip("there is no such Instagram user"),
    (100, 2534001): _skip("the thread is archived, deleted or does not exist"),
    **dict.fromkeys(
        [
            (100, subcode)
            for subcode in (2534015, 2018008, 2018047, 2018074, 2018109, 2018294, 2534080)
        ],
        _skip("Meta does not accept the content of the message"),
    ),
    (None, 1545041): _skip("this person is not available"),
    (551, None): _skip("this person is not available, has blocked the Page or is deactivated"),
    (230, None): _skip("this person has not given their consent"),
    (803, None): _skip("there is no object with this id"),
    (9000001, None): _skip("the message was deleted or is too old to be shown"),
    (131021, None): _skip("the recipient is the sending number itself"),
    (131026, None): _skip("WhatsApp cannot deliver to this person"),
    (131030, None): _skip("the recipient is not on the test number's list in the app's settings"),
    (131049, None): _skip("WhatsApp withholds the message to keep this person engaged"),
    (131050, None): _skip("this person has opted out of such messages"),
    (131051, None): _skip("WhatsApp does not support this type of message"),
    (131052, None): _skip("WhatsApp could not fetch the media"),
    (131053, None): _skip("WhatsApp could not take the media"),
    # Our own mistakes: repeating them helps nobody
    (100, None): _skip("Meta rejects a parameter of the call", read=BadPayload),
    (2500, None): _skip("Meta cannot read the query", read=BadPayload),
    (131008, None): _skip("a parameter is missing for WhatsApp", read=BadPayload),
    (131009, None): _skip("a parameter has the wrong value for WhatsApp", read=BadPayload),
    **dict.fromkeys(
        [(code, None) for code in (132000, 132001, 132005, 132007, 132012, 132015)],
        _skip("WhatsApp does not accept the template", read=BadPayload),
    ),
}

TOO_MUCH_DATA = Row(
    meaning="Meta wants a smaller question", read=TooMuchData, send=DeliveryUncertain
)
WRONG_PROOF = _stop("Meta does not accept the app secret's proof", CHECK_PROOF)
NO_PERMISSION = _stop("the app has no permission for this", GRANT)

_UNKNOWN_PASSING = _tells_nothing("Meta reports an unknown error that should pass")
_UNKNOWN_LASTING = _skip("Meta reports an error without a known meaning", read=BadPayload)


def find_row(error: Mapping[str, Any]) -> Row:
    """The meaning of the `error` object of an answer. Every error has one."""
    code, subcode = whole_number(error.get("code")), whole_number(error.get("error_subcode"))
    # The one kind of message text that counts: parameter names and this phrase are not
    # localised, and their codes say something else on their own.
    texts = [str(error.get(key) or "") for key in ("message", "error_user_msg")]
    if code == 1 and any("reduce the amount of data" in text for text in texts):
        return TOO_MUCH_DATA
    if code == 100 and any("appsecret_proof" in text for text in texts):
        return WRONG_PROOF
    for key in ((code, subcode), (None, subcode), (code, None)):
        if key != (None, None) and key in TABLE:
            return TABLE[key]
    if code is not None and 200 <= code <= 299:
        return NO_PERMISSION
    return _UNKNOWN_PASSING if error.get("is_transient") is True else _UNKNOWN_LASTING


def platform_error(
    error: Mapping[str, Any],
    *,
    platform: str,
    purpose: Purpose,
    regain_after: timedelta | None = None,
) -> PlatformError:
    """Turn the `error` object of an answer into what to raise.

    Args:
        regain_after: how long Meta says the block lasts, from the usage headers.
    """
    row = find_row(error)
    code, subcode = whole_number(error.get("code")), whole_number(error.get("error_subcode"))
    number = f"{code}" if subcode is None else f"{code}/{subcode}"
    text, kind = f"{row.meaning} (Graph error {number})", row.kind(purpose)
    if issubclass(kind, ChannelStopped):
        return kind(text, platform=platform, code=code, subcode=subcode, remedy=row.remedy)
    if issubclass(kind, RetryLater):
        wait = max(filter(None, (row.retry_after, regain_after)), default=None)
        return kind(text, platform=platform, code=code, subcode=subcode, retry_after=wait)
    return kind(text, platform=platform, code=code, subcode=subcode)


def whole_number(value: object) -> int | None:
    """`value` as an int where it is one, also when it comes as text; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 19:
        return int(value)
    return None
