"""The HTTP session that adapters are handed."""

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter


class HostSession(requests.Session):
    """Asks the environment for a host's proxy and certificates once.

    requests does so twice a call, which costs more than all else that a call does here.

    Args:
        connections: shared with other sessions, which share nothing else: no cookie, no token.
    """

    def __init__(self, connections: HTTPAdapter | None = None) -> None:
        super().__init__()
        if connections is not None:
            self.mount("https://", connections)
            self.mount("http://", connections)
        self.trust_env = False
        self._of_host: dict[tuple[str, str], Any] = {}

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        host = urlsplit(url)[:2]
        known = self._of_host.get(host)
        if known is None:
            with requests.Session() as model_circuit:
                known = model_circuit.merge_environment_settings(url, {}, None, None, None)
            self._of_host[host] = known
        return super().merge_environment_settings(
            url,
            {**known["proxies"], **(proxies or {})},
            stream,
            known["verify"] if verify is None else verify,
            cert,
        )
