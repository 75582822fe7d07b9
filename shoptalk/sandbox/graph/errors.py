"""Graph's errors: the shape, the usual HTTP status of each code, and the ones raised often."""

from typing import Any

_STATUS = {-2: 500, 1: 500, 2: 500, 3: 400, 10: 403, 200: 403, 131005: 403}


class GraphError(Exception):
    """A request that Graph refuses or fails; `body` is what it answers."""

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        subcode: int | None = None,
        status: int | None = None,
        kind: str = "OAuthException",
        is_transient: bool | None = None,
        title: str | None = None,
        user_message: str | None = None,
        details: str | None = None,
    ) -> None:
        super().__init__(message or _usual_message(code))
        self.code = code
        self.subcode = subcode
        self.status = status or _STATUS.get(code, 400)
        self.kind = kind
        self.is_transient = is_transient
        self.title = title
        self.user_message = user_message
        self.details = details

    @property
    def label(self) -> str:
        return str(self.code) if self.subcode is None else f"{self.code}/{self.subcode}"

    def body(self, trace_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": str(self), "type": self.kind, "code": self.code}
        optional = {
            "error_subcode": self.subcode,
            "is_transient": self.is_transient,
            "error_user_title": self.title,
            "error_user_msg": self.user_message,
        }
        error.update({name: value for name, value in optional.items() if value is not None})
        if self.details is not None:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        error["fbtrace_id"] = trace_id
        return {"error": error}


def _usual_message(code: int) -> str:
    known = {
        1: "An unknown error occurred",
        2: "Service temporarily unavailable",
        4: "(#4) Application request limit reached",
        368: "The action attempted has been deemed abusive or is otherwise disallowed",
        551: "(#551) This person isn't available right now.",
        613: "(#613) Calls to this api have exceeded the rate limit.",
    }
    return known.get(code, f"(#{code}) The request failed.")


def bad_parameter(message: str, subcode: int | None = None) -> GraphError:
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def no_such_object(node_id: str, method: str = "get") -> GraphError:
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{node_id}' does not exist, cannot "
        "be loaded due to missing permissions, or does not support this operation",
        subcode=33,
        kind="GraphMethodException",
    )


def no_such_field(name: str, node_type: str) -> GraphError:
    return bad_parameter(f"Tried accessing nonexisting field ({name}) on node type ({node_type})")


def message_gone() -> GraphError:
    return GraphError(
        9000001, "(#9000001) The message has been deleted or is no longer available to be read."
    )


def too_much_data() -> GraphError:
    return GraphError(
        1, "Please reduce the amount of data you're asking for, then retry your request"
    )


def bad_token(message: str, subcode: int | None = None) -> GraphError:
    return GraphError(190, message, subcode=subcode)
