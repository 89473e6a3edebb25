"""What a policy says of gates, authority, holds and endings, and what is told of mistakes in it."""

import json
from typing import Any

import pytest

from tests.unit.documents.policies import compiled, told_of
from tidegate.documents.policy import PolicyError, parse_policy_json, parse_policy_yaml
from tidegate.domain.jobs import ExecutionStatus
from tidegate.domain.policy import (
    Action,
    Asking,
    Authorities,
    Authority,
    Completion,
    Fallback,
    Freeze,
    Gate,
    OnAbort,
    Overlap,
    Policy,
)

TEMPLATE = "arn:aws:iot:eu-west-1:123456789012:jobtemplate/back"


def test_a_policy_without_such_sections_asks_nobody_and_waits_for_nothing() -> None:
    """What is left out changes nothing: full authority, no gates, no freeze, no rollback."""
    policy = compiled("")

    assert policy.authority == Authorities()
    assert policy.approval == Asking(1440.0, Fallback.HOLD, Fallback.HOLD)
    assert policy.gates == ()
    assert policy.freeze == Freeze()
    assert policy.complete == Completion()
    assert policy.overlap is Overlap.WARN
    assert policy.on_abort == OnAbort()


@pytest.mark.parametrize("authority", list(Authority))
def test_one_word_is_an_authority_for_all(authority: Authority) -> None:
    """Who trusts Tidegate with nothing yet writes one word, not five."""
    authorities = compiled(f"authority: {authority.value}").authority

    assert {authorities.over(action) for action in Action} == {authority}


def test_an_authority_that_is_left_out_is_full() -> None:
    """Who restricts one action restricts that one."""
    authorities = compiled("authority: {abort: approve}").authority

    assert authorities == Authorities(abort=Authority.APPROVE)


@pytest.mark.parametrize(
    ("written", "asking"),
    [
        ("required", Asking()),
        ("{}", Asking()),
        ("{within: 30m}", Asking(within_minutes=30.0)),
        ("{within: 45, refused: hold}", Asking(45.0, Fallback.HOLD, Fallback.HOLD)),
        ("{unanswered: abort}", Asking(1440.0, Fallback.ABORT, Fallback.ABORT)),
    ],
)
@pytest.mark.parametrize("whom", ["answer", "approval"])
def test_a_gate_asks_as_it_is_told(whom: str, written: str, asking: Asking) -> None:
    """One word asks with the defaults; keys change what they name and nothing else."""
    (gate,) = compiled(f"gates: [{{after: 5, {whom}: {written}}}]").gates

    assert getattr(gate, whom) == asking


def test_gates_have_names_by_position() -> None:
    """A gate without a name can be answered all the same."""
    gates = compiled(
        "gates: [{after: 5, bake: 90s}, {name: b, after: 6, bake: 1d}, {after: 1%, bake: 7}]"
    ).gates

    assert gates == (
        Gate("gate-1", after_devices=5, bake_minutes=1.5),
        Gate("b", after_devices=6, bake_minutes=1440.0),
        Gate("gate-3", after_share=0.01, bake_minutes=7.0),
    )


@pytest.mark.parametrize(
    ("rollback", "source"),
    [
        (f"template: '{TEMPLATE}'", ("jobTemplateArn", TEMPLATE)),
        ("document: {set: {old: true}}", ("document", '{"set": {"old": true}}')),
        ("document: '[1, null]'", ("document", "[1, null]")),
        ("document_source: https://s3/b/k", ("documentSource", "https://s3/b/k")),
    ],
)
def test_a_rollback_is_made_of_what_createjob_takes(rollback: str, source: tuple[str, str]) -> None:
    """Whatever the bad release is undone by comes under the name that CreateJob has for it."""
    found = compiled(f"on_abort: {{rollback: {{{rollback}, include: [FAILED, CANCELED]}}}}")

    assert found.on_abort.rollback is not None
    assert found.on_abort.rollback.source == source
    assert found.on_abort.rollback.policy is None
    assert found.on_abort.rollback.statuses == {
        ExecutionStatus.SUCCEEDED,
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELED,
    }


def test_a_rollback_is_for_those_that_succeeded_if_it_does_not_say() -> None:
    """A device that failed may be in any state: its owner must want it rolled back, too."""
    rollback = compiled("on_abort: {rollback: {document: '{}'}}").on_abort.rollback

    assert rollback is not None
    assert rollback.statuses == {ExecutionStatus.SUCCEEDED}


def test_a_job_document_keeps_what_a_policy_may_not_have() -> None:
    """A key without a value is a mistake in a policy, and none in a document for devices."""
    policy = parse_policy_json(
        {"name": "a", "on_abort": {"rollback": {"document": {"until": None}}}}, source="inline"
    ).compile()

    assert policy.on_abort.rollback is not None
    assert policy.on_abort.rollback.source == ("document", '{"until": null}')


def test_a_policy_is_stored_as_short_as_it_was_written() -> None:
    """A parameter has little room: defaults are not written into it."""
    text = "gates: [{after: 1%, approval: required}]"
    document = parse_policy_yaml(f"name: a\n{text}", source="p.yaml")

    assert document.to_json() == '{"name":"a","gates":[{"after":0.01,"approval":{}}]}'


WORDS = "observe, recommend, approve or auto"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "authority: full",
            (
                f'2:12: authority: "full", but one of a few words, or keys, are needed: write '
                f"{WORDS}, or one of them for each of speed_up, slow_down, abort, roll_back, "
                "complete"
            ),
        ),
        (
            "authority: {abort: never}",
            (f'2:20: authority.abort: "never", but one of a few words is needed: write {WORDS}'),
        ),
        (
            "authority: {aborts: auto}",
            (
                "2:13: authority.aborts: unknown key (is abort meant?): known here are abort, "
                "complete, roll_back, slow_down, speed_up"
            ),
        ),
        (
            "approval: required",
            ('2:11: approval: "required", but keys are needed here: within, unanswered, refused'),
        ),
        (
            "approval: {unanswered: abort}",
            (
                '2:24: approval.unanswered: "abort", but one of a few words is needed: '
                "write hold or pass"
            ),
        ),
        (
            "approval: {within: 31d, refused: pass}",
            (
                (
                    '2:20: approval.within: "31d", but more than none to 30 days are allowed: '
                    "choose a value in between"
                ),
                (
                    '2:34: approval.refused: "pass", but one of a few words is needed: '
                    "write hold or abort"
                ),
            ),
        ),
        ("gates: canary", '2:8: gates: "canary", but a list is needed here'),
        (
            "gates: [canary]",
            (
                '2:9: gates[0]: "canary", but keys are needed here: '
                "name, after, bake, alarms, answer, approval"
            ),
        ),
        ("gates: [{bake: 2h}]", "2:9: gates[0].after: missing, but needed"),
        (
            "gates: [{after: 5}]",
            (
                "2:9: gates[0]: a gate that asks for nothing, which would change nothing: give "
                "it at least one of bake, alarms, answer, approval, or leave it out"
            ),
        ),
        (
            "gates: [{after: 100%, bake: 0}]",
            (
                (
                    '2:17: gates[0].after: "100%", but 1 to 1000000000 devices or a share of the '
                    "fleet below 100% are needed: write it like 50 or 0.5%"
                ),
                (
                    "2:29: gates[0].bake: 0, but more than none to 30 days are allowed: "
                    "choose a value in between"
                ),
            ),
        ),
        (
            "gates: [{name: a b, after: 5, bake: soon}]",
            (
                (
                    '2:16: gates[0].name: "a b", but not every text will do: '
                    "write 1 to 40 letters, digits, - and _"
                ),
                (
                    '2:37: gates[0].bake: "soon", but minutes are needed: '
                    "write a number, or like 90s, 30m or 2h"
                ),
            ),
        ),
        (
            "gates: [{after: 5, answer: yes please}]",
            (
                '2:28: gates[0].answer: "yes please", but only required, or keys, can stand here: '
                "write required, any of within, unanswered, refused, or leave it out"
            ),
        ),
        (
            "gates: [{after: 5, alarms: [x, x, '']}]",
            (
                '2:32: gates[0].alarms[1]: "x" stands here twice: leave one of them out',
                (
                    '2:35: gates[0].alarms[2]: "", but not every text will do: '
                    "write an alarm's name, 1 to 255 characters on one line"
                ),
            ),
        ),
        (
            "gates: [{after: 5, alarms: []}]",
            (
                "2:28: gates[0].alarms: a list of nothing, but a list is needed: "
                "name at least one alarm, or leave it out"
            ),
        ),
        (
            f"freeze: {{alarms: [{', '.join(f'a{n}' for n in range(11))}]}}",
            "2:18: freeze.alarms: 11 items, but at most 10 are read: leave some out",
        ),
        (
            "freeze: {calendars: [a/b], missing_data: alarm}",
            (
                (
                    '2:22: freeze.calendars[0]: "a/b", but not every text will do: '
                    "write a change calendar's name or ARN"
                ),
                (
                    '2:42: freeze.missing_data: "alarm", but one of a few words is needed: '
                    "write hold or ignore"
                ),
            ),
        ),
        (
            "complete: {at: 98, grace: -1}",
            (
                "2:16: complete.at: 98, but a share is needed: write 98% or 0.98",
                (
                    "2:27: complete.grace: -1, but none to 30 days are allowed: "
                    "choose a value in between"
                ),
            ),
        ),
        (
            "overlap: block",
            '2:10: overlap: "block", but one of a few words is needed: write wait, warn or go',
        ),
        (
            "on_abort: {rollback: {policy: p}}",
            (
                "2:22: on_abort.rollback: one of template, document, document_source is needed, "
                "but none is given"
            ),
        ),
        (
            "on_abort: {rollback: {document: {}, document_source: s}}",
            (
                "2:22: on_abort.rollback: one of template, document, document_source is needed, "
                "but document and document_source are given"
            ),
        ),
        (
            "on_abort: {rollback: {document: '{', include: [SUCCEEDED]}}",
            (
                (
                    '2:33: on_abort.rollback.document: "{", but JSON is needed: '
                    "write keys, or a text that is JSON"
                ),
                (
                    '2:48: on_abort.rollback.include[0]: "SUCCEEDED", but one of a few words is '
                    "needed: write FAILED, TIMED_OUT, REJECTED or CANCELED"
                ),
            ),
        ),
        (
            "on_abort: {rollback: {template: back}}",
            (
                '2:33: on_abort.rollback.template: "back", but not every text will do: '
                "write a job template's ARN"
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(
    text: str, told: str | tuple[str, ...]
) -> None:
    """Whatever is wrong with these sections is told where it stands, and what would be right."""
    wanted = (told,) if isinstance(told, str) else told

    assert told_of(text) == [f"p.yaml:{each}" for each in wanted]


def test_gates_stand_in_the_order_in_which_they_are_reached() -> None:
    """Shares are compared with shares and numbers with numbers; no gate lies behind a later one."""
    told = told_of(
        "gates:\n"
        "  - {after: 1%, bake: 1h}\n"
        "  - {after: 100, bake: 1h}\n"
        "  - {after: 0.5%, bake: 1h}\n"
        "  - {after: 100, bake: 1h}\n"
    )

    assert told == [
        (
            "p.yaml:5:13: gates[2].after: 0.005 of the fleet, but a gate above lies at 0.01 of the "
            "fleet: write gates in the order in which they are reached"
        ),
        (
            "p.yaml:6:13: gates[3].after: 100 devices, but a gate above lies at 100 devices: "
            "write gates in the order in which they are reached"
        ),
    ]


@pytest.mark.parametrize(("first", "second"), [("canary", "canary"), ("gate-2", None)])
def test_no_two_gates_bear_the_same_name(first: str, second: str | None) -> None:
    """An answer is for one gate, whether its name was written or follows from its position."""
    gates: list[dict[str, Any]] = [
        {"name": first, "after": 1, "bake": 1},
        {"after": 2, "bake": 1} | ({} if second is None else {"name": second}),
    ]

    with pytest.raises(PolicyError, match="is another gate's name: give each one of its own"):
        parse_policy_json({"name": "a", "gates": gates}, source="inline")


def test_there_are_ten_gates_at_most() -> None:
    """A policy has as many gates as a person can answer for."""
    gates = [{"after": n, "bake": 1} for n in range(1, 12)]

    assert len(parse_policy_json({"name": "a", "gates": gates[:10]}, source="p").gates) == 10
    with pytest.raises(PolicyError, match="gates: 11 gates, but at most 10 are read"):
        parse_policy_json({"name": "a", "gates": gates}, source="p")


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("document", {"a": "x" * 32_768}, "32777 characters, but AWS takes at most 32768"),
        ("document", {"a": float("nan")}, "an object, but JSON is needed"),
        ("document", "NaN", '"NaN", but JSON is needed'),
        ("document", 7, "7, but JSON is needed"),
        ("document_source", "x" * 1351, "but 1 to 1350 characters are needed"),
        ("template", "arn:" + "x" * 1600, "1604 characters, but an ARN has at most 1600"),
    ],
)
def test_a_rollback_is_held_to_what_aws_takes(member: str, value: object, told: str) -> None:
    """What CreateJob would refuse is told when the policy is written, not after an abort."""
    with pytest.raises(PolicyError, match=told):
        parse_policy_json({"name": "a", "on_abort": {"rollback": {member: value}}}, source="p")


def test_the_snapshot_of_everything_is_plain_json() -> None:
    """What is stored with a rollout is read back unchanged."""
    policy = compiled(
        "gates: [{after: 5, answer: required}]\non_abort: {rollback: {document: {a: 1}}}"
    )

    assert Policy.from_compiled(json.loads(json.dumps(policy.to_compiled()))) == policy
