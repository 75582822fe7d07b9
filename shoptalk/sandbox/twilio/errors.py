"""Twilio's errors: the shape, and the usual words and HTTP status of each code."""

from typing import Any

_USUAL: dict[int, tuple[int, str]] = {
    20001: (400, "A parameter is not valid"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal server error"),
    21211: (400, "Invalid 'To' Phone Number"),
    21602: (400, "Message body is required"),
    21606: (400, "The 'From' phone number is not a valid, SMS-capable number of your account"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "This 'From' number has exceeded the maximum number of queued messages"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    63007: (400, "Twilio could not find a Channel with the specified From address"),
}


class TwilioError(Exception):
    """A request that Twilio refuses; `body` is what it answers."""

    def __init__(self, code: int, message: str | None = None, *, status: int | None = None) -> None:
        usual_status, usual_words = _USUAL.get(code, (400, "The request failed"))
        super().__init__(message or usual_words)
        self.code = code
        self.status = status or usual_status

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
