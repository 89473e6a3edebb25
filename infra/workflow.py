"""The workflow: one Step Functions execution per rollout, and the Lambdas that are its steps."""

from pathlib import Path

from aws_cdk import Arn, ArnComponents, ArnFormat, Aws, Duration, RemovalPolicy, Stack
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_stepfunctions import (
    DefinitionBody,
    LogLevel,
    LogOptions,
    StateMachine,
    StateMachineType,
)
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.bus import Bus
from infra.handler import Common, Handler
from infra.jobs import (
    ANY_JOB,
    ONLY_ENROLLED,
    OWN_GROUPS,
    OWN_TAGS,
    any_of_iot,
    binding,
    enrolled,
    let_count_things,
    let_describe_enrolled,
    let_find_out,
    let_read_things,
    let_update_executions,
)
from infra.ledger import Ledger
from infra.policies import Policies
from infra.role import acting_for, allow, service, service_role
from infra.settings import Settings

#: About as long as until the next look at single devices.
ATTEND_AGE_MAX = Duration.minutes(2)


class Machine:
    """
    The state machine by name, for whoever must know it before it exists.

    Attributes:
        name: Its name.
        arn: Its ARN.
    """

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self.name = settings.name_of("rollout")
        self.arn = self._arn(stack, "stateMachine")
        self._executions = self._arn(stack, "execution", ":*")

    def _arn(self, stack: Stack, resource: str, suffix: str = "") -> str:
        return Arn.format(
            ArnComponents(
                service="states",
                resource=resource,
                resource_name=f"{self.name}{suffix}",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            stack,
        )

    def let_start(self, handler: Handler) -> None:
        """Let a Lambda start executions."""
        handler.knows(TIDEGATE_STATE_MACHINE_ARN=self.arn)
        handler.may("states:StartExecution", on=[self.arn])

    def let_wake(self, handler: Handler) -> None:
        """Let a Lambda answer task tokens."""
        handler.may("states:SendTaskSuccess", on=[self.arn])

    def let_look(self, handler: Handler) -> None:
        """Let a Lambda ask whether an execution runs."""
        handler.knows(TIDEGATE_STATE_MACHINE_ARN=self.arn)
        handler.may(
            "states:DescribeExecution",
            on=[self._executions],
            wildcard="Each rollout has executions of its own; it asks after the one before.",
        )


class Steps(Construct):
    """
    The Lambdas that the workflow calls.

    Attributes:
        enroll: Claims a rollout and prepares its job.
        review: Reads the evidence and decides.
        steer: Applies a decision to the job.
        attend: Looks after single devices: stuck, gone dark, left out.
        roll_back: Launches the job that undoes a stopped release.
        park: Keeps the task token of the waiting workflow.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        bus: Bus,
        ledger: Ledger,
        policies: Policies,
        machine: Machine,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = common.settings
        self.enroll = Handler(
            self,
            "Enroll",
            common,
            name="enroll",
            description="Claims a rollout, and creates or tags its job.",
            memory_mb=512,
            timeout_seconds=60,
        )
        self.review = Handler(
            self,
            "Review",
            common,
            name="review",
            description="Reads what devices reported, and decides how to go on.",
            memory_mb=512,
            timeout_seconds=60,
        )
        self.steer = Handler(
            self,
            "Steer",
            common,
            name="steer",
            description="Applies a decision to the job.",
            timeout_seconds=60,
        )
        self.attend = Handler(
            self,
            "Attend",
            common,
            name="attend",
            description="Looks after devices that are stuck, gone dark, or of cohorts set apart.",
            memory_mb=512,
            timeout_seconds=120,
        )
        self.roll_back = Handler(
            self,
            "RollBack",
            common,
            name="roll_back",
            description="Launches the job that undoes a stopped release.",
            memory_mb=512,
            # A pass over a large fleet reads hundreds of pages, and then adds hundreds of things.
            timeout_seconds=180,
        )
        self.park = Handler(
            self,
            "Park",
            common,
            name="park",
            description="Keeps the waiting workflow's task token.",
        )
        for handler in self.all:
            ledger.give_to(handler)
        for handler in (self.enroll, self.review, self.steer, self.attend, self.roll_back):
            bus.give_to(handler)
        policies.give_to(self.enroll)
        machine.let_look(self.enroll)
        machine.let_look(self.roll_back)
        machine.let_wake(self.park)
        machine.let_start(self.roll_back)
        self._allow_enroll()
        self._allow_review()
        self._allow_steer()
        self._allow_attend()
        self._allow_roll_back()

    @property
    def all(self) -> tuple[Handler, ...]:
        """All steps."""
        return (self.enroll, self.review, self.steer, self.attend, self.roll_back, self.park)

    def _iot(self, kind: str, name: str = "*") -> str:
        return any_of_iot(self, kind, name)

    def _allow_enroll(self) -> None:
        enroll, jobs, groups = self.enroll, self._iot("job"), self._iot("thinggroup")
        let_find_out(enroll)
        enroll.may(
            "iot:TagResource",
            on=[jobs],
            when=binding(enroll),
            wildcard=f"{ANY_JOB}; the condition lets it tag only what it binds to a policy.",
        )
        enroll.may(
            "iot:UntagResource",
            on=[jobs],
            when=OWN_TAGS,
            wildcard=f"{ANY_JOB}; the condition lets only tags of Tidegate's own through.",
        )
        let_describe_enrolled(enroll)
        enroll.may(
            "iot:CreateJob",
            on=[jobs, self._iot("thing"), groups, self._iot("jobtemplate")],
            wildcard="A launch names its job, its targets and its template when it comes.",
        )
        let_count_things(enroll)
        self._let_pass_presign_roles(enroll)

    def _allow_review(self) -> None:
        self.review.knows(TIDEGATE_MINUTE_SECONDS=f"{self._settings.minute_seconds:g}")
        let_describe_enrolled(self.review)
        let_find_out(self.review)
        if self._settings.account_harm_budget:
            self.review.knows(TIDEGATE_ACCOUNT_BUDGET=f"{self._settings.account_harm_budget}")
        self.review.may(
            "cloudwatch:DescribeAlarms",
            "iot:DescribeEventConfigurations",
            "ssm:GetCalendarState",
            on=["*"],
        )
        acknowledge(
            self.review,
            "IAM5[Resource::*]",
            "The account's event configuration, composite alarms, and X-Ray, know no resources "
            "but *. Policies name calendars, of other accounts too, when they come; nothing but "
            "whether one is open can be read.",
        )

    def _allow_steer(self) -> None:
        self.steer.may(
            "iot:CancelJob",
            "iot:DescribeJob",
            "iot:UpdateJob",
            on=[self._iot("job")],
            when=enrolled(self.steer),
            wildcard=ONLY_ENROLLED,
        )
        let_find_out(self.steer)
        self._let_pass_presign_roles(self.steer)

    def _allow_attend(self) -> None:
        attend = self.attend
        attend.knows(TIDEGATE_MINUTE_SECONDS=f"{self._settings.minute_seconds:g}")
        let_describe_enrolled(attend)
        let_find_out(attend)
        let_count_things(attend)
        let_read_things(attend)
        let_update_executions(attend)
        attend.may(
            "iot:CancelJobExecution",
            on=[self._iot("job"), self._iot("thing")],
            wildcard=f"{ANY_JOB}; which devices are left out shows as they report.",
        )
        attend.may(
            "iot:GetIndexingConfiguration",
            "iot:GetStatistics",
            "iot:SearchIndex",
            on=["*"],
        )
        # Set off and not waited for; what fails, or comes too late, a later pass makes up for.
        attend.function.configure_async_invoke(retry_attempts=0, max_event_age=ATTEND_AGE_MAX)

    def _allow_roll_back(self) -> None:
        roll_back, own_groups = self.roll_back, self._iot("thinggroup", OWN_GROUPS)
        let_find_out(roll_back)
        let_describe_enrolled(roll_back)
        only_own = "A group is made for each rollback; its name begins with tidegate-."
        roll_back.may(
            "iot:CreateThingGroup",
            "iot:DescribeThingGroup",
            "iot:ListTagsForResource",
            "iot:ListThingsInThingGroup",
            on=[own_groups],
            wildcard=only_own,
        )
        roll_back.may("iot:TagResource", on=[own_groups], when=OWN_TAGS, wildcard=only_own)
        roll_back.may(
            "iot:AddThingToThingGroup",
            on=[own_groups, self._iot("thing")],
            wildcard="Which devices must be brought back shows when a release is stopped.",
        )

    def _let_pass_presign_roles(self, handler: Handler) -> None:
        if self._settings.presign_role_arns:
            handler.may(
                "iam:PassRole",
                on=self._settings.presign_role_arns,
                when={"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}},
            )


class Workflow(Construct):
    """
    The state machine.

    Attributes:
        state_machine: The state machine itself.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        definition: Path,
        machine: Machine,
        steps: Steps,
        bus: Bus,
    ) -> None:
        super().__init__(scope, construct_id)
        settings = common.settings
        log_group = LogGroup(
            self,
            "Logs",
            # With any other prefix each log group takes space in one policy of the account's.
            log_group_name=f"/aws/vendedlogs/states/{machine.name}",
            retention=settings.log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = service_role(
            self,
            "Role",
            service("states", acting_for([machine.arn])),
            description="What Tidegate's workflow may do.",
        )
        allow(role, "lambda:InvokeFunction", on=[step.function.function_arn for step in steps.all])
        allow(role, "events:PutEvents", on=[bus.bus.event_bus_arn])
        # A long rollout hands over to a fresh execution, far below the limit of its history.
        allow(role, "states:StartExecution", on=[machine.arn])
        acknowledge(role, "IAM5[Resource::*]", "Log delivery and X-Ray know no resources but *.")
        self.state_machine = StateMachine(
            self,
            "StateMachine",
            state_machine_name=machine.name,
            state_machine_type=StateMachineType.STANDARD,
            comment="Steers one rollout.",
            # Inline, not as an asset, so that `cdk diff` shows what changes in it.
            definition_body=DefinitionBody.from_string(definition.read_text(encoding="utf-8")),
            definition_substitutions={
                "Partition": Aws.PARTITION,
                "AttendFunctionArn": steps.attend.function.function_arn,
                "BusName": bus.bus.event_bus_name,
                "EnrollFunctionArn": steps.enroll.function.function_arn,
                "ParkFunctionArn": steps.park.function.function_arn,
                "ReviewFunctionArn": steps.review.function.function_arn,
                "RollBackFunctionArn": steps.roll_back.function.function_arn,
                "StateMachineArn": machine.arn,
                "SteerFunctionArn": steps.steer.function.function_arn,
            },
            role=role,
            logs=LogOptions(destination=log_group, level=LogLevel.ALL, include_execution_data=True),
            tracing_enabled=settings.tracing,
        )
        if not settings.tracing:
            acknowledge(self.state_machine, "SF2", "Whoever deploys it chose not to trace.")
