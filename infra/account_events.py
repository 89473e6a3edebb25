"""The account's switch for job events, which is off until somebody turns it on."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from infra.acknowledgement import acknowledge
from infra.handler import Common, Handler

SERVICE_TIMEOUT = Duration.minutes(5)


class AccountEvents(Construct):
    """
    Turns on that AWS IoT publishes what happens to jobs and their executions.

    The switch belongs to the whole account and region, others may rely on it too: removing the
    stack leaves it on. The Lambda answers CloudFormation itself.

    Attributes:
        handler: The Lambda.
    """

    def __init__(self, scope: Construct, construct_id: str, common: Common) -> None:
        super().__init__(scope, construct_id)
        self.handler = Handler(
            self,
            "Handler",
            common,
            name="account_events",
            description="Turns on AWS IoT's job events in this account and region.",
        )
        self.handler.may("iot:UpdateEventConfigurations", on=["*"])
        acknowledge(
            self.handler,
            "IAM5[Resource::*]",
            "The account's event configuration, and X-Ray, know no resources but *.",
        )
        CustomResource(
            self,
            "Switch",
            resource_type="Custom::TidegateAccountEvents",
            service_token=self.handler.function.function_arn,
            service_timeout=SERVICE_TIMEOUT,
            properties={"Configurations": ["JOB", "JOB_EXECUTION"]},
        )
