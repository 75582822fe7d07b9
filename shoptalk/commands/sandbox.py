"""`shoptalk sandbox`: the local platforms and model, for trying things out."""

import errno
import shlex
import tempfile
from pathlib import Path

import click

from shoptalk.errors import UsageError

DEFAULT_PORT = 8765


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="0: a free one.",
)
def sandbox(port: int) -> None:
    """Play the platforms and an OpenAI-compatible model on this machine until stopped.

    Prints the environment that points shoptalk at it. Its control API is under /control.

    \b
    Example:
      shoptalk sandbox --port 8765
    """
    from shoptalk.sandbox.server import environment, serve

    def ready(url: str) -> None:
        click.echo(f"# The sandbox listens on {url}. Point another shell's shoptalk at it with:")
        values = environment(url) | {
            "OPENAI_MODEL": "sandbox-clerk",
            "SHOPTALK_HOME": _home_for(url),  # keeps the play apart from real accounts
        }
        for name, value in values.items():
            click.echo(f"export {name}={shlex.quote(value)}")

    try:
        serve(port, ready)
    except OSError as exc:
        if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        why = "is in use" if exc.errno == errno.EADDRINUSE else "may not be used by this user"
        raise UsageError(
            f"Port {port} {why}: choose another with --port; 0 takes a free one."
        ) from None


def _home_for(url: str) -> str:
    """A folder of its own for each port: what one sandbox was told another does not know."""
    port = url.rsplit(":", 1)[1]
    beside = "" if int(port) == DEFAULT_PORT else f"-{port}"
    return str(Path(tempfile.gettempdir()) / f"shoptalk-sandbox{beside}")
