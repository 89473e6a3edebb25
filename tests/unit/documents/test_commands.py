"""Commands: what operators may ask for, and what they are told if it cannot be done."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidegate.documents.commands import (
    COMMAND_BYTES_MAX,
    REVIEWS_DEFAULT,
    SEND_ANOTHER,
    AbortRollout,
    AdjustPolicy,
    Command,
    CommandError,
    EnrollJob,
    Enrolment,
    GiveAnswer,
    HoldRollout,
    LaunchRollout,
    ReleaseCohort,
    ResumeRollout,
    parse_command,
    parse_enrolment,
)
from tidegate.documents.commands import Resume as TakeOver
from tidegate.documents.launch import Launch
from tidegate.documents.schemas import EVENT_SCHEMAS
from tidegate.domain.settings import FailureType, JobSettings, PresignedUrl, RetryCriterion

GROUP = "arn:aws:iot:eu-west-1:123456789012:thinggroup/pumps"
THING = "arn:aws:iot:eu-west-1:123456789012:thing/site:7:pump:3"
TEMPLATE = "arn:aws:iot:eu-west-1:123456789012:jobtemplate/t"
ROLE = "arn:aws:iam::123456789012:role/job-documents"

LAUNCH: dict[str, Any] = {
    "jobId": "fw-2",
    "policy": "firmware",
    "targets": [GROUP],
    "documentSource": "https://s3.amazonaws.com/b/k",
}
BY: dict[str, Any] = {"jobId": "fw-2", "by": "on-call", "reason": "storm"}
ANSWER: dict[str, Any] = {
    "jobId": "fw-2",
    "correlationId": "canary-approval",
    "by": "release-desk",
    "comment": "tickets are quiet",
}


def answered(correlation_id: str, *, yes: bool, about_gate: bool) -> GiveAnswer:
    """Return what the answer above is read into."""
    return GiveAnswer(
        job_id="fw-2",
        question_id=correlation_id,
        yes=yes,
        by="release-desk",
        comment="tickets are quiet",
        about_gate=about_gate,
    )


def event_of(kind: str, detail: object) -> dict[str, Any]:
    """Return a command as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": kind,
        "source": "tidegate.operator",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }


def is_valid(event: dict[str, Any]) -> bool:
    """Return whether the command's schema takes an event."""
    return Draft202012Validator(EVENT_SCHEMAS[event["detail-type"]]).is_valid(event)


def told_of(kind: str, detail: object) -> str:
    """Return what is told of a command that is refused."""
    with pytest.raises(CommandError) as caught:
        parse_command(event_of(kind, detail))
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "detail", "command"),
    [
        ("Hold Rollout", BY, HoldRollout("fw-2", "on-call", "storm")),
        ("Resume Rollout", BY | {"version": "1"}, ResumeRollout("fw-2", "on-call", "storm")),
        ("Abort Rollout", BY, AbortRollout("fw-2", "on-call", "storm")),
        (
            "Approve Gate",
            ANSWER,
            answered("canary-approval", yes=True, about_gate=True),
        ),
        (
            "Reject Gate",
            ANSWER | {"correlationId": "x" * 80},
            answered("x" * 80, yes=False, about_gate=True),
        ),
        (
            "Approve Decision",
            ANSWER | {"correlationId": "decision-31", "version": "1"},
            answered("decision-31", yes=True, about_gate=False),
        ),
        (
            "Reject Decision",
            ANSWER | {"correlationId": "decision-31"},
            answered("decision-31", yes=False, about_gate=False),
        ),
        (
            "Adjust Policy",
            BY | {"policy": "cautious"},
            AdjustPolicy("fw-2", "cautious", "on-call", "storm"),
        ),
        (
            "Adjust Policy",
            BY | {"policy": {"name": "x"}},
            AdjustPolicy("fw-2", {"name": "x"}, "on-call", "storm"),
        ),
        (
            "Release Cohort",
            BY | {"cohort": "thing.type=pump: old"},
            ReleaseCohort("fw-2", "thing.type=pump: old", "on-call", "storm"),
        ),
        ("Enroll Job", {"jobId": "fw-2", "policy": "firmware"}, EnrollJob("fw-2", "firmware")),
        (
            "Enroll Job",
            {"jobId": "fw-2", "policy": {"name": "x"}},
            EnrollJob("fw-2", {"name": "x"}),
        ),
        (
            "Launch Rollout",
            LAUNCH,
            LaunchRollout(
                "fw-2",
                "firmware",
                Launch((GROUP,), {"documentSource": "https://s3.amazonaws.com/b/k"}),
            ),
        ),
    ],
)
def test_a_command_says_what_to_do(kind: str, detail: dict[str, Any], command: Command) -> None:
    """Each detail type is read into the command of its name, as its schema describes it."""
    event = event_of(kind, detail)

    assert parse_command(event) == command
    assert is_valid(event)


def test_a_launch_carries_all_that_a_job_may_have() -> None:
    """Settings come as settings, everything else is handed on under AWS's names, tags apart."""
    passed = {
        "jobTemplateArn": TEMPLATE,
        "targetSelection": "CONTINUOUS",
        "schedulingConfig": {"startTime": "2030-01-01T00:00"},
        "documentParameters": {"url": "https://example.com"},
        "destinationPackageVersions": ["arn:aws:iot:eu-west-1:123456789012:package/p/version/1"],
        "namespaceId": "greengrass",
    }
    settings = {
        "description": "Firmware 2",
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 600},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 45},
        "jobExecutionsRetryConfig": {
            "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]
        },
    }
    detail = {
        "jobId": "fw-2",
        "policy": "firmware",
        "targets": [GROUP, THING],
        "tags": [{"Key": "team", "Value": "pumps"}, {"Key": "empty"}],
        **passed,
        **settings,
    }
    event = event_of("Launch Rollout", detail)

    command = parse_command(event)

    assert isinstance(command, LaunchRollout)
    assert command.launch.targets == (GROUP, THING)
    assert command.launch.passed_through == passed
    assert command.launch.tags == {"team": "pumps", "empty": ""}
    assert command.launch.settings == JobSettings(
        timeout_minutes=45,
        presigned_url=PresignedUrl(ROLE, 600),
        retries=(RetryCriterion(FailureType.FAILED, 2),),
        description="Firmware 2",
    )
    assert is_valid(event)
    assert parse_enrolment(command.enrolment().to_workflow_input()) == command.enrolment()


def test_a_document_may_be_written_as_an_object() -> None:
    """JSON within JSON within JSON is hard to write: an object does as well."""
    detail = {name: LAUNCH[name] for name in ("jobId", "policy", "targets")}

    as_object, as_text = (
        parse_command(event_of("Launch Rollout", detail | {"document": document}))
        for document in ({"set": {"interval": 30}}, '{"set": {"interval": 30}}')
    )

    assert as_object == as_text
    assert isinstance(as_object, LaunchRollout)
    assert as_object.launch.passed_through == {"document": '{"set": {"interval": 30}}'}


GIVE_ID = "give 1 to 64 letters, digits, - and _"
GIVE_POLICY = "give a policy's name, or the policy itself as an object"
GIVE_CRITERIA = (
    "give a list of 1 to 2 objects of failureType (FAILED, TIMED_OUT, ALL) "
    "and numberOfRetries (0 to 10)"
)
NO_DOCUMENT = "one of document, documentSource, jobTemplateArn is needed, but 0 are given"


@pytest.mark.parametrize(
    ("kind", "detail", "told"),
    [
        ("Hold Rollout", [], "Hold Rollout: it is a list, but an object is expected"),
        ("Hold Rollout", None, "Hold Rollout: it is null, but an object is expected"),
        (
            "Hold Rollout",
            {},
            (
                f"Hold Rollout: jobId is missing: {GIVE_ID}; by is missing: give a text; "
                "reason is missing: give a text"
            ),
        ),
        (
            "Abort Rollout",
            {"jobId": "a b", "by": " ", "reason": "x" * 1025},
            (
                f'Abort Rollout of job "a b": jobId is "a b": {GIVE_ID}; by is " ": give a text; '
                "reason has 1025 characters: shorten it to 1024"
            ),
        ),
        (
            "Resume Rollout",
            BY | {"reason": "a\nb", "force": True, "version": "2"},
            (
                'Resume Rollout of job "fw-2": version is "2": give "1", or leave it out; '
                "reason holds control characters or line breaks: write it on one line; "
                '"force" is unknown: by, jobId, reason, version are known'
            ),
        ),
        (
            "Approve Gate",
            {"jobId": "fw-2", "correlationId": "x" * 81, "by": "on-call"},
            (
                f'Approve Gate of job "fw-2": correlationId is "{"x" * 59}…": '
                "give the one that was asked with; comment is missing: give a text"
            ),
        ),
        (
            "Reject Decision",
            ANSWER | {"correlationId": "a b", "comment": " ", "reason": "no"},
            (
                'Reject Decision of job "fw-2": correlationId is "a b": '
                'give the one that was asked with; comment is " ": give a text; '
                '"reason" is unknown: by, comment, correlationId, jobId, version are known'
            ),
        ),
        (
            "Adjust Policy",
            {"jobId": "fw-2", "policy": 7, "by": "on-call"},
            (
                f'Adjust Policy of job "fw-2": policy is 7: {GIVE_POLICY}; '
                "reason is missing: give a text"
            ),
        ),
        (
            "Release Cohort",
            BY | {"cohort": "x" * 267, "key": "thing.type"},
            (
                'Release Cohort of job "fw-2": cohort has 267 characters: shorten it to 266; '
                '"key" is unknown: by, cohort, jobId, reason, version are known'
            ),
        ),
        (
            "Enroll Job",
            {"jobId": "fw-2", "policy": "../x"},
            f'Enroll Job of job "fw-2": policy is "../x": {GIVE_POLICY}',
        ),
        (
            "Enroll Job",
            {"jobId": "fw-2"},
            f'Enroll Job of job "fw-2": policy is missing: {GIVE_POLICY}',
        ),
        (
            "Launch Rollout",
            {"jobId": "fw-2", "policy": "p", "targets": []},
            (
                'Launch Rollout of job "fw-2": targets has 0 items: '
                f"give 1 to 100 ARNs of things or thing groups; {NO_DOCUMENT}"
            ),
        ),
        (
            "Launch Rollout",
            LAUNCH | {"jobTemplateArn": TEMPLATE},
            (
                'Launch Rollout of job "fw-2": one of document, documentSource, jobTemplateArn is '
                "needed, but 2 are given"
            ),
        ),
    ],
)
def test_all_that_is_wrong_with_a_command_is_told_at_once(
    kind: str, detail: object, told: str
) -> None:
    """One message names the command, its job, and each fault with its remedy."""
    assert told_of(kind, detail) == told
    assert not is_valid(event_of(kind, detail))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"targets": "all"},
            'targets is "all": give a list of 1 to 100 ARNs of things or thing groups',
        ),
        ({"targets": [GROUP, "x"]}, 'targets[1] is "x", not among ARNs of things or thing groups'),
        (
            {"targets": [GROUP] * 101},
            "targets has 101 items: give 1 to 100 ARNs of things or thing groups",
        ),
        ({"documentSource": ""}, 'documentSource is "": give a text'),
        ({"description": 7}, "description is 7: give a text"),
        (
            {"description": "a\nb"},
            (
                "description is 'a\\nb', but AWS refuses control characters, "
                "line breaks among them: write it on one line"
            ),
        ),
        ({"presignedUrlConfig": "x"}, 'presignedUrlConfig is "x": give an object'),
        ({"presignedUrlConfig": {}}, "presignedUrlConfig.roleArn is missing: give a text"),
        (
            {"presignedUrlConfig": {"roleArn": "x", "expiresInSec": 5, "a": 1}},
            (
                "presignedUrlConfig.expiresInSec is 5: give a whole number from 60 to 3600; "
                'presignedUrlConfig."a" is unknown: expiresInSec, roleArn are known; '
                "presignedUrlConfig.roleArn is 'x', but AWS wants the ARN of an IAM role: "
                "give arn:aws:iam::ACCOUNT:role/NAME"
            ),
        ),
        (
            {"timeoutConfig": {}},
            (
                "timeoutConfig.inProgressTimeoutInMinutes is missing: "
                "give a whole number from 1 to 10080"
            ),
        ),
        ({"timeoutConfig": []}, "timeoutConfig is a list: give an object"),
        ({"jobExecutionsRetryConfig": 1}, "jobExecutionsRetryConfig is 1: give an object"),
        (
            {"jobExecutionsRetryConfig": {}},
            f"jobExecutionsRetryConfig.criteriaList is missing: {GIVE_CRITERIA}",
        ),
        (
            {
                "jobExecutionsRetryConfig": {
                    "criteriaList": [{"failureType": "REJECTED", "numberOfRetries": 1}]
                }
            },
            (
                "jobExecutionsRetryConfig.criteriaList[0] is an object, not among objects of "
                "failureType (FAILED, TIMED_OUT, ALL) and numberOfRetries (0 to 10)"
            ),
        ),
        ({"targetSelection": "ALL"}, 'targetSelection is "ALL": give SNAPSHOT or CONTINUOUS'),
        (
            {"schedulingConfig": "now"},
            'schedulingConfig is "now": give an object, as CreateJob takes it',
        ),
        (
            {"documentParameters": {"a": 1}},
            "documentParameters is an object: give an object that holds texts only",
        ),
        (
            {"destinationPackageVersions": ["x"]},
            'destinationPackageVersions[0] is "x", not among ARNs of package versions',
        ),
        ({"namespaceId": "a b"}, 'namespaceId is "a b": give letters, digits, - and _'),
        (
            {"tags": {"a": "b"}},
            "tags is an object: give a list of 1 to 45 objects of Key and Value",
        ),
        ({"tags": [{"Value": "b"}]}, "tags[0] is an object, not among objects of Key and Value"),
        (
            {"tags": [{"Key": "tidegate:policy", "Value": "x"}]},
            'tags has "tidegate:policy": keys that begin like this are reserved',
        ),
        (
            {"jobExecutionsRolloutConfig": {"maximumPerMinute": 5}},
            "jobExecutionsRolloutConfig is for the policy to decide: leave it out",
        ),
        ({"abortConfig": {}}, "abortConfig is for the policy to decide: leave it out"),
    ],
)
def test_a_launch_is_held_against_what_aws_takes(change: dict[str, Any], told: str) -> None:
    """What CreateJob would refuse is told before a workflow is started."""
    event = event_of("Launch Rollout", LAUNCH | change)

    assert told_of("Launch Rollout", LAUNCH | change) == f'Launch Rollout of job "fw-2": {told}'
    assert not is_valid(event)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"document": "{"}, 'document is "{": give JSON, as an object or as a text'),
        (
            {"document": f'"{"x" * 32_768}"'},
            (
                "document has 32770 characters, but AWS takes at most 32768: "
                "put it into S3 and give documentSource"
            ),
        ),
        (
            {"document": {"x": "y" * 32_768}},
            (
                "document has 32777 characters, but AWS takes at most 32768: "
                "put it into S3 and give documentSource"
            ),
        ),
        (
            {"documentSource": "s", "tags": [{"Key": "a"}, {"Key": "a"}]},
            'tags has "a" twice: leave one out',
        ),
    ],
)
def test_what_a_schema_cannot_say_is_checked_all_the_same(
    change: dict[str, Any], told: str
) -> None:
    """A document must be JSON that fits, and a tag must stand once."""
    detail = {name: LAUNCH[name] for name in ("jobId", "policy", "targets")} | change

    assert told_of("Launch Rollout", detail) == f'Launch Rollout of job "fw-2": {told}'


@pytest.mark.parametrize(
    ("source", "kind"),
    [("tidegate.operator", "Hold"), ("me", "Hold Rollout"), (None, None), ([], {})],
)
def test_what_is_no_command_is_told_which_there_are(source: object, kind: object) -> None:
    """An event by another name, or from elsewhere, is not taken for a command."""
    with pytest.raises(CommandError) as caught:
        parse_command({"source": source, "detail-type": kind, "detail": {}})

    assert str(caught.value).endswith(
        "is no command: tidegate.operator sends Launch Rollout, Enroll Job, Hold Rollout, "
        "Resume Rollout, Abort Rollout, Approve Gate, Reject Gate, Approve Decision, "
        "Reject Decision, Adjust Policy, Release Cohort"
    )


def test_a_refusal_says_what_to_do() -> None:
    """Problem and remedy come apart, for the event that answers the command."""
    error = CommandError("Hold Rollout: it is a list")

    assert (error.problem, error.remedy) == (str(error), SEND_ANOTHER)
    assert CommandError("job a is over", "Launch another.").remedy == "Launch another."


def test_a_flood_of_faults_is_bounded() -> None:
    """A hostile command costs a bounded message."""
    told = told_of("Hold Rollout", BY | {f"x{index}": 1 for index in range(30)})

    assert told.endswith("; and 10 more")
    assert len(told) < 2500


def test_what_is_too_large_for_a_workflow_is_refused() -> None:
    """A command that could not be a workflow's input is refused before anything is started."""
    told = told_of("Enroll Job", {"jobId": "a", "policy": {"x": "y" * COMMAND_BYTES_MAX}})

    assert told == "Enroll Job: as JSON it has more than 200000 bytes, or it is no JSON"


@pytest.mark.parametrize("odd", [float("nan"), "\ud800", {1, 2}])
def test_what_json_cannot_carry_is_refused(odd: object) -> None:
    """Nothing is handed on that AWS could not be sent."""
    told = told_of("Enroll Job", {"jobId": "a", "policy": {"x": odd}})

    assert told == "Enroll Job: as JSON it has more than 200000 bytes, or it is no JSON"


def test_a_workflow_can_be_started_by_hand() -> None:
    """The least that somebody types into a console is enough."""
    assert parse_enrolment({"jobId": "fw-2", "policy": "firmware"}) == Enrolment(
        "fw-2", "firmware", launch=None, reviews=REVIEWS_DEFAULT, resume=None
    )


def test_a_workflow_that_was_started_by_another_may_say_so() -> None:
    """Step Functions' own mark of a nested execution is no member to be refused."""
    started_by = {"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:execution"}

    assert parse_enrolment({"jobId": "a", "policy": "p"} | started_by) == Enrolment("a", "p")


def test_a_hand_over_needs_no_policy() -> None:
    """Who takes a rollout over has its snapshot; the policy may come along or not."""
    enrolment = Enrolment("fw-2", None, reviews=3, resume=TakeOver(1764000000, 4, "arn:execution"))

    assert parse_enrolment(enrolment.to_workflow_input()) == enrolment
    assert parse_enrolment(enrolment.to_workflow_input() | {"policy": "p"}).policy == "p"


def test_a_rollback_says_what_it_undoes() -> None:
    """A workflow that launches a rollback knows the job that it is for."""
    launch = Launch((GROUP,), {"documentSource": "https://s3.amazonaws.com/b/k"})
    enrolment = Enrolment("fw-2-rollback", "firmware", launch, rolls_back="fw-2")

    assert enrolment.to_workflow_input()["rollsBack"] == "fw-2"
    assert parse_enrolment(enrolment.to_workflow_input()) == enrolment


def test_a_workflow_knows_the_command_that_it_comes_of() -> None:
    """So that whoever sent it can tell the answer to it from others."""
    enrolment = Enrolment("fw-2", "firmware", command_id="6a7e8feb-b491-4cf7-a9f1-bf3703467718")

    assert parse_enrolment(enrolment.to_workflow_input()) == enrolment
    with pytest.raises(CommandError, match="commandId"):
        parse_enrolment({"jobId": "fw-2", "policy": "firmware", "commandId": "two words"})


@pytest.mark.parametrize(
    ("given_input", "told"),
    [
        ([], "workflow input: it is a list, but an object is expected"),
        ({"jobId": "a"}, f'workflow input of job "a": policy is missing: {GIVE_POLICY}'),
        (
            {"jobId": "a", "policy": "p", "reviews": 0, "Policy": 1},
            (
                'workflow input of job "a": reviews is 0: give a whole number from 1 to 750; '
                '"Policy" is unknown: commandId, jobId, launch, policy, resume, reviews, rollsBack '
                "are known"
            ),
        ),
        (
            {"jobId": "a", "policy": "p", "launch": 1, "resume": {}},
            (
                'workflow input of job "a": '
                "launch must not stand beside resume: the job exists by then; "
                "launch is 1: give an object; "
                "resume.createdAt is missing: give a whole number from 1 to 100000000000; "
                "resume.generation is missing: give a whole number from 1 to 1000000; "
                "resume.fromExecution is missing: give a text"
            ),
        ),
        (
            {"jobId": "a", "policy": "p", "launch": {"targets": [GROUP], "jobId": "b"}},
            (
                f'workflow input of job "a": {NO_DOCUMENT}; '
                'launch."jobId" is unknown: description, destinationPackageVersions, document, '
                "documentParameters, documentSource, jobExecutionsRetryConfig, jobTemplateArn, "
                "namespaceId, presignedUrlConfig, schedulingConfig, tags, targetSelection, "
                "targets, timeoutConfig are known"
            ),
        ),
        (
            {"jobId": "a", "policy": "p", "rollsBack": "a b"},
            (
                f'workflow input of job "a": rollsBack is "a b": {GIVE_ID}; '
                "rollsBack stands without launch: only a job to be created undoes another"
            ),
        ),
        (
            {"jobId": "a", "policy": "p", "resume": "x"},
            'workflow input of job "a": resume is "x": give an object',
        ),
    ],
)
def test_a_faulty_input_is_told_all_at_once(given_input: Any, told: str) -> None:  # noqa: ANN401
    """Whoever starts a workflow by hand learns of every mistake from one message."""
    with pytest.raises(CommandError) as caught:
        parse_enrolment(given_input)

    assert str(caught.value) == told


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([GROUP, ROLE]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
KINDS = [
    "Launch Rollout",
    "Enroll Job",
    "Hold Rollout",
    "Resume Rollout",
    "Abort Rollout",
    "Approve Gate",
    "Reject Decision",
    "Adjust Policy",
    "Release Cohort",
]
MEMBERS = list(
    {name for kind in KINDS for name in EVENT_SCHEMAS[kind]["properties"]["detail"]["properties"]}
)


@given(
    st.sampled_from(KINDS),
    st.sampled_from([LAUNCH, BY, ANSWER, {}]),
    st.dictionaries(st.sampled_from(sorted(MEMBERS)), anything, max_size=4),
)
def test_no_command_is_answered_by_another_error(
    kind: str, sound: dict[str, Any], change: dict[str, Any]
) -> None:
    """A command is read or refused; what is read is what its schema takes, and plain JSON."""
    event = event_of(kind, sound | change)
    try:
        command = parse_command(event)
    except CommandError:
        return
    assert is_valid(event)
    if isinstance(command, LaunchRollout | EnrollJob):
        enrolment = command.enrolment()
        assert parse_enrolment(json.loads(json.dumps(enrolment.to_workflow_input()))) == enrolment
