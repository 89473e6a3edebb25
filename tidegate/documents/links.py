"""Addresses in AWS's own consoles: where to look on, once a page has said what there is."""

import re
from dataclasses import dataclass
from urllib.parse import quote

#: Consoles by partition; the first part of ARNs after ``arn``.
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}

#: How far back a query of logs looks, unless somebody turns that in the console.
LOGS_SECONDS = 7 * 86_400

#: What the address of a query may hold as it is; everything else is written in hexadecimal.
_NOT_PLAIN = re.compile(rb"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Consoles:
    """The consoles of one partition and region."""

    partition: str
    region: str

    @classmethod
    def of_arn(cls, arn: str) -> "Consoles":
        """Return the consoles that show the resource of this ARN."""
        _, partition, _, region, *_ = [*arn.split(":"), "", "", "", ""]
        return cls(partition, region)

    def execution(self, arn: str) -> str:
        """Return where a workflow execution is."""
        return self._at("states", f"/v2/executions/details/{quote(arn, safe=':')}")

    def job(self, job_id: str) -> str:
        """Return where a job of AWS IoT is."""
        return self._at("iot", f"/job/{quote(job_id, safe='')}")

    def logs(self, group: str, query: str) -> str:
        """Return where a query of a log group is ready to be run."""
        detail = (
            f"~(end~0~start~-{LOGS_SECONDS}~timeType~'RELATIVE~unit~'seconds"
            f"~editorString~'{_packed(query)}~source~(~'{_packed(group)}))"
        )
        return self._at("cloudwatch", f"logsV2:logs-insights$3FqueryDetail$3D{detail}")

    def _at(self, service: str, place: str) -> str:
        # A partition that is not known here is one of AWS's newer ones; most share the first.
        host = CONSOLES.get(self.partition, CONSOLES["aws"])
        region = quote(self.region, safe="")
        return f"https://{region}.{host}/{service}/home?region={region}#{place}"


def _packed(text: str) -> str:
    """Return a text as CloudWatch writes it into an address: ``*20`` for a blank."""
    escaped = _NOT_PLAIN.sub(lambda found: b"*%02x" % ord(found[0]), text.encode())
    return escaped.decode()
