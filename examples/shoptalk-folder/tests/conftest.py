import pytest

pytest.register_assert_rewrite("shoptalk.platforms.testing")
