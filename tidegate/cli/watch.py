"""``tidegate watch``: a rollout as it goes, until it ends."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    JobId,
    opened,
)
from tidegate.cli.documents import glance_document
from tidegate.cli.exits import STANDS, ExitStatus, Failed
from tidegate.cli.options import spread
from tidegate.cli.output import Screen, printable, stated
from tidegate.cli.status import glance_of, summary_of, title_of
from tidegate.cli.wording import budget_of, evidence_of, exposed_of, rate_of, span, waits_for
from tidegate.console.plain import plain
from tidegate.console.view import Glance
from tidegate.console.worded import standing, state_of, when
from tidegate.domain.decision import Decision
from tidegate.errors import RetryLater

#: Between two looks, where nothing else is asked for.
INTERVAL_SECONDS = 2.0
INTERVAL_SECONDS_MIN = 0.2
INTERVAL_SECONDS_MAX = 3600.0

#: A watch ends by itself after so long, whatever it is told; there is no rollout without an end.
WATCH_SECONDS_MAX = 30 * 86_400

#: Looks in a row that AWS may fail to answer.
FAILURES_MAX = 10

#: Decisions made before the watch begins that it shows, and decisions that one look reads.
SHOWN_BEFORE_MAX = 5
READ_MAX = 50

#: Of a bar, as a share of the terminal's width, and at the most.
_BAR_SHARE, _BAR_WIDTH_MAX = 0.2, 30
_NAME_WIDTH = 11
#: Of a decision: its time, its number, its verdict, its rate.
_ROW_WIDTHS = (8, 6, 14, 9)


@spread
def command(
    context: typer.Context,
    job_id: JobId,
    *,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            min=INTERVAL_SECONDS_MIN,
            max=INTERVAL_SECONDS_MAX,
            metavar="SECONDS",
            help="Between two looks.",
        ),
    ] = INTERVAL_SECONDS,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout",
            min=1,
            max=WATCH_SECONDS_MAX,
            metavar="SECONDS",
            help="Stop watching after so long.",
            show_default="30 days",
        ),
    ] = WATCH_SECONDS_MAX,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="End with how the rollout ended: 0 if it is completed."),
    ] = False,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """
    Watch a rollout until it ends.

    Shows progress, evidence against limits, and decisions as they come.

    With --json, each decision is a document on a line of its own, and the rollout is the last.
    With --exit-code: 0 completed, 10 stopped by Tidegate, 11 stopped by AWS's criteria, 12
    canceled by others, 13 deleted by others.
    """
    screen = Screen(as_json=as_json)
    with opened(context, access) as account:
        glance = glance_of(account, job_id)
        watch = _Watch(account, screen, interval, account.clock.now() + timeout)
        try:
            glance = watch.until_over(glance)
        except KeyboardInterrupt:
            message = f"no longer watching {job_id}, which goes on"
            raise Failed(message, ExitStatus.INTERRUPTED) from None
    if as_json:
        screen.document(glance_document(glance), indent=None)
    else:
        ended = glance.rollout.ended_at
        at = "" if ended is None else f" at {when(ended)}"
        screen.line(
            Text(f"{job_id}: ")
            .append(stated(standing(glance)))
            .append(f"{at}; {summary_of(glance)}")
        )
    if exit_code:
        raise typer.Exit(STANDS[glance.rollout.ending])


@dataclass(slots=True)
class _Watch:
    """One watch; ``shown`` is the revision of the last decision that was."""

    account: Account
    screen: Screen
    interval: float
    deadline: float
    shown: int = 0
    failures: int = 0

    def until_over(self, glance: Glance) -> Glance:
        """Show the rollout until it ends; return it as it is then."""
        self.shown = max(0, glance.rollout.revision - SHOWN_BEFORE_MAX)
        with self._drawn() as live:
            for _ in range(int(WATCH_SECONDS_MAX / INTERVAL_SECONDS_MIN)):
                self._tell(glance)
                if glance.rollout.ending is not None:
                    return glance
                if live is not None:
                    live.update(self._picture(glance), refresh=True)
                if self.account.clock.now() >= self.deadline:
                    break
                self.account.sleep(self.interval)
                glance = self._looked(glance)
        message = (
            f"{glance.rollout.key.job_id} goes on; it was watched as long as --timeout says: "
            "watch it again"
        )
        raise Failed(message, ExitStatus.TIMED_OUT)

    @contextmanager
    def _drawn(self) -> Iterator[Live | None]:
        if not self.screen.is_live:
            yield None
            return
        with Live(console=self.screen.console, auto_refresh=False, transient=True) as live:
            yield live

    def _picture(self, glance: Glance) -> Group:
        bar_width = min(_BAR_WIDTH_MAX, int(_BAR_SHARE * self.screen.console.width))
        return _picture(glance, self.account.clock.now(), bar_width)

    def _looked(self, before: Glance) -> Glance:
        """Return the rollout as it is now; as it was, if AWS does not answer for a while."""
        try:
            rollout = self.account.ledger.rollout(before.rollout.key)
            last = before.last
            if last is None or last.revision != rollout.revision:
                last = self.account.ledger.last_decisions([rollout]).get(rollout.key)
        except RetryLater:
            self.failures += 1
            if self.failures > FAILURES_MAX:
                raise
            return before
        self.failures = 0
        return Glance(rollout, last)

    def _tell(self, glance: Glance) -> None:
        """Print the decisions not yet shown, oldest first."""
        revision = glance.rollout.revision
        if revision <= self.shown:
            return
        limit = min(READ_MAX, revision - self.shown)
        decisions = self.account.ledger.decisions(glance.rollout.key, limit=limit)
        for each in sorted(decisions, key=lambda decision: decision.revision):
            if each.revision > self.shown:
                self._print(each, glance)
                self.shown = each.revision

    def _print(self, decision: Decision, glance: Glance) -> None:
        if self.screen.as_json:
            document = {"job_id": glance.rollout.key.job_id, **decision.to_document()}
            self.screen.document(plain(document), indent=None)
        elif not self.screen.is_terminal:
            self.screen.cells(_parts(decision))
        else:
            self.screen.console.print(_row(decision))


def _parts(decision: Decision) -> tuple[str, ...]:
    """Return what a line says of a decision."""
    rate = decision.settings.rollout
    pace = f"{rate.maximum_per_minute:,}/min" if rate else ""
    revision = f"{decision.revision}"
    return when(decision.at), revision, decision.verdict.value, pace, decision.summary


def _row(decision: Decision) -> Table:
    """Return a decision as a row whose reason wraps under itself."""
    rate = decision.settings.rollout
    row = Table.grid(padding=(0, 1))
    for width in _ROW_WIDTHS:
        row.add_column(no_wrap=True, width=width)
    row.add_column(overflow="fold", ratio=1)
    row.add_row(
        Text(when(decision.at)[11:19], style="dim"),
        Text(f"#{decision.revision}", style="dim"),
        stated(state_of(decision.verdict.value)),
        f"{rate.maximum_per_minute:,}/min" if rate else "",
        Text(printable(decision.summary)),
    )
    return row


def _picture(glance: Glance, now: float, bar_width: int = _BAR_WIDTH_MAX) -> Group:
    """Return what stands below the decisions and is drawn over."""
    rollout, last = glance.rollout, glance.last
    title = title_of(glance)
    if waiting := waits_for(glance):
        title.append(f"  waits for {printable(waiting)}")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=_NAME_WIDTH, style="dim")
    grid.add_column(width=bar_width)
    grid.add_column(overflow="fold")
    if last is None:
        return Group(title)
    evidence, size = last.evidence, rollout.fleet_size
    pace = f" at {rate}" if (rate := rate_of(glance)) else ""
    counts = f"{evidence.succeeded:,} succeeded, {evidence.in_flight:,} in flight"
    harmed = f"{budget_of(glance)} beyond the acceptable; {evidence.harmed:,} harmed"
    for name, value, limit, said in (
        ("exposed", evidence.exposed, size, f"{exposed_of(glance)}{pace}; {counts}"),
        ("budget", glance.harmed_beyond, glance.budget, harmed),
        ("evidence", evidence.log_e, evidence.abort_at, evidence_of(evidence)),
    ):
        grid.add_row(name, Text(_bar(value, limit, bar_width)), Text(printable(said)))
    due = last.review_by - now
    grid.add_row("next review", Text("now" if due <= 0 else f"in {span(due)}"), "")
    return Group(Text(), title, grid)


def _bar(value: float, limit: float | None, width: int) -> str:
    """Return a bar of a value against its limit; without one, what is said beside is enough."""
    if limit is None or not math.isfinite(limit) or limit <= 0:
        return ""
    full = round(width * max(0.0, min(value / limit, 1.0)))
    return "█" * full + "░" * (width - full)
