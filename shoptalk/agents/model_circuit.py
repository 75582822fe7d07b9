"""ModelCircuit the model, and finding out whose it is when it fails.

A failure belongs to one question where others are answered, and to everybody where they are not.
When nobody else was answered since the question was put, the same model is asked a fixed question
with the same tools: the answer to that decides. What belongs to everybody opens the model's
circuit, and turns wait; what belongs to one question counts for its turn.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shoptalk.agents.models.base import Line, Model, Prompt, Role, Tool
from shoptalk.db import circuits
from shoptalk.db.engine import Database
from shoptalk.db.models import Circuit
from shoptalk.errors import (
    ModelBusy,
    ModelError,
    ModelRefused,
    ModelStopped,
    ModelUnavailable,
    PriceRefused,
)
from shoptalk.types import Clock

LONGEST_PROBE = timedelta(seconds=10)
STOPPED_PAUSE = timedelta(seconds=30)  #: somebody must act first
FAILED_PAUSE = timedelta(seconds=15)


@dataclass(slots=True)
class _News:
    """What this process heard of one model last, counted rather than timed."""

    successes: int = 0
    probes: int = 0
    last_probe: ModelUnavailable | None = None
    busy: set[int] = field(default_factory=set)  # conversations told to wait since a success
    lock: threading.Lock = field(default_factory=threading.Lock)


class ModelCircuit:
    """The model, asked for many conversations side by side."""

    def __init__(self, database: Database, model: Model, clock: Clock) -> None:
        self._database = database
        self._model = model
        self._clock = clock
        self._news: dict[str, _News] = {}

    def ask(
        self,
        prompt: Prompt,
        compose: Callable[[], str],
        *,
        conversation_id: int,
        circuit: Circuit | None,
    ) -> str:
        """Have a reply composed, unless the model has failed everybody lately.

        Raises:
            ModelUnavailable: it fails everybody; the turn waits as long as it says.
            ModelRefused, PriceRefused: this question has no usable answer.
        """
        pause = circuits.pause_left(circuit, now=self._clock())
        if circuit is not None and pause:
            raise ModelUnavailable(str(circuit.last_error), retry_after=pause)
        news = self._news.setdefault(prompt.model, _News())
        successes, probes = news.successes, news.probes
        try:
            reply = compose()
        except (ModelRefused, PriceRefused):
            self._note_success(news, prompt.model, circuit)
            raise
        except ModelBusy as exc:
            raise self._told_to_wait(exc, news, prompt.model, conversation_id) from exc
        except ModelUnavailable as exc:
            probed = None
            if news.successes == successes or isinstance(exc, ModelStopped):
                probed = self._probe(news, prompt, since=probes)
            if probed is not None:
                raise self._opened(probed, prompt.model) from exc
            raise ModelRefused(str(exc)) from exc
        self._note_success(news, prompt.model, circuit)
        return reply

    def ask_anyway(self, models: Collection[str], tools: Sequence[Tool]) -> None:
        """Ask models that are left alone a fixed question; who answers is asked again by all."""
        for name in models:
            if refused(self._model, name, tools) is None:
                with self._database.transaction() as session:
                    circuits.note_model_success(session, name, now=self._clock())

    def _probe(self, news: _News, prompt: Prompt, *, since: int) -> ModelUnavailable | None:
        """Why everybody is refused, if so. Those who ask at the same time share one question."""
        with news.lock:
            if news.probes == since:
                news.last_probe = refused(self._model, prompt.model, prompt.tools)
                news.probes += 1
                news.successes += news.last_probe is None
            return news.last_probe

    def _note_success(self, news: _News, model: str, circuit: Circuit | None) -> None:
        news.successes += 1
        news.busy.clear()
        if circuit is not None and circuit.failures:
            with self._database.transaction() as session:
                circuits.note_model_success(session, model, now=self._clock())

    def _told_to_wait(
        self, error: ModelBusy, news: _News, model: str, conversation_id: int
    ) -> ModelBusy:
        """Only being told so in several conversations says something about the model."""
        if conversation_id not in news.busy:
            news.busy.add(conversation_id)
            with self._database.transaction() as session:
                name = circuits.of_model(model)
                circuits.note_failure(session, name, str(error), now=self._clock())
        return error

    def _opened(self, error: ModelUnavailable, model: str) -> ModelUnavailable:
        first = STOPPED_PAUSE if isinstance(error, ModelStopped) or error.remedy else FAILED_PAUSE
        said = f"{error}. {error.remedy}" if error.remedy else str(error)
        name = circuits.of_model(model)
        with self._database.transaction() as session:
            pause = circuits.open_now(session, name, said, first=first, now=self._clock())
        return ModelUnavailable(said, retry_after=error.retry_after or pause)


def refused(model: Model, name: str, tools: Sequence[Tool]) -> ModelUnavailable | None:
    """Ask a fixed question with the tools; say why it is refused, if it is.

    The server's words are part of what is said: the question holds nothing of a customer's.
    """
    question = Prompt(
        model=name,
        instructions="This is a check that the model can be asked. Answer with one word.",
        situation="Nobody reads the answer.",
        lines=[Line(role=Role.CUSTOMER, text="Hello")],
        tools=tools,
    )
    try:
        model.begin(question).ask(timeout_seconds=LONGEST_PROBE.total_seconds())
    except ModelUnavailable as exc:
        said = f"{exc}: {exc.server_said}" if exc.server_said else str(exc)
        return type(exc)(said, retry_after=exc.retry_after, remedy=exc.remedy)
    except ModelError:
        return None  # it has answered, whatever that was
    return None
