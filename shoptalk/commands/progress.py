"""A progress bar on stderr for long imports: counts, rate, and the time left where that can be
told. Nothing where nobody watches.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

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
        TextColumn("{task.fields[left]}", markup=False),
    )
    tasks: dict[int, TaskID] = {}
    first: dict[int, Progress] = {}
    # Transient: what was done is printed afterwards; a spinner that stays looks like one at work.
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def on_progress(channel: ChannelIntegration, progress: Progress) -> None:
            if channel.id not in tasks:
                description = visible(f"{what} {channel.channel} {channel.display_name}")
                tasks[channel.id] = bar.add_task(
                    description, total=None, threads=0, rate="-", left=""
                )
                first[channel.id] = progress
            task = bar.tasks[tasks[channel.id]]
            elapsed = task.elapsed or 0.0
            bar.update(
                task.id,
                left=time_left(first[channel.id], progress, elapsed=elapsed),
                completed=progress.messages,
                threads=progress.threads,
                rate=rate(first[channel.id], progress, elapsed=elapsed),
            )

        yield on_progress


def rate(first: Progress, now: Progress, *, elapsed: float) -> str:
    """Messages a second since the first report; "-" in the first second, which tells nothing."""
    return f"{(now.messages - first.messages) / elapsed:,.0f}" if elapsed >= 1 else "-"


def time_left(first: Progress, now: Progress, *, elapsed: float) -> str:
    """How long the rest will take, at the pace since the first report; "" where nobody knows."""
    if first.share is None or now.share is None or now.share <= first.share:
        return ""
    seconds = round(elapsed * (1 - now.share) / (now.share - first.share))
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{now.share:.0%}, about {hours} h {minutes} min left"
    return f"{now.share:.0%}, about " + (f"{minutes} min left" if minutes else f"{seconds} s left")
