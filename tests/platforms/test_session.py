"""The session adapters are handed: the environment's word on proxies counts, and is asked once."""

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter

from shoptalk.platforms.session import HostSession

GRAPH, LOCAL = "https://graph.facebook.com/v25.0/me", "http://127.0.0.1:8765/v25.0/me"
ENVIRONMENTS = [
    {},
    {"HTTPS_PROXY": "http://proxy.example:3128"},
    {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "127.0.0.1,.facebook.com"},
    {"ALL_PROXY": "http://proxy.example:3128", "REQUESTS_CA_BUNDLE": "/etc/ssl/own.pem"},
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("url", [GRAPH, LOCAL])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_proxies_and_certificates_are_those_that_requests_would_take(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for words in ({}, {"https": "http://other.example:1"}):
        with requests.Session() as plain, HostSession() as ours:
            expected = plain.merge_environment_settings(url, dict(words), False, None, None)
            for _ in range(2):
                found = ours.merge_environment_settings(url, dict(words), False, None, None)
                assert dict(found["proxies"]) == dict(expected["proxies"])
                assert {**found, "proxies": 0} == {**expected, "proxies": 0}


def test_each_host_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with HostSession() as session:
        words = (None, False, None, None)
        first = session.merge_environment_settings(GRAPH, *words)
        monkeypatch.delenv("HTTPS_PROXY")
        assert session.merge_environment_settings(GRAPH, *words) == first
        assert not session.merge_environment_settings(LOCAL, *words)["proxies"]


@responses.activate
def test_sessions_that_share_connections_share_no_cookie() -> None:
    responses.get(LOCAL, json={}, headers={"Set-Cookie": "who=first"})
    connections = HTTPAdapter()
    with HostSession(connections) as first, HostSession(connections) as second:
        assert first.get_adapter(LOCAL) is second.get_adapter(GRAPH)
        first.get(LOCAL, timeout=60)
        assert first.cookies
        second.get(LOCAL, timeout=60)
    sent = [call.request.headers.get("Cookie") for call in responses.calls]
    assert sent == [None, None]
