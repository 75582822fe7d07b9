"""`shoptalk sandbox`: the local platforms and model, for trying things out."""

import errno

import click

from shoptalk.errors import UsageError


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: a free one."
)
def sandbox(port: int) -> None:
    """Play the platforms and an OpenAI-compatible model on this machine until stopped.

    Prints the environment that points shoptalk at it. Its control API is under /control.
    """
    from shoptalk.sandbox.server import environment, serve

    def ready(url: str) -> None:
        click.echo(f"# The sandbox listens on {url}. Point another shell's shoptalk at it with:")
        for name, value in (environment(url) | {"OPENAI_MODEL": "sandbox-clerk"}).items():
            click.echo(f"export {name}={value}")

    try:
        serve(port, ready)
    except OSError as exc:
        if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise UsageError(
            f"Port {port} cannot be had: choose another with --port; 0 takes a free one."
        ) from None
