"""A progress bar on stderr for long imports: counts and rate. Nothing where nobody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from shoptalk.commands.common import visible
from shoptalk.db.models import ChannelIntegration
from shoptalk.importer.channels import OnProgress
from shoptalk.importer.history import Progress


@contextmanager
def importing(what: str) -> Iterator[OnProgress]:
    """A bar a channel, which appears when that channel reports progress."""
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[threads]:,} conversations", markup=False),
        TextColumn("{task.completed:,.0f} messages", markup=False),
        TextColumn("{task.fields[rate]} a second", markup=False),
        TimeElapsedColumn(),
    )
    tasks: dict[int, int] = {}
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:

        def on_progress(channel: ChannelIntegration, progress: Progress) -> None:
            if channel.id not in tasks:
                description = visible(f"{what} {channel.channel} {channel.display_name}")
                tasks[channel.id] = bar.add_task(description, total=None, threads=0, rate="-")
            task_id = tasks[channel.id]
            speed = bar.tasks[task_id].speed if task_id < len(bar.tasks) else None
            bar.update(
                task_id,  # type: ignore[arg-type]
                completed=progress.messages,
                threads=progress.threads,
                rate=f"{speed:,.0f}" if speed else "-",
            )

        yield on_progress
