"""Schemas: they say what the code does, and the files say what the code says."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents import generate
from tidegate.documents.policy import PolicyError, parse_policy_json
from tidegate.documents.schemas import EVENT_SCHEMAS, slug
from tidegate.domain.decision import Evidence

CALENDAR = "arn:aws:ssm:eu-west-1:123456789012:document/ops-freeze"
ROLE = "arn:aws:iam::123456789012:role/job-documents"

POLICY = Draft202012Validator(generate.policy_schema())


@pytest.mark.parametrize("schema", [generate.policy_schema(), *EVENT_SCHEMAS.values()])
def test_each_schema_is_one(schema: dict[str, Any]) -> None:
    """Every schema is valid under the dialect that it names."""
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)


def test_each_schema_has_an_identifier_of_its_own() -> None:
    """No two schemas could be taken for each other."""
    schemas = [generate.policy_schema(), *EVENT_SCHEMAS.values()]

    assert len({schema["$id"] for schema in schemas}) == len(schemas)


def test_evidence_is_described_whole() -> None:
    """Each number of the evidence has its place in the schema."""
    steered = EVENT_SCHEMAS["Rollout Steered"]["properties"]["detail"]["properties"]

    assert set(steered["evidence"]["properties"]) == {each.name for each in fields(Evidence)}


def test_the_policy_schema_is_for_people() -> None:
    """Every key is described, and nothing is in it that only pydantic needs."""
    schema = generate.policy_schema()
    sections = [schema, *schema["$defs"].values()]

    assert '"title"' not in json.dumps(schema)
    assert '"null"' not in json.dumps(schema)
    assert all(
        "description" in member for section in sections for member in section["properties"].values()
    )


def test_the_files_are_fresh() -> None:
    """What is committed under schemas/ is what the code would write."""
    assert generate.stale(generate.FOLDER, generate.files()) == []


def test_generating_writes_all_and_only_that(tmp_path: Path) -> None:
    """Missing and stale files are written, files of events that are gone are removed."""
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "rollout-forgotten.schema.json").write_text("{}")
    (tmp_path / "policy.schema.json").write_text("{}")

    changed = generate.write(tmp_path, generate.files())

    assert changed == sorted([*generate.files(), "events/rollout-forgotten.schema.json"])
    assert generate.write(tmp_path, generate.files()) == []
    assert {path.name for path in (tmp_path / "events").iterdir()} == {
        f"{slug(detail_type)}.schema.json" for detail_type in EVENT_SCHEMAS
    }


def test_a_check_names_what_is_stale_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continuous integration fails with the names of the files and the command that mends them."""
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    generate.main([])
    assert generate.main(["--check"]) == 0
    (tmp_path / "policy.schema.json").write_text("{}")
    capsys.readouterr()

    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "schemas/policy.schema.json is stale: run `make schemas`\n"
    assert (tmp_path / "policy.schema.json").read_text() == "{}"


# The schema and the model take the very same policies, but for what a schema cannot say.

numbers = st.one_of(
    st.integers(-2, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.sampled_from([0.2, 0.5, 1.0, 1.1, 1.15, 5.0, 5.1, 50.0, 59, 60, 1000, 1001, 3600, 10_080]),
    st.sampled_from([10**9, 10**9 + 1, 2**31 - 1, 2**31]),
)
texts = st.one_of(
    st.text("0123456789.%smhd -", max_size=8),
    st.builds("{}{}".format, st.integers(0, 11_000), st.sampled_from("%smhd")),
    st.builds("{}.{}%".format, st.integers(0, 101), st.integers(0, 1000)),
    st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=70),
    st.sampled_from(
        ["FAILED", "SUCCEEDED", "throttle", "admit", ROLE, ROLE[:-1] + " ", "x" * 2029]
    ),
)
scalars = st.none() | st.booleans() | numbers | texts
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=2)
statuses = st.lists(
    st.sampled_from(["FAILED", "TIMED_OUT", "REJECTED", "CANCELED"]) | scalars, max_size=4
)


def section(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return an object of some of these members, now and then with one that is not known."""
    known = {name: strategy | values for name, strategy in members.items()}
    return st.fixed_dictionaries({}, optional=known | {"surprise": st.nothing() | scalars})


asking = st.just("required") | section(
    within=scalars,
    unanswered=st.sampled_from(["hold", "pass", "abort"]),
    refused=st.sampled_from(["hold", "pass", "abort"]),
)
authorities = st.sampled_from(["observe", "recommend", "approve", "auto"])
alarms = st.lists(texts | scalars, max_size=11)
control = {
    "authority": authorities | section(speed_up=authorities, abort=authorities, pause=authorities),
    "approval": asking,
    "gates": st.lists(
        section(
            name=texts,
            after=st.integers(1, 9) | numbers,
            bake=scalars,
            alarms=alarms,
            answer=asking,
            approval=asking,
        ),
        max_size=3,
    ),
    "freeze": section(
        calendars=st.lists(st.sampled_from(["ops-freeze", "ab", CALENDAR]) | texts, max_size=11),
        alarms=alarms,
        missing_data=st.sampled_from(["hold", "ignore", "alarm"]),
    ),
    "complete": section(
        at=scalars, stragglers=st.sampled_from(["leave", "cancel", "abort"]), grace=scalars
    ),
    "overlap": st.sampled_from(["wait", "warn", "go", "stop"]),
    "on_abort": section(
        in_flight=st.sampled_from(["leave", "force", "hold"]),
        rollback=section(
            template=texts,
            document=st.dictionaries(texts, scalars, max_size=2) | texts,
            document_source=texts,
            policy=texts,
            include=st.lists(
                st.sampled_from(["FAILED", "CANCELED", "SUCCEEDED", "QUEUED"]), max_size=5
            ),
        ),
    ),
}
detail_keys = st.lists(st.sampled_from(["reason", "a:b_c-9", "a b", "x" * 129]) | texts, max_size=4)
devices = {
    "stuck": section(
        after=st.sampled_from(["auto", "never", "59s", "60s"]) | scalars,
        then=st.sampled_from(["fail", "extend", "wait"]),
        by=scalars,
        at_most=st.sampled_from([0, 1, 200, 201]) | numbers,
        devices_check_versions=st.booleans(),
    ),
    "cohorts": st.lists(
        st.sampled_from(
            [
                "thing.type",
                "thing.groups",
                "thing.attributes.a,b@c/d#e",
                "thing.attributes.",
                "statusDetails.fromVersion",
                "statusDetails.a b",
                "thing",
            ]
        )
        | scalars,
        max_size=6,
    ),
    "on_suspect": st.sampled_from(["hold", "quarantine", "abort"]),
    "failures": section(keys=detail_keys, never_store=detail_keys),
    "adaptive_timeout": section(
        mode=st.sampled_from(["propose", "set", "auto"]), at_least=scalars, at_most=scalars
    ),
    "soak": scalars | section(**{"for": scalars}),
}

policies = section(
    **control,
    **devices,
    name=st.from_regex(r"[a-zA-Z0-9._-]{1,66}", fullmatch=True),
    harm=section(
        statuses=statuses,
        tolerated_rate=scalars,
        acceptable_rate=scalars,
        budget=scalars,
        confidence=scalars,
        false_abort_risk=scalars,
        baseline=section(
            harmed=st.integers(0, 60) | numbers,
            started=st.integers(50, 10_000) | numbers,
            margin=scalars,
        ),
        late_tolerated_rate=scalars,
        drift_rate=scalars,
        drift_budget=scalars,
    ),
    pace=section(
        mode=st.just("throttle"),
        start_per_minute=numbers,
        max_per_minute=numbers,
        exponential=section(
            increment_factor=st.integers(10, 51).map(lambda tenths: tenths / 10),
            notified_things=numbers,
            succeeded_things=numbers,
        ),
    ),
    job=section(
        timeout=scalars,
        description=texts,
        presigned_url=section(role_arn=st.just(ROLE), expires_in=scalars),
        retries=st.sampled_from([0, 0.0, 1, False]),
        namespace_id=texts,
    ),
)


def faults_of(written: object) -> list[str]:
    """Return the messages of all faults that the model finds."""
    try:
        parse_policy_json(written, source="p")  # type: ignore[arg-type]
    except PolicyError as error:
        return [fault.message for fault in error.faults]
    return []


def beyond_a_schema(message: str) -> bool:
    """Return whether a fault lies between the values of two keys: no schema knows of those."""
    return any(
        each in message
        for each in (
            ", but start_per_minute is ",
            ", but harmed is ",
            " is tolerated: write a rate above it",
            " can be held against a release: ",
            " is another gate's name: ",
            ", but a gate above lies at ",
            ", but JSON is needed: ",
            ", and their values are kept: ",
            ", but at_least is ",
        )
    )


@given(policies)
@example({"name": "a", "harm": {"statuses": ["FAILED", "FAILED"]}})
@example({"name": "a", "harm": {"budget": 1.0}})
@example({"name": "a", "harm": {"confidence": "50.0%", "false_abort_risk": "20.0%"}})
@example(
    {
        "name": "a",
        "job": {"timeout": "10080m", "presigned_url": {"role_arn": ROLE, "expires_in": "1h"}},
    }
)
@example({"name": "a", "job": {"timeout": "169h"}})
@example({"name": "a", "harm": {"baseline": {"harmed": 25, "started": 5000.0, "margin": "0.0%"}}})
@example({"name": "a", "harm": {"baseline": {"harmed": 0, "started": 900}, "tolerated_rate": 0.1}})
@example({"name": "a", "harm": {"baseline": {"harmed": 26, "started": 25}, "drift_budget": 9}})
@example({"name": "a", "pace": {"exponential": {"increment_factor": 2, "notified_things": 5.0}}})
@example({"name": "a", "gates": [{"after": 1, "bake": "720h"}, {"after": 0.1, "bake": "0m"}]})
@example({"name": "a", "gates": [{"after": 1, "bake": "43200m"}, {"after": "5%", "bake": 1e-9}]})
@example({"name": "a", "gates": [{"after": 1, "bake": "43201m"}]})
@example({"name": "a", "gates": [{"after": 1, "bake": "2592000s"}, {"after": 2, "bake": "30d"}]})
@example({"name": "a", "gates": [{"after": 1, "alarms": ["x" * 255]}] * 11})
@example({"name": "a", "gates": [{"after": 1, "answer": {}}, {"after": 1, "answer": "maybe"}]})
@example({"name": "a", "complete": {"at": "100.0%", "grace": "0d"}})
@example({"name": "a", "on_abort": {"rollback": {"document": {"a": None}}}})
@example({"name": "a", "on_abort": {"rollback": {"document": "{}", "template": "arn:x"}}})
@example({"name": "a", "stuck": {"then": "extend", "devices_check_versions": False, "by": "1h"}})
@example({"name": "a", "stuck": {"then": "extend", "devices_check_versions": True}})
@example({"name": "a", "stuck": {"then": "extend", "by": 5}})
@example({"name": "a", "stuck": {"then": "fail", "by": 5}})
@example({"name": "a", "stuck": {"by": 5}})
@example({"name": "a", "cohorts": ["thing.type"] * 2})
@example({"name": "a", "cohorts": [f"thing.attributes.a{n}" for n in range(6)]})
@example({"name": "a", "cohorts": ["statusDetails.v"], "on_suspect": "quarantine"})
@example({"name": "a", "cohorts": ["statusDetails.v", "thing.type"], "on_suspect": "quarantine"})
@example({"name": "a", "on_suspect": "quarantine"})
@example({"name": "a", "failures": {"keys": ["a"], "never_store": ["a"]}})
@example({"name": "a", "soak": {"for": "60s"}})
@example({"name": "a", "soak": {}})
def test_schema_and_model_agree(written: dict[str, Any]) -> None:
    """What an editor underlines is refused, and what it does not underline is taken."""
    faults = [fault for fault in faults_of(written) if not beyond_a_schema(fault)]

    assert POLICY.is_valid(written) == (not faults), faults


@given(
    st.sampled_from(
        [
            ("harm", "tolerated_rate"),
            ("harm", "budget"),
            ("harm", "confidence"),
            ("harm", "false_abort_risk"),
            ("harm", "late_tolerated_rate"),
            ("harm", "drift_rate"),
            ("harm", "drift_budget"),
            ("pace", "start_per_minute"),
            ("job", "timeout"),
            ("job", "description"),
            ("job", "namespace_id"),
            ("approval", "within"),
            ("approval", "unanswered"),
            ("complete", "at"),
            ("complete", "grace"),
            ("authority", "abort"),
            ("stuck", "after"),
            ("stuck", "at_most"),
            ("adaptive_timeout", "at_most"),
            ("soak", "for"),
        ]
    ),
    scalars.filter(lambda value: value is not None),
)
def test_schema_and_model_agree_on_each_quantity(key: tuple[str, str], value: object) -> None:
    """The same, one key at a time, so that every limit is found."""
    written = {"name": "a", key[0]: {key[1]: value}}
    faults = [fault for fault in faults_of(written) if not beyond_a_schema(fault)]

    assert POLICY.is_valid(written) == (not faults), faults


def test_a_schema_cannot_know_all_control_characters() -> None:
    """AWS refuses more invisible characters than a pattern can name: the model knows them all."""
    written = {"name": "a", "job": {"description": "zero\u200bwidth"}}

    assert POLICY.is_valid(written)
    assert faults_of(written)
