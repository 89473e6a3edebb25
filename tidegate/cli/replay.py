"""``tidegate export`` and ``tidegate replay``: a rollout that has been, kept, and played again."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    JobId,
    opened,
)
from tidegate.cli.options import NoPage, PagePath, Seed, spread
from tidegate.cli.output import Screen
from tidegate.cli.policies import read_policy
from tidegate.cli.reading import is_there, read_text, source_of, write_text
from tidegate.cli.status import glance_of
from tidegate.documents.archive import read_archive
from tidegate.documents.shapes import JOB_ID
from tidegate.domain.rollout import Rollout
from tidegate.errors import Refused
from tidegate.lab.archived import recording_of
from tidegate.lab.fleet import SIZE_MAX
from tidegate.lab.recording import Recording, read_recording, record_of, to_lines
from tidegate.lab.replaying import Replay, headline, lines, notes, render, replay
from tidegate.lab.simulate import DAYS_MAX

#: Trials of one replay: it is not chance that matters here.
RUNS_MAX = 1000

#: Records of things that are read from the ledger in one go.
_THINGS = 1000


@spread
def export_command(
    context: typer.Context,
    job_id: JobId,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to write it; - for stdout.")
    ] = "-",
    with_names: Annotated[
        bool, typer.Option("--with-names", help="Tell the things' names too.")
    ] = False,
    access: Access,
) -> None:
    """
    Keep what is known of a rollout, for `tidegate replay`.

    One JSON object a line: first the rollout with its policy, then each device: when it was
    notified, started and ended, and how. Things' names stay out unless they are asked for.
    """
    with opened(context, access) as account:
        recording = recorded(account, job_id)
    text = "".join(f"{line}\n" for line in to_lines(recording, with_names=with_names))
    if output == "-":
        sys.stdout.write(text)
    else:
        write_text(Path(output), text, option="--output")
        print(f"{recording.exposed} devices of {job_id}: {output}", file=sys.stderr)


@spread
def command(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|JOB",
            help="What `tidegate export` wrote, - for stdin, or a job's id.",
            show_default=False,
        ),
    ],
    *,
    events: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Events of the bus, as from its archive, to read JOB from."
        ),
    ] = "",
    policy: Annotated[
        str, typer.Option(metavar="FILE", help="A policy's YAML file; its own if left out.")
    ] = "",
    fleet: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=SIZE_MAX,
            metavar="NUMBER",
            help="Devices in all.",
            show_default="as recorded",
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(
            min=1, max=RUNS_MAX, metavar="NUMBER", help="Trials, where something must be drawn."
        ),
    ] = 5,
    days: Annotated[
        int,
        typer.Option(
            min=1, max=DAYS_MAX, metavar="NUMBER", help="After which the replay is given up."
        ),
    ] = 3,
    seed: Seed = 1,
    page: PagePath = Path("replay.html"),
    no_page: NoPage = False,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """
    Play a rollout again, under another policy.

    Each device fares as it did; what nobody saw is drawn, and it is said how much that is. Prints
    both sides, and writes a page that shows the replay minute by minute.

    With --events no account is asked: what events do not tell is estimated, and needs --policy.

    Exit status: 0 when done, whatever came out.
    """
    chosen = read_policy(policy).compile() if policy else None
    recording = _recording(context, source, events, access)
    steered_by = chosen or recording.policy
    if isinstance(steered_by, str):
        message = (
            f"events name the policy {steered_by} of {source}, but do not hold it: give its file "
            "with --policy"
        )
        raise Refused(message)
    found = replay(
        recording,
        steered_by,
        fleet_size=fleet,
        runs=runs,
        days=days,
        seed=seed,
    )
    screen = Screen(as_json=as_json)
    if as_json:
        screen.document(found.to_json())
    else:
        _show(screen, found)
    if not no_page:
        typed = ["tidegate", "replay", source, *(["--events", events] if events else [])]
        typed += [*(["--policy", policy] if policy else [])]
        typed += [*(["--fleet", str(fleet)] if fleet else []), "--runs", str(runs)]
        typed += ["--days", str(days), "--seed", str(seed)]
        write_text(page, render(found, command=shlex.join(typed)), option="--page")
        print(f"The replay minute by minute: {page}", file=sys.stderr)


def _recording(context: typer.Context, source: str, events: str, access: Access) -> Recording:
    """Return what is known of a rollout, from wherever it was named."""
    if events:
        text = read_text(events, what="the archive")
        return recording_of(read_archive(text, source, source=source_of(events)))
    if source == "-" or is_there(source) or not JOB_ID.fullmatch(source):
        text = read_text(source, what="the recording")
        return read_recording(text, source=source_of(source))
    with opened(context, access) as account:
        return recorded(account, source)


def recorded(account: Account, job_id: str) -> Recording:
    """
    Return what is known of a rollout: times from AWS's own list, the rest from the ledger.

    Raises:
        Failed: The job never had a rollout.
        NotFound: AWS does not have the job any more.
    """
    # boto3 takes long to import, and a recording in a file needs none of it.
    from tidegate.adapters.aws.jobs import IotJobs  # noqa: PLC0415
    from tidegate.adapters.aws.variables import Variables  # noqa: PLC0415

    glance = glance_of(account, job_id)
    jobs = IotJobs(account.client("iot"), Variables({}))
    executions = [each for listed in jobs.executions(job_id) for each in listed]
    names = [each.thing_name for each in executions]
    return record_of(
        glance.rollout,
        executions,
        last=glance.last,
        cohorts=_cohorts(account, glance.rollout, names),
        now=account.clock.now(),
    )


def _cohorts(account: Account, rollout: Rollout, names: list[str]) -> dict[str, str]:
    """Return what each thing is by the first key that the policy tells devices apart by."""
    if not rollout.policy.cohorts.keys:
        return {}
    values = {number: told[0] for number, told in account.ledger.cells(rollout.key).items() if told}
    found: dict[str, str] = {}
    for first in range(0, len(names), _THINGS):
        records = account.ledger.things(rollout.key, names[first : first + _THINGS])
        found |= {name: values.get(record.cell, "") for name, record in records.items()}
    return found


def _show(screen: Screen, found: Replay) -> None:
    screen.line(headline(found))
    screen.table(("", "as it was", "replayed"), lines(found))
    screen.items(list(notes(found)))
