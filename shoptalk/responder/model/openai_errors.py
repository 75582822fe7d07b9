"""What the `openai` client raises, in our own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from json import JSONDecodeError

import openai

from shoptalk.errors import ModelRefused, ModelUnavailable

UNPAID = "insufficient_quota"  #: a 429 that waiting does not cure
NEEDS_A_PERSON = timedelta(minutes=5)  #: wrong key, no credit: somebody must act first


@contextmanager
def understood() -> Iterator[None]:
    """Turn the client's errors into ModelUnavailable and ModelRefused."""
    try:
        yield
    except openai.APITimeoutError:
        raise ModelUnavailable("the model did not answer in time") from None
    except openai.APIConnectionError:
        raise ModelUnavailable("the model's server cannot be reached") from None
    except (openai.AuthenticationError, openai.PermissionDeniedError) as exc:
        raise ModelUnavailable(
            f"the model's server refuses OPENAI_API_KEY (HTTP {exc.status_code})",
            retry_after=NEEDS_A_PERSON,
        ) from None
    except openai.RateLimitError as exc:
        if exc.code == UNPAID:
            raise ModelUnavailable(
                "the account with the model's vendor has no credit left",
                retry_after=NEEDS_A_PERSON,
            ) from None
        raise ModelUnavailable(
            "the model's server asks to wait", retry_after=_retry_after(exc)
        ) from None
    except openai.APIStatusError as exc:
        if exc.status_code >= 500 or exc.status_code in {408, 409}:
            raise ModelUnavailable(
                f"the model's server failed (HTTP {exc.status_code})", retry_after=_retry_after(exc)
            ) from None
        if exc.code == "conversation_locked":
            raise ModelUnavailable("the model's conversation is in use") from None
        raise ModelRefused(
            f"the model's server refuses the request (HTTP {exc.status_code}, "
            f"code {exc.code}, parameter {exc.param})"
        ) from None
    except (openai.OpenAIError, JSONDecodeError):
        raise ModelUnavailable("the model's answer cannot be read") from None


def _retry_after(error: openai.APIStatusError) -> timedelta | None:
    try:
        return timedelta(seconds=float(error.response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None
