"""Putting the rooms together: settings, database, platforms, model. Used by cli and scheduler."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from shoptalk.db import schema
from shoptalk.db.encrypted import count_sealed
from shoptalk.db.engine import Database, connect
from shoptalk.db.liveness import Liveness
from shoptalk.db.models import ChannelIntegration
from shoptalk.db.webchat_desk import ChatTables
from shoptalk.db.workspaces import find_workspace
from shoptalk.errors import UsageError
from shoptalk.importer.poll_schedule import PollSchedule
from shoptalk.importer.rate_limiter import RateLimiter
from shoptalk.platforms import registry
from shoptalk.platforms.base import AdapterContext, Platform
from shoptalk.platforms.session import HostSession
from shoptalk.settings import Settings
from shoptalk.types import Account, Clock
from shoptalk.vault import KEY_FILE, Vault, has_no_key, open_vault

if TYPE_CHECKING:
    from shoptalk.db.embedded import EmbeddedServer
    from shoptalk.importer.channels import Importer
    from shoptalk.responder.conditions import Rules
    from shoptalk.responder.passes import Responder, Selector

log = logging.getLogger(__name__)

#: A turn or a poll holds a connection for milliseconds, so that many threads share a few; and a
#: server has a hundred, as a rule, for everybody.
MOST_CONNECTIONS = 20


class App:
    """One running shoptalk. Parts are made when first asked for."""

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.role = "a command"  #: what it does, as others see it in `status`
        self._embedded: EmbeddedServer | None = None
        self._database: Database | None = None
        self._schema_fits = False
        self._vault: Vault | None = None
        self._liveness: Liveness | None = None
        self._platforms: dict[int, tuple[str, Platform]] = {}
        self._rate_limiters: dict[int, RateLimiter] = {}
        self._lock = threading.Lock()
        self._connections = ExitStack()  # to platforms and model
        # A thousand channels of one platform need no thousand connections to it.
        self._http = HTTPAdapter(pool_maxsize=2 * settings.worker_concurrency + 5)

    @property
    def database(self) -> Database:
        """The database with today's schema.

        Raises:
            UsageError: not reachable, not upgraded, or newer than this program.
        """
        database = self.unchecked_database
        if self._schema_fits:
            return database
        if self._embedded is not None and schema.current_revision(database) != schema.HEAD:
            schema.upgrade(database)  # our own server has nobody else to ask
        else:
            schema.check(database)
        self._schema_fits = True
        return database

    @property
    def unchecked_database(self) -> Database:
        if self._database is None:
            url = self.settings.database_url
            if url is None:
                from shoptalk.db.embedded import EmbeddedServer

                self._embedded = EmbeddedServer(self.settings.shoptalk_home).enter()
                address = self._embedded.url
            else:
                address = url.get_secret_value()
            self._database = connect(
                address, pool_size=min(self.settings.worker_concurrency + 5, MOST_CONNECTIONS)
            )
        return self._database

    def revive_server(self) -> bool:
        """Start our own server again where it has died; whether it had.

        Raises:
            UsageError: it does not start.
        """
        if self._embedded is None or not self._embedded.is_gone():
            return False
        self._embedded.restart()
        return True

    @property
    def vault(self) -> Vault:
        """What seals and opens credentials.

        Raises:
            UsageError: there is no key and no place to keep one, or the one that was is gone.
        """
        if self._vault is None:
            home = self.settings.shoptalk_home
            try:
                self.check_key()
                self._vault = open_vault(self.settings.shoptalk_secret_key, home)
            except (OSError, UnicodeDecodeError) as exc:
                raise UsageError(
                    f"The secret key in {home} cannot be read or made: {_reason(exc)}. "
                    "Set SHOPTALK_HOME to a writable folder, or SHOPTALK_SECRET_KEY."
                ) from exc
        return self._vault

    def check_key(self) -> None:
        """A new key opens nothing of what is stored: none is made where one is missing.

        Raises:
            UsageError: the key file is missing, and credentials are stored.
        """
        home = self.settings.shoptalk_home
        if self.settings.shoptalk_secret_key is not None or not has_no_key(home):
            return
        with self.database.transaction() as session:
            channels = count_sealed(session)
        if channels and has_no_key(home):  # another first start may have made both
            raise UsageError(
                f"{KEY_FILE} is missing in {home}, and the stored credentials of "
                f"{channels} channel{'' if channels == 1 else 's'} open with no other key: put it "
                "back, or set SHOPTALK_SECRET_KEY to the key they were sealed with. If that is "
                "lost, `shoptalk channels disconnect` each channel and connect it again."
            )

    def reopened_vault(self) -> Vault:
        """The vault with the keys that the key file holds now."""
        self._vault = None
        return self.vault

    def workspace_id(self) -> int:
        """The shop that WORKSPACE names.

        Raises:
            UsageError: there is none of that name.
        """
        with self.database.transaction() as session:
            return find_workspace(session, self.settings.workspace).id

    def platform(self, name: str, account: Account) -> Platform:
        """An adapter for credentials that may not be stored (yet)."""
        surroundings = AdapterContext(
            session=self._connections.enter_context(HostSession(self._http)),
            settings=self.settings.for_platforms,
            clock=self.clock,
            chat=ChatTables(self.database, name, account.external_id),
        )
        return registry.adapter(name)(account, surroundings)

    def platform_of(self, channel: ChannelIntegration) -> Platform:
        """The adapter of a connected channel, kept until its credentials change."""
        with self._lock:
            kept = self._platforms.get(channel.id)
            if kept is not None and kept[0] == channel.config:
                return kept[1]
            account = Account(external_id=channel.external_id, config=self.opened(channel.config))
            platform = self.platform(channel.channel, account)
            self._platforms[channel.id] = (channel.config, platform)
            return platform

    def opened(self, sealed: str) -> dict[str, Any]:
        """A channel's config.

        Raises:
            UsageError: no key that is known opens it.
        """
        try:
            return self.vault.open(sealed)
        except UsageError:
            if self.settings.shoptalk_secret_key is not None:
                raise
        return self.reopened_vault().open(sealed)  # the key may have been changed since we began

    def is_polled(self, channel: ChannelIntegration) -> bool:
        """Whether a poll is tried; also where the platform cannot be loaded, so that it is told."""
        try:
            return registry.adapter(channel.channel).capabilities.polled
        except UsageError:
            return True

    def rate_limiter_of(self, channel: ChannelIntegration) -> RateLimiter:
        """The spacing of a channel's reads: the platform's limit, or ours where that is lower."""
        with self._lock:
            if channel.id not in self._rate_limiters:
                wished = self.settings.graph_calls_per_second
                allowed = registry.adapter(channel.channel).capabilities.calls_per_second
                rate = min(wished, allowed) if allowed and wished else 0
                self._rate_limiters[channel.id] = RateLimiter(rate)
            return self._rate_limiters[channel.id]

    @cached_property
    def not_polled(self) -> list[str]:
        """The platforms whose messages come in another way."""
        return [each.name for each in _loadable_adapters() if not each.capabilities.polled]

    @property
    def poll_schedule(self) -> PollSchedule:
        return PollSchedule(
            interval=timedelta(seconds=self.settings.poll_interval_seconds),
            longest=timedelta(seconds=self.settings.poll_interval_max_seconds),
        )

    def selector(self) -> "Selector":
        """Whoever decides what is to be answered; it needs no model."""
        from shoptalk.db.selection import BufferPolicy
        from shoptalk.responder.passes import Selector

        settings = self.settings
        return Selector(
            database=self.database,
            buffer=BufferPolicy(
                quiet=timedelta(milliseconds=settings.message_buffer_duration_ms),
                most_messages=settings.max_buffer_size,
                longest=timedelta(milliseconds=settings.max_buffer_age_ms),
            ),
            policy=self.rules.selection,
            windows=self.rules.windows,
            clock=self.clock,
        )

    @cached_property
    def rules(self) -> "Rules":
        """What decides whether a message is answered."""
        from shoptalk.db.selection import SelectionPolicy
        from shoptalk.responder.conditions import Rules
        from shoptalk.responder.reply_window import reply_windows

        settings = self.settings
        return Rules(
            selection=SelectionPolicy(
                takeover_pause=timedelta(seconds=settings.takeover_pause_seconds),
                backlog_after=timedelta(seconds=settings.backlog_after_seconds),
            ),
            windows=reply_windows(_loadable_adapters()),
            most_replies_an_hour=settings.max_replies_per_hour,
        )

    def importer(self) -> "Importer":
        """Whoever imports.

        Raises:
            UsageError: there is no key to the channels' credentials.
        """
        from shoptalk.importer.channels import Importer

        _ = self.vault  # now, and not once a channel
        return Importer(
            self.database,
            platform_of=self.platform_of,
            rate_limiter_of=self.rate_limiter_of,
            overlap=self.settings.poll_overlap,
            concurrency=self.settings.worker_concurrency,
            more_tries=2,
            plan=self.poll_schedule,
            clock=self.clock,
        )

    def responder(self) -> "Responder":
        """Whoever answers.

        Raises:
            UsageError: there is no key to any model, or none to the channels' credentials.
        """
        from shoptalk.agents.model_circuit import ModelCircuit
        from shoptalk.agents.models.openai_client import make_client, make_model
        from shoptalk.responder.answer import Answerer, AnswerPolicy
        from shoptalk.responder.outbox import Outbox
        from shoptalk.responder.passes import Responder

        settings = self.settings
        if settings.openai_api_key is None:
            raise UsageError(
                "OPENAI_API_KEY is not set: answering needs a model. "
                "Any text will do for a compatible server that wants none."
            )
        _ = self.vault  # now, and not once a turn
        selector = self.selector()
        policy = AnswerPolicy(
            buffer=selector.buffer,
            selection=selector.policy,
            most_replies_an_hour=settings.max_replies_per_hour,
            default_model=settings.openai_model,
            longest_thinking=timedelta(milliseconds=settings.ai_processing_timeout_ms),
        )
        client = make_client(settings, settings.openai_api_key.get_secret_value())
        self._connections.callback(client.close)
        outbox = Outbox(
            self.database,
            selection=policy.selection,
            buffer=policy.buffer,
            claim_lasts=policy.claim_lasts,
            clock=self.clock,
        )
        model = make_model(settings, client)
        answerer = Answerer(
            database=self.database,
            outbox=outbox,
            model=model,
            model_circuit=ModelCircuit(self.database, model, self.clock),
            platform_of=self.platform_of,
            policy=policy,
            clock=self.clock,
        )
        return Responder(answerer, selector, self.liveness, concurrency=settings.worker_concurrency)

    @property
    def liveness(self) -> Liveness:
        """What tells others that this process is alive."""
        with self._lock:
            if self._liveness is None:
                self._liveness = Liveness(self.database.engine, self.role)
            return self._liveness

    def close(self) -> None:
        self._connections.close()
        if self._liveness is not None:
            self._liveness.leave()
        if self._database is not None:
            self._database.close()
        if self._embedded is not None:
            self._embedded.leave()


def _loadable_adapters() -> Iterator[registry.Adapter]:
    """One that cannot be loaded harms no other."""
    for name in registry.names():
        try:
            yield registry.adapter(name)
        except UsageError as exc:
            log.warning("a platform cannot be loaded", extra={"error": str(exc)})


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return getattr(error, "strerror", None) or "it is not text"


@contextmanager
def running(settings: Settings, *, clock: Clock) -> Iterator[App]:
    app = App(settings, clock=clock)
    try:
        yield app
    finally:
        app.close()
