"""The vendor's way of saying no."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web


class ApiError(Exception):
    """A refusal in the vendor's shape; the handler turns it into an answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type_: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error: dict[str, Any] = {
            "message": message,
            "type": type_,
            "param": param,
            "code": code,
        }

    def response(self) -> web.Response:
        return web.json_response({"error": self.error}, status=self.status, headers=self.headers)


def missing(param: str) -> ApiError:
    return ApiError(
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def invalid_type(param: str, expected: str) -> ApiError:
    return ApiError(
        f"Invalid type for '{param}': expected {expected}.", param=param, code="invalid_type"
    )


def invalid_value(param: str, message: str) -> ApiError:
    return ApiError(f"Invalid value for '{param}': {message}", param=param, code="invalid_value")
