"""
What a version has stored, later ones read: rollouts go on while another version is deployed.

``stored/`` has a file per released version, and one of the version that this is. Run as a program,
this writes the latter anew; those of released versions stay as they are.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.contract.samples import SEASONED
from tests.unit.domain.test_decision import DECISION
from tidegate.adapters.aws.ledger_items import (
    decision_members,
    decision_of,
    encoded_members,
    point_from,
    point_members,
    rollout_members,
    rollout_of,
)
from tidegate.domain.course import Course
from tidegate.domain.points import point_of

STORED = Path(__file__).with_name("stored")
THIS = STORED / f"{version('tidegate')}.json"

#: Members that are JSON in themselves.
_NESTED = ("policy", "memory", "course", "document")


def stored_today() -> dict[str, Any]:
    """Return the items that this version makes of a rollout, a decision and its figures."""
    return {
        "rollout": unfolded(rollout_members(SEASONED)),
        "decision": unfolded(decision_members(replace(DECISION, course=SEASONED.course))),
        "point": unfolded(point_members(point_of(DECISION))),
    }


def read_again(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what today's code stores of items that it has read."""
    items = {name: encoded_members(folded(each)) for name, each in stored.items()}
    return {
        "rollout": unfolded(rollout_members(rollout_of(items["rollout"]))),
        "decision": unfolded(decision_members(decision_of(items["decision"]))),
        "point": unfolded(point_members(point_from(items["point"]))),
    }


def unfolded(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return members with those that are JSON as what they say, so that files can be read."""
    found = {**members} | {name: json.loads(members[name]) for name in _NESTED if name in members}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def folded(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``unfolded`` took."""
    return {**members} | {name: json.dumps(members[name]) for name in _NESTED if name in members}


def common(newer: Any, older: Any) -> Any:  # noqa: ANN401 - plain JSON
    """Return of a newer document what an older one has too."""
    if isinstance(newer, dict) and isinstance(older, dict):
        return {name: common(newer[name], each) for name, each in older.items() if name in newer}
    if isinstance(newer, list) and isinstance(older, list) and len(newer) == len(older):
        return [common(*each) for each in zip(newer, older, strict=True)]
    return newer


@pytest.mark.parametrize("path", sorted(STORED.glob("*.json")), ids=lambda path: path.stem)
def test_what_a_version_stored_is_read(path: Path) -> None:
    """Each member has the value that it had; a member that is gone takes a change of this test."""
    stored = json.loads(path.read_text(encoding="utf-8"))

    assert common(read_again(stored), stored) == stored


def test_members_that_come_later_are_no_difference() -> None:
    """Of two documents, what only the newer one has is left out, however deep; values are not."""
    newer = {"a": 1, "b": {"c": [{"d": 2, "e": 3}], "f": 4}, "g": 5}

    assert common(newer, {"b": {"c": [{"d": 9}], "x": 0}}) == {"b": {"c": [{"d": 2}]}}


def test_what_this_version_stores_is_on_record() -> None:
    """So that the next one is tried with it; `python -m tests.contract.test_stored` writes it."""
    assert json.loads(THIS.read_text(encoding="utf-8")) == stored_today()


@pytest.mark.parametrize("member", sorted(Course().to_document()))
def test_a_course_lacks_what_was_not_stored_yet(member: str) -> None:
    """What later versions add to a rollout's course has its default in one that began before."""
    document = SEASONED.course.to_document()
    del document[member]

    course = Course.from_document(document)

    assert course == replace(SEASONED.course, **{member: getattr(Course(), member)})


def _write() -> None:
    text = json.dumps(stored_today(), indent=1, ensure_ascii=False)
    THIS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
