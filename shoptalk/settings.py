"""Everything from the environment, checked at start. Nothing else reads the environment."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shoptalk import environment, values
from shoptalk.errors import UsageError

GRAPH_VERSION = "v25.0"
OPENAI_URL = "https://api.openai.com/v1"
_TRIMMED = ("DATABASE_URL", "SHOPTALK_SECRET_KEY", "OPENAI_BASE_URL")


class Settings(BaseSettings):
    """Read once at start-up; the names of the fields are the names of the variables."""

    model_config = SettingsConfigDict(
        env_file=environment.DOTENV,
        env_file_encoding=environment.ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    database_url: SecretStr | None = None  # None: the embedded server
    shoptalk_home: Path = Field(default_factory=lambda: platformdirs.user_data_path("shoptalk"))
    shoptalk_secret_key: SecretStr | None = None  # None: made and kept in shoptalk_home
    workspace: str = Field("default", min_length=1, description="which shop the commands are about")
    shop_timezone: ZoneInfo | None = None  # times are shown in it; None: the system's

    facebook_api_base_url: str = f"https://graph.facebook.com/{GRAPH_VERSION}"
    instagram_api_base_url: str = f"https://graph.instagram.com/{GRAPH_VERSION}"
    whatsapp_api_base_url: str = f"https://graph.facebook.com/{GRAPH_VERSION}"
    twilio_api_base_url: str = "https://api.twilio.com"
    chatwoot_base_url: str = "https://app.chatwoot.com"
    chatwoot_typing_indicator_enabled: bool = True

    openai_api_key: SecretStr | None = None
    openai_base_url: str = OPENAI_URL
    openai_model: str = "gpt-6-luna"
    openai_timeout: float = Field(30, gt=0, description="seconds for one request to the model")
    openai_max_retries: int = Field(2, ge=0, le=10)
    openai_max_output_tokens: int = Field(
        8192, ge=256, description="longest answer of the model, its reasoning included"
    )
    openai_api_style: Literal["auto", "responses", "chat"] = "auto"

    poll_interval_seconds: float = Field(10, ge=0.1, description="from one tick to the next")
    poll_interval_max_seconds: float = Field(
        120, ge=0.1, description="slowest a quiet channel gets"
    )
    poll_overlap_seconds: float = Field(120, ge=0, description="how far each poll looks back")
    graph_calls_per_second: float = Field(2, ge=0, description="reads per page; 0: no limit")
    message_buffer_duration_ms: int = Field(30_000, ge=0, description="quiet time that ends a turn")
    buffer_processing_interval_ms: int = Field(10_000, ge=100)
    max_buffer_size: int = Field(50, ge=1, description="messages that end a turn at once")
    max_buffer_age_ms: int = Field(300_000, ge=0, description="longest a turn may gather")
    ai_processing_timeout_ms: int = Field(30_000, ge=1_000, description="longest a turn may think")
    takeover_pause_seconds: int = Field(43_200, ge=0, description="the AI's pause after a person")
    backlog_after_seconds: int = Field(21_600, ge=60, description="older ones wait for the owner")
    max_replies_per_hour: int = Field(20, ge=1, description="of the AI, in one conversation")
    response_quality_threshold: float = Field(0.7, ge=0, le=1)
    worker_concurrency: int = Field(10, ge=1, le=200)
    extraction_interval: int = Field(300_000, ge=1_000, description="milliseconds")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("shop_timezone", mode="before")
    @classmethod
    def _is_known_zone(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return ZoneInfo(value.strip())
        except (KeyError, ValueError, OSError):  # a folder of the zone database is an OSError
            raise ValueError("is no time zone: write an IANA name such as Europe/Berlin") from None

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator(
        "facebook_api_base_url",
        "instagram_api_base_url",
        "whatsapp_api_base_url",
        "twilio_api_base_url",
        "chatwoot_base_url",
        "openai_base_url",
    )
    @classmethod
    def _is_http_address(cls, value: str) -> str:
        return values.web_address(value)

    @field_validator("openai_api_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        return value and (SecretStr(values.secret(value.get_secret_value())) or None)

    @field_validator("shoptalk_secret_key")
    @classmethod
    def _is_passphrase(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(values.passphrase(value.get_secret_value()))

    @field_validator("database_url")
    @classmethod
    def _is_database_address(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(values.database_address(value.get_secret_value()))

    @property
    def model_style(self) -> Literal["responses", "chat"]:
        """OpenAI's own address gets Responses, any compatible server Chat Completions."""
        if self.openai_api_style != "auto":
            return self.openai_api_style
        return "responses" if self.openai_base_url == OPENAI_URL else "chat"

    @property
    def poll_overlap(self) -> timedelta:
        return timedelta(seconds=self.poll_overlap_seconds)

    @property
    def for_platforms(self) -> dict[str, str]:
        """What adapters are told: the base URLs, and what their settings switch on or off."""
        typing = str(self.chatwoot_typing_indicator_enabled).lower()
        return {**self.base_urls, "chatwoot_typing_indicator_enabled": typing}

    @property
    def base_urls(self) -> dict[str, str]:
        """The platforms' addresses by setting name, for the adapters."""
        return {
            name: value
            for name, value in self
            if name.endswith("_base_url") and not name.startswith("openai")
        }


@functools.cache
def load() -> Settings:
    """Read the environment; raise UsageError that names each wrong variable and where it is."""
    environment.leave_lines_to_us()
    try:
        return Settings()
    except ValidationError as exc:
        problems = "; ".join(
            _problem(error) for error in exc.errors(include_input=False, include_url=False)
        )
        raise UsageError(f"Wrong settings: {problems}.") from None
    except UnicodeDecodeError:
        raise UsageError("The file .env is not UTF-8 text: save it as UTF-8.") from None
    except OSError as exc:
        raise UsageError(f"The file .env cannot be read: {exc.strerror}.") from None


def doubts() -> list[str]:
    """A sentence for each name or line that may be meant as a setting and is none."""
    return environment.doubts([name.upper() for name in Settings.model_fields])


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A setting at whose ends nobody saw something."""

    name: str
    where: str
    left_out: Sequence[str]  #: the characters' names


def trimmed() -> Iterator[Trimmed]:
    """The settings of which something was left out, and always the key to the model."""
    for name in (*_TRIMMED, "OPENAI_API_KEY"):
        given = environment.given(name)
        if given is None:
            continue
        left_out = values.left_out(given.value)
        if left_out or name == "OPENAI_API_KEY":
            yield Trimmed(name, given.where, left_out)


def _problem(error: ErrorDetails) -> str:
    name = str(error["loc"][0]).upper()
    given = environment.given(name)
    return f"{name} {_in_our_words(error)}{f' ({given.where})' if given else ''}"


_OUR_WORDS = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "string_too_short": "must not be empty",
    "value_error": "{error}",
}


def _in_our_words(error: ErrorDetails) -> str:
    """What a value must be; pydantic's words are for programmers."""
    words = _OUR_WORDS.get(error["type"], "cannot be understood")
    return words.format(**error.get("ctx", {}))
