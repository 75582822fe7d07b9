"""Errors, sorted by what the caller should do next rather than by where they arose.

ShoptalkError
  UsageError           the person at the keyboard can fix it; exit code 2
    FolderGone         the embedded server's folder was taken away; nothing brings it back
    NoWayToModel       a proxy or certificate setting bars the model; importing can go on
  PlatformError        always carries `.platform`
    RetryLater         safe to repeat; `.retry_after` says when, if the platform did
      Throttled        the allowance is used up; repeating sooner prolongs the wait
      TimedOut         no answer came in time; a smaller question may get one
    TooMuchData        the same question will never be answered; ask for less
    ChannelStopped     nothing on this channel works until its owner acts; `.remedy` says how
    GiveUp             this one message, thread or person cannot be reached; the rest can
      WindowClosed     the platform's reply window for this customer is over
      OptedOut         this customer wants no more messages; until they say otherwise, none
      ThreadTaken      another app holds the thread; wait for the customer's next message
    DeliveryUncertain  it may have been sent; read the thread back before repeating
    BadPayload         a response or record makes no sense; set it aside and carry on
  ModelError           the model gave no usable answer
    ModelUnavailable   no answer came; `.retry_after` as above, `.remedy` where an owner can act
      ModelBusy        its server asks to wait
      ModelStopped     nobody is answered until the owner acts; `.remedy` says how
    ModelRefused       this question has no usable answer; after some tries a person must look
    PriceRefused       it insists on a price that is not the shop's; a person must look
"""

from datetime import timedelta


class ShoptalkError(Exception):
    """Something went wrong that shoptalk understands."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").partition("\n")[0]


class UsageError(ShoptalkError):
    """The command cannot be carried out as given."""


class FolderGone(UsageError):
    """The folder of the embedded server has been taken away."""


class NoWayToModel(UsageError):
    """A setting of the environment bars the way to the model."""


class PlatformError(ShoptalkError):
    """A platform did not do what was asked.

    `code` and `subcode` are the platform's own, for logs and for `why`.
    The text never holds customer words, tokens or URLs with a query.
    """

    def __init__(
        self,
        message: str = "",
        *,
        platform: str,
        code: int | None = None,
        subcode: int | None = None,
    ) -> None:
        super().__init__(message)
        self.platform = platform
        self.code = code
        self.subcode = subcode


class RetryLater(PlatformError):
    """The platform could not answer now; nothing was changed there."""

    def __init__(
        self,
        message: str = "",
        *,
        platform: str,
        code: int | None = None,
        subcode: int | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, platform=platform, code=code, subcode=subcode)
        self.retry_after = retry_after


class Throttled(RetryLater):
    """The platform's call allowance is used up."""


class TimedOut(RetryLater):
    """No answer came in time."""


class TooMuchData(PlatformError):
    """The platform wants a smaller question."""


class ChannelStopped(PlatformError):
    """The platform refuses this account until its owner acts."""

    def __init__(
        self,
        message: str = "",
        *,
        platform: str,
        code: int | None = None,
        subcode: int | None = None,
        remedy: str,
    ) -> None:
        super().__init__(message, platform=platform, code=code, subcode=subcode)
        self.remedy = remedy


class GiveUp(PlatformError):
    """This one cannot be delivered or read, now or later."""


class WindowClosed(GiveUp):
    """The platform's reply window for this customer is over."""


class OptedOut(GiveUp):
    """This customer has told the platform to let no more messages through."""


class ThreadTaken(GiveUp):
    """Another app holds this thread."""


class DeliveryUncertain(PlatformError):
    """The message left us and no clear answer came back."""


class BadPayload(PlatformError):
    """The platform's answer makes no sense."""


class ForeignLink(BadPayload):
    """The answer would have us go to another host. Nobody follows, and somebody should know."""


class ModelError(ShoptalkError):
    """The model gave no usable answer.

    `server_said` are the words of its server. They may quote the question, and so a customer: they
    are told and logged only where the question held nothing of a customer's.
    """

    server_said: str = ""


class ModelUnavailable(ModelError):
    """The model could not be reached, or its server gave no answer."""

    def __init__(
        self, message: str = "", *, retry_after: timedelta | None = None, remedy: str = ""
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.remedy = remedy


class ModelBusy(ModelUnavailable):
    """The model's server asks to wait."""


class ModelStopped(ModelUnavailable):
    """The model's server refuses the whole account, the model or the form of the request."""


class ModelRefused(ModelError):
    """The model declined, or its answer to this question is of no use."""


class PriceRefused(ModelError):
    """The model quotes prices that the shop cannot stand behind."""
