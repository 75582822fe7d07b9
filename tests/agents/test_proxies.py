"""The way to the model by the environment's proxies: it works, or the variable is named."""

import pytest

from shoptalk.agents.models.openai_client import make_client
from shoptalk.errors import NoWayToModel
from shoptalk.settings import Settings

OURS = Settings(openai_base_url="http://model.example/v1")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks5h://127.0.0.1:9", "127.0.0.1:9"])
def test_a_usual_proxy_is_taken(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    make_client(OURS, "key").close()


@pytest.mark.parametrize("proxy", ["socks4://127.0.0.1:9", "ftp://proxy", "http://proxy:port"])
@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy", "HTTPS_PROXY"])
def test_a_proxy_that_cannot_be_used_is_named_unless_our_host_needs_none(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(NoWayToModel, match=rf"^{name} must hold an address"):
        make_client(OURS, "key")
    monkeypatch.setenv("NO_PROXY", "localhost,model.example")
    make_client(OURS, "key").close()


def test_a_missing_file_of_certificates_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
    with pytest.raises(NoWayToModel, match="SSL_CERT_FILE names cannot be read"):
        make_client(OURS, "key")
