"""What Lambdas may be let do with AWS IoT's jobs, and what they may never."""

from aws_cdk import Aws, Stack
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.handler import Handler
from infra.role import Conditions

#: Every tag key in the request begins so.
OWN_TAGS = {"ForAllValues:StringLike": {"aws:TagKeys": "tidegate:*"}}

#: What the names of Tidegate's own thing groups begin with.
OWN_GROUPS = "tidegate-*"

#: The Lambdas that publish how many of their calls AWS IoT throttled.
COUNTING_THROTTLES = ("enroll", "review", "steer", "attend", "roll-back", "relay", "sweep")

ANY_JOB = "Job ids are not known beforehand"
ONLY_ENROLLED = f"{ANY_JOB}; the condition lets only enrolled jobs through."


def enrolled(handler: Handler) -> Conditions:
    """Return the condition that a job is Tidegate's own: that it carries the tag, of any policy."""
    return {"StringLike": {f"aws:ResourceTag/{handler.policy_tag}": "*"}}


def binding(handler: Handler) -> Conditions:
    """
    Return the condition that a request binds a job to a policy, whatever else it tags it with.

    To create a job with tags takes leave to tag it with all of them, a launch's own too.
    """
    return {"StringLike": {f"aws:RequestTag/{handler.policy_tag}": "*"}}


def any_of_iot(scope: Construct, kind: str, name: str = "*") -> str:
    """Return the pattern of all of AWS IoT's resources of a kind, or of those of such names."""
    return Stack.of(scope).format_arn(service="iot", resource=kind, resource_name=name)


def let_read_tags(handler: Handler) -> None:
    """Let a Lambda read the tags of any job, and tell it what it takes to name one."""
    handler.knows(
        TIDEGATE_ACCOUNT_ID=Aws.ACCOUNT_ID,
        TIDEGATE_PARTITION=Aws.PARTITION,
        TIDEGATE_POLICY_TAG=handler.policy_tag,
    )
    handler.may(
        "iot:ListTagsForResource",
        on=[any_of_iot(handler, "job")],
        wildcard=f"{ANY_JOB}; the tags tell whether it is Tidegate's to read, or gone.",
    )


def let_find_out(handler: Handler) -> None:
    """Let a Lambda find out of a job that IAM denies whether it is gone, or not Tidegate's."""
    let_read_tags(handler)
    handler.may(
        "iot:ListJobExecutionsForJob",
        on=[any_of_iot(handler, "job")],
        wildcard=f"{ANY_JOB}; the list tells whether it is gone.",
    )


def let_describe_enrolled(handler: Handler) -> None:
    """Let a Lambda read jobs that are enrolled."""
    jobs = any_of_iot(handler, "job")
    handler.may("iot:DescribeJob", on=[jobs], when=enrolled(handler), wildcard=ONLY_ENROLLED)


def let_count_things(handler: Handler) -> None:
    """Let a Lambda list the things of any thing group."""
    handler.may(
        "iot:ListThingsInThingGroup",
        on=[any_of_iot(handler, "thinggroup")],
        wildcard="A job names its groups when it comes; the size of the fleet is theirs.",
    )


def let_read_things(handler: Handler) -> None:
    """Let a Lambda read what things are: attributes, type and groups."""
    handler.may(
        "iot:DescribeThing",
        "iot:ListThingGroupsForThing",
        on=[any_of_iot(handler, "thing")],
        wildcard="Any device may get a job; what it is tells which cohort it belongs to.",
    )


def let_update_executions(handler: Handler) -> None:
    """
    Let a Lambda act for devices: read and update executions.

    AWS's data plane knows nothing of a job's tags, and its actions are on things: that only
    executions of enrolled jobs are acted upon is kept in code.
    """
    handler.may(
        "iotjobsdata:DescribeJobExecution",
        "iotjobsdata:UpdateJobExecution",
        on=[any_of_iot(handler, "thing")],
        wildcard="Any device may get a job.",
    )
    handler.may(
        "iot:DescribeJobExecution",
        on=[any_of_iot(handler, "job"), any_of_iot(handler, "thing")],
        wildcard=f"{ANY_JOB}; any device may get one.",
    )
    handler.may("iot:DescribeEndpoint", on=["*"])
    acknowledge(
        handler,
        "IAM5[Resource::*]",
        "The account's addresses, fleet indexing's figures, and X-Ray, know no resources but *.",
    )
