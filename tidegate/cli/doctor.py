"""``tidegate doctor``: is an account in order, and does AWS behave as Tidegate takes it to?"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    Account,
    AsJson,
    opened,
)
from tidegate.cli.exits import ExitStatus
from tidegate.cli.options import spread
from tidegate.cli.output import Screen, complain
from tidegate.domain.settings import RATE_PER_MINUTE_MAX
from tidegate.lab.fleet import SIZE_MAX
from tidegate.ports import POLICY_TAG
from tidegate.service.checkup import ASSUMED, UNPROBED, Checkup, Finding, Level, Plan, assumptions

#: Rollouts that people plan at once.
_ROLLOUTS_MAX = 1000

_SIGNS = {Level.OK: "ok", Level.WARN: "warn", Level.FAIL: "FAIL", Level.UNKNOWN: "?"}
_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "dim"}


@spread
def command(
    context: typer.Context,
    *,
    devices: Annotated[
        int,
        typer.Option(
            min=1, max=SIZE_MAX, metavar="NUMBER", help="Devices in each rollout that you plan."
        ),
    ] = 10_000,
    rollouts: Annotated[
        int,
        typer.Option(
            min=1, max=_ROLLOUTS_MAX, metavar="NUMBER", help="Rollouts that you plan at once."
        ),
    ] = 1,
    per_minute: Annotated[
        int,
        typer.Option(
            min=1, max=RATE_PER_MINUTE_MAX, metavar="NUMBER", help="Their policy's max_per_minute."
        ),
    ] = RATE_PER_MINUTE_MAX,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Find out how AWS behaves, with jobs and things of its own: up to half an hour.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before probing.")] = False,
    minute_seconds: Annotated[
        float, typer.Option(min=0.1, max=60.0, hidden=True, help="Of a minute of the cloud's.")
    ] = 60.0,
    as_json: AsJson = False,
    access: Access,
) -> None:
    """
    Check that all is in place for rollouts to be steered.

    Says how to mend what is not, and changes nothing. Only with --probe does it make a few jobs
    and things, called tidegate-probe-…, which it takes away again.

    Exit status: 0 when nothing fails, warnings or not; 1 when a check fails; 4 when AWS is not
    reached.
    """
    screen = Screen(as_json=as_json)
    if probe and not yes:
        _ask()
    with opened(context, access) as account:
        found = _checkup(account).run(Plan(rollouts, devices, per_minute))
        if probe:
            found += [*_probed(account, minute_seconds), *UNPROBED]
        else:
            found += assumptions()
    if as_json:
        screen.document({"ok": not _failing(found), "checks": [asdict(each) for each in found]})
    else:
        _show(screen, found)
    if _failing(found):
        raise typer.Exit(ExitStatus.REFUSED)


def _checkup(account: Account) -> Checkup:
    # boto3 takes long to import: what needs no account goes without.
    from tidegate.adapters.aws.jobs import IotJobs  # noqa: PLC0415
    from tidegate.adapters.aws.surroundings import AwsSurroundings  # noqa: PLC0415
    from tidegate.adapters.aws.variables import Variables  # noqa: PLC0415

    # A stack that was deployed before has no such output.
    tag = account.outputs.get("PolicyTag", POLICY_TAG)
    return Checkup(
        surroundings=AwsSurroundings(
            stack_name=account.stack_name,
            policy_prefix=account.outputs["PolicyPrefix"],
            bus_name=account.outputs["BusName"],
            job_arn=account.arn("iot", "job/any"),
            client=account.client,
            policy_tag=tag,
        ),
        jobs=IotJobs(account.client("iot"), Variables({"TIDEGATE_POLICY_TAG": tag})),
        ledger=account.ledger,
        clock=account.clock,
    )


def _ask() -> None:
    typer.confirm(
        "This makes nine jobs and up to eight things, called tidegate-probe-…, uses some thirty "
        "remote actions, takes up to half an hour, and takes all of it away again. Go on?",
        abort=True,
        err=True,
    )


def _probed(account: Account, minute_seconds: float) -> list[Finding]:
    """Return what live experiments saw, held against what Tidegate assumes."""
    from tidegate.adapters.aws.probing import Probe  # noqa: PLC0415

    probe = Probe(
        iot=account.client("iot"),
        data=account.client("iot-jobs-data"),
        sleep=account.sleep,
        run_id=f"{int(account.clock.now()):x}",
        minute_seconds=minute_seconds,
    )
    seen = probe.run(lambda assumed: complain(f"finding out: {assumed}"))
    found = [
        Finding(
            check=f"assumed: {each.assumed}",
            level={True: Level.OK, False: Level.WARN, None: Level.UNKNOWN}[each.holds],
            finding=each.saw,
            remedy="" if each.holds else f"it matters: {ASSUMED[each.assumed]}",
        )
        for each in seen
    ]
    found += [
        Finding("probe", Level.FAIL, f"left behind: {each}", "delete it by hand")
        for each in probe.left_behind
    ]
    return found


def _failing(found: Sequence[Finding]) -> bool:
    return any(each.level is Level.FAIL for each in found)


def _show(screen: Screen, found: Sequence[Finding]) -> None:
    for each in found:
        remedy = f" -> {each.remedy}" if each.remedy else ""
        text = f"{_SIGNS[each.level]:4}  {each.check}: {each.finding}{remedy}"
        screen.line(text, style=_STYLES[each.level] if each.level is not Level.UNKNOWN else "")
    counted = ", ".join(
        f"{sum(each.level is level for each in found)} {_SIGNS[level].lower()}" for level in Level
    )
    screen.line()
    screen.line(counted.replace("?", "unknown"))
