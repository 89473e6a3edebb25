"""``tidegate report``: one rollout, whole, as a page, as Markdown or as JSON."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.account import (
    Access,
    CreatedAt,
    JobId,
    epoch_seconds,
    opened,
)
from tidegate.cli.options import spread
from tidegate.cli.output import complain
from tidegate.console.report import Format, Report, report_of, to_html, to_json, to_markdown
from tidegate.errors import Refused


@spread
def command(
    context: typer.Context,
    job_id: JobId,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Where to write it; - for stdout.",
            show_default="JOB.html; stdout for the others",
        ),
    ] = None,
    created_at: CreatedAt = None,
    access: Access,
) -> None:
    """
    Write a rollout down: what was promised, and what happened.

    The newest rollout of the job, or that of --created-at, whether it is over or not, with the
    evidence for every decision. The report names no devices.
    """
    with opened(context, access) as account:
        ledger, now = account.ledger, account.clock.now()
        created = epoch_seconds(created_at)
        report = report_of(job_id, ledger=ledger, records=ledger, at=now, created_at=created)
    text = _written(report, form)
    if output is None and form is Format.HTML:
        output = Path(f"{job_id}.html")
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        return
    _write(output, text)


def _written(report: Report, form: Format) -> str:
    match form:
        case Format.HTML:
            return to_html(report)
        case Format.MARKDOWN:
            return to_markdown(report)
        case Format.JSON:
            # In ASCII: nothing in it can steer a terminal.
            return json.dumps(to_json(report), indent=2, allow_nan=False) + "\n"


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{output}: the report cannot be written: {error.strerror}: name another --output"
        raise Refused(message) from error
    complain(f"Wrote {output}.")
