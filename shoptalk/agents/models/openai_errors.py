"""What a model's server answers in place of an answer, in our own words and with its own.

`classify` sorts a refusal by whose it is: the whole account's, where everybody would get it; one
question's; or nobody can tell from it alone, and whoever asked finds out (`responder/asking.py`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import openai

from shoptalk.errors import (
    ModelBusy,
    ModelError,
    ModelRefused,
    ModelStopped,
    ModelUnavailable,
)

LONGEST_SAID = 300  #: characters of what a server says

PAY = "Top up the account with the model's vendor; who waits is answered then."
CHECK_KEY = "Check OPENAI_API_KEY and what its account is allowed."
CHECK_MODEL = "Check OPENAI_MODEL, an agent's own model and OPENAI_BASE_URL."
CHECK_FORM = (
    "Check that OPENAI_MODEL is one that can call tools, and that OPENAI_BASE_URL and "
    "OPENAI_API_STYLE fit its server."
)

# Documented codes, which need no second question.
_OF_THE_ACCOUNT = {
    "insufficient_quota": PAY,
    "billing_not_active": PAY,
    "billing_hard_limit_reached": PAY,
    "invalid_api_key": CHECK_KEY,
    "account_deactivated": CHECK_KEY,
    "unsupported_country_region_territory": CHECK_KEY,
    "model_not_found": CHECK_MODEL,
}
_OF_THE_QUESTION = frozenset(
    {"context_length_exceeded", "content_filter", "content_policy_violation"}
)
_ACCOUNT_STATUSES = {401: CHECK_KEY, 402: PAY, 405: CHECK_MODEL, 410: CHECK_MODEL}
_REMEDIES = {403: CHECK_KEY, 404: CHECK_MODEL}
# A key, or anything that looks like one: 16 or more letters and digits in one run.
_SECRETS = re.compile(
    r"\b(?:sk-|Bearer\s+)\S+|\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_]{16,}", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server answered in place of an answer."""

    status: int  #: HTTP's, or the one that an `error` within a 200 names
    said: str = ""  #: the server's own words
    code: str | None = None
    retry_after: timedelta | None = None


def classify(refusal: Refusal) -> ModelError:
    """The error to raise: ModelStopped, ModelBusy, ModelRefused, or ModelUnavailable in doubt."""
    error = _sorted(refusal)
    if refusal.status < 500:  # a failing server's page is of no use to anybody
        error.server_said = refusal.said
    return error


def _sorted(refusal: Refusal) -> ModelError:
    status, code = refusal.status, refusal.code
    known = " ".join(filter(None, [f"HTTP {status}", code and f"code {code}"]))
    words = f"the model's server answers {known}"
    if code in _OF_THE_QUESTION:
        return ModelRefused(words)
    if code in _OF_THE_ACCOUNT:
        return ModelStopped(words, remedy=_OF_THE_ACCOUNT[code])
    if status in _ACCOUNT_STATUSES:
        return ModelStopped(words, remedy=_ACCOUNT_STATUSES[status])
    if status == 429:
        return ModelBusy(words, retry_after=refusal.retry_after)
    if 400 <= status < 500 and status not in {408, 409} and code != "conversation_locked":
        return ModelUnavailable(words, remedy=_REMEDIES.get(status, CHECK_FORM))
    return ModelUnavailable(words, retry_after=refusal.retry_after)


@contextmanager
def understood() -> Iterator[None]:
    """Turn the client's errors into ModelErrors."""
    try:
        yield
    except openai.APITimeoutError:
        raise ModelUnavailable("the model did not answer in time") from None
    except openai.APIConnectionError as exc:
        address = f"{exc.request.url.scheme}://{exc.request.url.netloc.decode()}"
        raise ModelUnavailable(
            f"the model's server cannot be reached at {address}", remedy="Check OPENAI_BASE_URL."
        ) from None
    except openai.APIStatusError as exc:
        raise classify(_refusal_of(exc)) from None
    except json.JSONDecodeError as exc:
        raise _no_json(exc.doc) from None
    except openai.OpenAIError:
        raise ModelRefused("the model's answer cannot be read") from None


def _no_json(text: str) -> ModelUnavailable:
    error = ModelUnavailable(
        "the model's server answers something else than JSON", remedy=CHECK_FORM
    )
    error.server_said = readable(text)
    return error


def unreadable(answer: Any) -> ModelError:
    """What an answer without a choice means: the server's own error, or nothing of use."""
    if isinstance(answer, str):
        return _no_json(answer)
    if isinstance(answer, Mapping):
        error = _error_in(answer)
        if error is not None:
            status = error[0] or 200
            return classify(Refusal(status=status, said=readable(error[2]), code=error[1]))
    return ModelRefused("the model's answer cannot be read")


def ended_as(status: Any, answer: Mapping[str, Any]) -> ModelError:
    """What a response means that is neither completed nor cut off."""
    if answer.get("error"):
        return unreadable(answer)
    return ModelRefused(f"the model's answer ended as {readable(status) or 'nothing known'}")


def readable(said: Any, *, secret: str = "") -> str:
    """A server's words on one line: bounded, without secrets, control characters and markup."""
    text = said if isinstance(said, str) else ""
    if secret:
        text = text.replace(secret, "…")
    text = _SECRETS.sub("…", text)
    if text.lstrip().startswith("<"):
        text = re.sub(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", text, flags=re.I | re.S)
    text = "".join(each if each.isprintable() else " " for each in text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}…"


def _refusal_of(error: openai.APIStatusError) -> Refusal:
    body = error.response.text
    try:
        found = _error_in(json.loads(body))
    except ValueError:
        found = None
    _, code, said = found or (None, None, body)
    secret = error.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return Refusal(
        status=error.status_code,
        said=readable(said, secret=secret),
        code=code,
        retry_after=_retry_after(error),
    )


def _error_in(body: Any) -> tuple[int | None, str | None, str] | None:
    """Status, code and words of an error in any of the forms that servers give it."""
    match body:
        case {"choices": [{"error": Mapping() | str() as error}, *_]}:
            pass
        case {"error": Mapping() | str() as error}:
            pass
        case {"detail": error} | {"message": error} | {"errors": error}:
            pass
        case [first, *_]:
            return _error_in(first)
        case _:
            return None
    if not isinstance(error, Mapping):
        return None, None, error if isinstance(error, str) else json.dumps(error)
    code = error.get("code")
    kind = error.get("type")
    known = code if isinstance(code, str) and not code.isdecimal() else None
    if known is None and kind in _OF_THE_ACCOUNT:
        known = str(kind)
    said = error.get("message")
    return _status_in(code), known, said if isinstance(said, str) else json.dumps(error)


def _status_in(code: Any) -> int | None:
    """The HTTP status that a server which always answers 200 puts into its error."""
    number = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 0
    return number if 400 <= number < 600 else None


def _retry_after(error: openai.APIStatusError) -> timedelta | None:
    try:
        seconds = float(error.response.headers["retry-after"])
        return timedelta(seconds=seconds) if seconds > 0 else None
    except (KeyError, ValueError, OverflowError):
        return None
