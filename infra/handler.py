"""A Lambda with a role of its own that may do what it was given, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_cloudwatch import IMetric, Metric
from aws_cdk.aws_lambda import Code, Function, Tracing
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from infra.acknowledgement import acknowledge, acknowledge_wildcard
from infra.package import Platform
from infra.role import Conditions, allow, service, service_role
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Common:
    """
    What all Lambdas have in common.

    Attributes:
        settings: The deployment's choices.
        platform: What they run on.
        code: Their package.
    """

    settings: Settings
    platform: Platform
    code: Code


class Handler(Construct):
    """
    One Lambda, the module of its name in ``lambdas``.

    Constructs that offer something hand it out by ``give_to(handler)``: the permission together
    with the environment variable that says where the thing is.

    Attributes:
        name: Its name within the environment.
        policy_tag: The key of the tag that binds a job to a policy of the environment.
        timeout: How long one invocation may take.
        log_group: Where it logs.
        function: The function itself.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        common: Common,
        *,
        name: str,
        description: str,
        memory_mb: int = 256,
        timeout_seconds: int = 30,
    ) -> None:
        super().__init__(scope, construct_id)
        settings = common.settings
        self.name = name.replace("_", "-")
        self.policy_tag = settings.policy_tag
        self._service = name
        # Of the environment: two of them in one account would else be added up.
        self._namespace = settings.stack_name
        function_name = settings.name_of(self.name)
        self.timeout = Duration.seconds(timeout_seconds)
        self.log_group = LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{function_name}",
            retention=settings.log_retention,
            # What must outlive the stack is in the ledger.
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._role = service_role(
            self,
            "Role",
            service("lambda"),
            description=f"What the Lambda {function_name} may do.",
        )
        self.may("logs:CreateLogStream", "logs:PutLogEvents", on=[self.log_group.log_group_arn])
        self.function = Function(
            self,
            "Function",
            function_name=function_name,
            description=description,
            runtime=common.platform.runtime,
            architecture=common.platform.architecture,
            code=common.code,
            handler=f"lambdas.{name}.handler",
            role=self._role,
            memory_size=memory_mb,
            timeout=self.timeout,
            log_group=self.log_group,
            tracing=Tracing.ACTIVE if settings.tracing else Tracing.DISABLED,
            environment={
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": self._namespace,
            },
        )
        if settings.tracing:
            acknowledge(self._role, "IAM5[Resource::*]", "X-Ray's actions know no resources but *.")
        acknowledge(
            self.function,
            "L1",
            "The package is made for this version of Python: a newer one comes with a new package.",
        )

    def may(
        self,
        *actions: str,
        on: Sequence[str],
        when: Conditions | None = None,
        wildcard: str | None = None,
    ) -> None:
        """
        Allow it some actions.

        Args:
            actions: IAM actions.
            on: ARNs of the resources, or patterns of them.
            when: IAM conditions.
            wildcard: Why the patterns among the resources are as wide as they are.
        """
        allow(self._role, *actions, on=on, when=when)
        if wildcard:
            for resource in on:
                acknowledge_wildcard(self._role, resource, wildcard)

    def metric(
        self, name: str, statistic: str, period: Duration, *, label: str | None = None
    ) -> IMetric:
        """Return one of Tidegate's own metrics, as this Lambda publishes it."""
        metric = Metric(
            namespace=self._namespace,
            metric_name=name,
            # By powertools' own name of the dimension.
            dimensions_map={"service": self._service},
            statistic=statistic,
            period=period,
            label=label,
        )
        return cast("IMetric", metric)

    def knows(self, **environment: str) -> None:
        """Give it environment variables."""
        for name, value in environment.items():
            self.function.add_environment(name, value)
