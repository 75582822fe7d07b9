"""`shoptalk status`: how things stand."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

from shoptalk.commands.common import json_option, moment, print_json, with_app
from shoptalk.commands.display import (
    count,
    print_lines,
    print_table,
    to_the_second,
    when,
)
from shoptalk.wiring import App

LATELY = timedelta(hours=24)


@click.command()
@json_option
@with_app
def status(app: App, as_json: bool) -> None:
    """Show channels, queue, last runs and errors of the last 24 hours.

    \b
    Examples:
      shoptalk status
      shoptalk status --json
    """
    _show(app, as_json=as_json)
    app.check_key()


def _show(app: App, *, as_json: bool) -> None:
    from shoptalk.commands.live import (
        NO_CHANNEL,
        channel_columns,
        channel_rows,
        state_of,
        totals_lines,
    )
    from shoptalk.commands.waiting import waiting_for_people
    from shoptalk.db.circuits import troubled
    from shoptalk.db.liveness import live_processes
    from shoptalk.db.status import channel_statuses, runs_with_gaps, totals
    from shoptalk.services.token_health import credential_warnings

    workspace_id, now = app.workspace_id(), app.clock()
    with app.database.transaction() as session:
        channels = channel_statuses(session, workspace_id, now=now)
        counts = totals(session, workspace_id, since=now - LATELY, now=now)
        workers = live_processes(session)
        breakers = [
            {
                "name": circuit.name,
                "failures": circuit.failures,
                "open_until": circuit.open_until,
                "last_error": circuit.last_error,
            }
            for circuit in troubled(session)
        ]
        gaps = [
            {
                "import_run": run.id,
                "channel_id": run.channel_integration_id,
                "at": moment(run.started_at),
                **gap,
            }
            for run in runs_with_gaps(session, workspace_id, limit=20)
            for gap in run.gaps
        ]
    waiting = waiting_for_people(app, workspace_id)
    if as_json:
        document = {
            "channels": [
                {
                    "id": row.channel.id,
                    "channel": row.channel.channel,
                    "display_name": row.channel.display_name,
                    "state": state_of(row),
                    "conversations": row.conversations,
                    "last_fetch_timestamp": moment(row.channel.last_fetch_timestamp),
                    "last_run": None
                    if row.last_run is None
                    else {
                        "kind": row.last_run.kind,
                        "started_at": moment(row.last_run.started_at),
                        "new": row.last_run.new,
                        "calls": row.last_run.calls,
                        "error": row.last_run.error,
                    },
                    "last_error": row.channel.last_error,
                    "remedy": row.channel.remedy,
                    "warnings": credential_warnings(row.channel, now=now),
                    "usage_percent": row.channel.usage_percent,
                    "calls_24_hours": {
                        "used": row.calls_of_day,
                        "allowed": row.calls_allowed,
                        "left": None
                        if row.calls_allowed is None
                        else row.calls_allowed - row.calls_of_day,
                    },
                    "next_poll_at": moment(row.channel.next_poll_at),
                }
                for row in channels
            ],
            "last_24_hours": asdict(counts) | {"oldest_due_at": moment(counts.oldest_due_at)},
            "waiting_for_person": [reason.as_json() for reason in waiting],
            "workers": [{"what": each.what, "since": moment(each.since)} for each in workers],
            "circuit_breakers": breakers,
            "gaps": gaps,
        }
        print_json(document)
        return
    if not channels:
        click.echo(NO_CHANNEL)
        return
    print_table(channel_rows(channels, now=now), channel_columns())
    lines = [
        f"channel {row.channel.id}: {row.channel.remedy}" for row in channels if row.channel.remedy
    ]
    for row in channels:
        lines += [
            f"channel {row.channel.id}: {warning}"
            for warning in credential_warnings(row.channel, now=now)
        ]
    lines += totals_lines(counts, now=now)
    if waiting:
        lines.append("waiting for a person")
        lines += [f"  {reason.line(now=now)}" for reason in waiting]
    lines += [f"at work           {each.what}, since {when(each.since)}" for each in workers]
    lines += [_breaker_line(each) for each in breakers]
    lines += [_gap_line(gap) for gap in gaps]
    print_lines(lines)


def _breaker_line(breaker: Mapping[str, Any]) -> str:
    until = breaker["open_until"]
    state = f"not asked until {to_the_second(until)}" if until else "asked again"
    failures = count(breaker["failures"], "failure")
    return f"{breaker['name']}: {failures} in a row, {state}: {breaker['last_error']}"


def _gap_line(gap: Mapping[str, Any]) -> str:
    """What could not be read, as far as it is known."""
    where = f"thread {gap['thread_id']}" if gap["thread_id"] else "the list"
    known = [
        f"{name.replace('_', ' ')} {_shown(gap[name])}"
        for name in ("from", "to", "at_most")
        if gap[name] is not None
    ]
    extent = f" ({', '.join(known)})" if known else ""
    return f"gap in {where} of channel {gap['channel_id']}: {gap['reason']}{extent}"


def _shown(value: Any) -> str:
    """Of a gap: a moment, or a number."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return to_the_second(at) if at.tzinfo else str(value)
