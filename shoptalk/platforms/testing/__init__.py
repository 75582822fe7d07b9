"""The contract of every adapter, as suites that its author runs against it.

`PlatformContract` is for vendors that speak HTTP, `LocalPlatformContract` for any other side: a
folder, a table, a queue. The adapter's tests begin by subclassing one of them. So that pytest
tells what failed in it, put before the import, in a `conftest.py` or `__init__.py`:

    pytest.register_assert_rewrite("shoptalk.platforms.testing")

The suites need what `shoptalk[testing]` installs. Nothing imports this package but tests.
"""

from shoptalk.platforms.testing.common import NINE, WORDS, AdapterContract
from shoptalk.platforms.testing.http import Call, PlatformContract, Response, Vendor
from shoptalk.platforms.testing.local import LocalPlatformContract

__all__ = [
    "NINE",
    "WORDS",
    "AdapterContract",
    "Call",
    "LocalPlatformContract",
    "PlatformContract",
    "Response",
    "Vendor",
]
