"""The command line: finds commands by name and turns errors into sentences and exit codes.

Exit codes: 0 done, 1 something failed at run time, 2 the person at the keyboard can fix it.
The commands themselves are in `shoptalk.commands`; each is loaded only when it is called.
"""

import gc
import importlib
import io
import signal
import sys
from types import FrameType

import click

from shoptalk import __version__

#: name -> (where it is, what it does); kept here so that `--help` loads no command
COMMANDS = {
    "demo": ("demo:demo", "Everything against the sandbox, no account needed."),
    "db": ("db:db", "Create or migrate the database schema."),
    "channels": ("channels:channels", "Connect, list, test and disconnect accounts."),
    "platforms": ("platforms:platforms", "List what can be connected, and what each can do."),
    "workspaces": ("workspaces:workspaces", "List the shops of the database, make another."),
    "import": ("imports:import_", "One import pass, then exit. Safe in cron."),
    "reply": ("reply:reply", "One responder pass, then exit. Safe in cron."),
    "backfill": ("imports:backfill", "Import a channel's history again, resumable."),
    "run": ("run:run", "Import and reply every few seconds until stopped."),
    "worker": ("worker:worker", "Take work from the shared database, beside others."),
    "status": ("status:status", "Show channels, queue, last runs and errors."),
    "why": ("why:why", "Tell why a message was answered, or why not."),
    "backlog": ("backlog:backlog", "What waited long: list it, have it answered, dismiss it."),
    "conversations": ("conversations:conversations", "List, show, switch the AI on or off."),
    "messages": ("messages:messages", "List messages and what became of them."),
    "products": ("products:products", "Import and list the catalog."),
    "orders": ("orders:orders", "List orders."),
    "deliveries": ("deliveries:deliveries", "List what was sent, try again what was not."),
    "secrets": ("secrets:secrets", "Change the key that seals the stored credentials."),
    "sandbox": ("sandbox:sandbox", "Play the platforms and the model on this machine."),
    "doctor": ("doctor:doctor", "Check what is configured, reachable, missing."),
}

GARBAGE_AFTER = 50_000  #: objects made and not freed, before Python looks for garbage


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(f"shoptalk.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        if not gc.isenabled():  # see `main`
            gc.freeze()
            gc.enable()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name what may have been meant; click looks among commands that are loaded."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as exc:
            raise click.exceptions.NoSuchCommand(
                exc.command_name, possibilities=COMMANDS, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shoptalk")
def cli() -> None:
    """Answer a shop's inbox: poll, gather, answer, order. Nothing lost, nothing twice.

    Settings come from the environment and a .env file; `shoptalk doctor` checks them.

    \b
    Examples:
      shoptalk demo
      shoptalk COMMAND --help
    """


def main() -> None:
    """The console script."""
    # What is loaded stays, and looking for garbage among it costs an idle import a quarter of its
    # processor time (2.0 times that of its libraries' imports, 1.55 without; `benchmarks start`).
    # So nobody looks while a command is loaded, nor later among what was loaded by then.
    gc.disable()
    gc.set_threshold(GARBAGE_AFTER)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Arabic gets codes
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run()
    except KeyboardInterrupt:
        code = 130
    for number in (signal.SIGTERM, signal.SIGINT):  # whatever is left to be closed is
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def _run() -> int:
    """Run the command; return the exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.Abort:
        return 130
    except click.ClickException as exc:
        exc.show()
        return 2
    except Exception as exc:  # the last place where a traceback could escape
        return _explain(exc)
    return code if isinstance(code, int) else 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C, once: a second one would cut off what the first has to close."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Where Python cannot raise it, as in a callback of an import, it is raised a moment later."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)


def _explain(error: Exception) -> int:
    """Print one sentence on stderr and return the exit code."""
    from sqlalchemy.exc import SQLAlchemyError

    from shoptalk.errors import ChannelStopped, PlatformError, ShoptalkError, UsageError

    if isinstance(error, ChannelStopped):
        return _say(f"{error.platform}: {error}. {error.remedy}", 2)
    if isinstance(error, PlatformError):
        said = str(error)
        return _say(f"{error.platform}: {said}{'' if said.endswith('?') else '.'}", 1)
    if isinstance(error, ShoptalkError):
        return _say(str(error), 2 if isinstance(error, UsageError) else 1)
    if isinstance(error, SQLAlchemyError):
        return _say(f"The database failed: {_first_line(getattr(error, 'orig', None) or error)}", 1)
    if isinstance(error, UnicodeEncodeError):  # our own text is encodable; an argument's may not be
        return _say("What was typed holds bytes that are not UTF-8 text.", 2)
    if isinstance(error, OSError):
        return _say(f"{error.strerror or error}: {error.filename or 'the system refused'}", 1)
    return _say(f"Something went wrong that should not: {type(error).__name__}.", 1)


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _say(sentence: str, code: int) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return code
