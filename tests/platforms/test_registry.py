from importlib.metadata import EntryPoint

import pytest

from shoptalk.errors import UsageError
from shoptalk.platforms import registry
from shoptalk.platforms.chatwoot.adapter import Chatwoot
from shoptalk.platforms.meta.instagram import Instagram
from shoptalk.platforms.meta.messenger import Messenger
from shoptalk.platforms.meta.whatsapp import WhatsApp
from shoptalk.platforms.twilio.adapter import Twilio
from shoptalk.platforms.webchat.adapter import WebChat

from . import samples


def test_the_platforms_are_known_by_their_words() -> None:
    assert [(name, registry.adapter(name)) for name in registry.names()] == [
        ("chatwoot", Chatwoot),
        ("facebook", Messenger),
        ("instagram", Instagram),
        ("twilio", Twilio),
        ("webchat", WebChat),
        ("whatsapp", WhatsApp),
    ]


def test_an_adapter_is_made_from_an_account_and_its_surroundings() -> None:
    adapter = registry.adapter("facebook")
    platform = adapter(samples.account("550011"), samples.surroundings())
    assert isinstance(platform, Messenger)


def test_an_unknown_platform_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'myspace'.*facebook, .*whatsapp"):
        registry.adapter("myspace")


def test_one_that_cannot_be_imported_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("pigeon", "no_such_package:Pigeon", registry.GROUP)
    monkeypatch.setattr(registry, "_entry_points", lambda: {"pigeon": broken})
    assert registry.names() == ["pigeon"]
    with pytest.raises(UsageError, match="'pigeon' cannot be loaded"):
        registry.adapter("pigeon")
