"""What both contracts ask of an adapter."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta

from shoptalk.platforms.base import Platform, TextUnit
from shoptalk.platforms.sms_segments import UCS2_PART

NINE = datetime(2026, 10, 4, 9, 0, tzinfo=UTC)
WORDS = "words-of-a-customer-4711"
LIMIT = 25


class AdapterContract(ABC):
    """An adapter is what it says it is."""

    @property
    @abstractmethod
    def expected_name(self) -> str:
        """The platform's word."""

    @property
    @abstractmethod
    def hidden(self) -> Sequence[str]:
        """What no error text, traceback or repr may hold."""

    @abstractmethod
    def make(self) -> Platform:
        """A fresh adapter whose clock stands at `NINE`."""

    def test_it_is_a_platform_under_its_name(self) -> None:
        platform = self.make()
        assert isinstance(platform, Platform)
        assert platform.name == self.expected_name
        assert all(secret not in repr(platform) for secret in self.hidden)

    def test_capabilities_are_complete_and_known_without_an_account(self) -> None:
        capabilities = type(self.make()).capabilities
        assert capabilities.max_text > 0
        assert isinstance(capabilities.text_unit, TextUnit)
        assert capabilities.reply_window is None or capabilities.reply_window > timedelta(0)
        assert capabilities.readable_messages is None or capabilities.readable_messages > 0
        assert capabilities.calls_per_second is None or capabilities.calls_per_second > 0
        assert capabilities.polled or not capabilities.history


def longest_text(limit: int, unit: TextUnit) -> str:
    """A text of exactly the limit, of letters that are more than a byte wide."""
    letter, width = {
        TextUnit.CHARACTERS: ("ش", 1),
        TextUnit.UTF8_BYTES: ("ش", 2),
        TextUnit.UTF16_UNITS: ("😀", 2),
        TextUnit.SMS_SEGMENTS: ("ش" * UCS2_PART, 1),
    }[unit]
    return letter * (limit // width)


def leaves(value: object) -> Iterator[object]:
    """`value` and everything in it."""
    yield value
    if is_dataclass(value):
        for each in fields(value):
            yield from leaves(getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from (leaf for each in value.values() for leaf in leaves(each))
    elif isinstance(value, list | tuple):
        yield from (leaf for each in value for leaf in leaves(each))
