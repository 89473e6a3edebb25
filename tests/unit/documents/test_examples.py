"""Examples: whatever is shown to people works, and shows what there is."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tidegate.documents import policy
from tidegate.documents.commands import HoldRollout, parse_command, parse_enrolment
from tidegate.documents.generate import policy_schema
from tidegate.documents.policy import PolicyError, parse_policy_json, parse_policy_yaml
from tidegate.documents.reading import ANY, keys_of
from tidegate.documents.reports import parse_report
from tidegate.documents.schemas import EVENT_SCHEMAS, slug
from tidegate.domain.reasons import Reason, ReasonCode

REPOSITORY = Path(__file__).parents[3]
POLICIES = sorted((REPOSITORY / "policies").glob("*.yaml"))
POLICY_GUIDE = (REPOSITORY / "docs" / "policy.md").read_text(encoding="utf-8")
EVENT_GUIDE = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")

#: What a parameter of SSM's standard tier holds.
PARAMETER_BYTES_MAX = 4096


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


#: Every key of a policy, with those around it; ``[]`` stands for any place in a list.
KEYS = [
    ".".join([*map(str, path), name]).replace(f".{ANY}.", "[].")
    for path, section in policy._SECTIONS.items()
    for name in keys_of(section)
]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_to_copy_is_valid_and_bears_its_files_name(path: Path) -> None:
    """Whoever copies an example starts from one that works, under editors too."""
    text = path.read_text(encoding="utf-8")

    document = parse_policy_yaml(text, source=path.name)

    assert document.name == path.stem
    assert text.startswith("# yaml-language-server: $schema=../schemas/policy.schema.json\n")
    assert (path.parent / "../schemas/policy.schema.json").resolve().is_file()
    assert len(document.to_json().encode()) <= PARAMETER_BYTES_MAX
    assert parse_policy_json(document.to_json(), source="ssm") == document
    Draft202012Validator(policy_schema()).validate(json.loads(document.to_json()))


def test_what_a_policy_offers_in_comments_is_valid_too() -> None:
    """Whoever takes the # away from an offer gets what it says."""
    text = (REPOSITORY / "policies" / "firmware.yaml").read_text(encoding="utf-8")
    offered = re.sub(r"^# ([a-z_]+: )", r"\1", text, flags=re.MULTILINE)

    document = parse_policy_yaml(offered, source="firmware.yaml")

    assert document.model_fields_set >= {"cohorts", "stuck", "adaptive_timeout", "soak"}


def test_the_guide_to_policies_shows_policies() -> None:
    """Every YAML block of the guide is a whole policy; the first two are the same one."""
    documents = [
        parse_policy_yaml(block, source=f"docs/policy.md[{index}]")
        for index, block in enumerate(blocks(POLICY_GUIDE, "yaml"))
    ]

    assert documents[0].compile() == documents[1].compile()
    assert len(documents) == 8


@pytest.mark.parametrize("key", KEYS)
def test_the_guide_to_policies_has_every_key(key: str) -> None:
    """Each key has its row, or its own section."""
    assert f"| `{key}` |" in POLICY_GUIDE or f"## `{key}`" in POLICY_GUIDE


def test_the_guide_to_policies_has_no_other_keys() -> None:
    """A key that went away leaves the guide, too."""
    documented = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", POLICY_GUIDE, re.MULTILINE))

    assert documented <= set(KEYS)


def test_the_guide_to_policies_shows_faults_as_they_are_told() -> None:
    """The messages in the guide are those that such a policy gets."""
    (shown,) = blocks(POLICY_GUIDE, "text")
    text = "name: mine\nharm:\n  budget: 5\n  tolerated_rate: 2\n\nrings: []\n"

    with pytest.raises(PolicyError) as caught:
        parse_policy_yaml(text, source="policies/mine.yaml")

    assert str(caught.value) == shown.rstrip()


EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in blocks(EVENT_GUIDE, "json")]
EVENTS = [each for each in EXAMPLES if "detail-type" in each]


@pytest.mark.parametrize("event", EVENTS)
def test_the_guide_to_events_shows_events(event: dict[str, Any]) -> None:
    """Each example fits its schema, commands are understood, and texts say what the values say."""
    Draft202012Validator(EVENT_SCHEMAS[event["detail-type"]]).validate(event)
    if event["source"] == "tidegate.operator":
        parse_command(event)
    if event["detail-type"] == "Device Execution Report":
        parse_report({"id": "c54b7cd4", "time": "2025-11-24T16:07:56Z"} | event)
    for each in event["detail"].get("reasons", []):
        assert Reason(ReasonCode(each["code"]), each["values"]).text == each["text"]


def test_the_guide_to_events_shows_each_of_them() -> None:
    """No event is without an example, a section and a file."""
    assert {event["detail-type"] for event in EVENTS} == set(EVENT_SCHEMAS)
    for detail_type in EVENT_SCHEMAS:
        assert f"\n### {detail_type}\n" in EVENT_GUIDE
        assert f"[{detail_type}](#{slug(detail_type)})" in EVENT_GUIDE
        assert (REPOSITORY / f"schemas/events/{slug(detail_type)}.schema.json").is_file()


def test_the_guide_to_events_shows_a_workflows_input() -> None:
    """What is shown for the console starts a rollout."""
    (workflow_input,) = (each for each in EXAMPLES if "detail-type" not in each)

    assert parse_enrolment(workflow_input).launch is not None


def test_the_guide_to_events_shows_how_to_send_a_command() -> None:
    """The shell takes the command as it stands there, and Tidegate takes what comes of it."""
    (script,) = blocks(EVENT_GUIDE, "sh")
    program, service, operation, option, entries = shlex.split(script)
    (entry,) = json.loads(entries)

    assert (program, service, operation, option) == ("aws", "events", "put-events", "--entries")
    assert entry["EventBusName"] == "tidegate"
    assert parse_command(
        {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
    ) == HoldRollout("firmware-2-4", "on-call", "support is short of people today")


@pytest.mark.parametrize("guide", ["policy.md", "events.md"])
def test_links_lead_somewhere(guide: str) -> None:
    """Every relative link of the guides names a file that is there."""
    text = (REPOSITORY / "docs" / guide).read_text(encoding="utf-8")
    targets = {link for link in re.findall(r"\]\(([^)#:]+)\)", text) if "://" not in link}

    assert [link for link in targets if not (REPOSITORY / "docs" / link).exists()] == []
