"""Policies: every file of ``policies/``, validated, compiled, and put where enroll looks."""

import json
from pathlib import Path

from aws_cdk import Stack
from aws_cdk.aws_ssm import StringParameter
from constructs import Construct

from infra.errors import SynthesisError
from infra.handler import Handler
from infra.settings import Settings
from tidegate.documents.policy import parse_policy_yaml
from tidegate.errors import TidegateError

#: What a parameter of the standard tier holds.
PARAMETER_BYTES_MAX = 4096


class Policies(Construct):
    """
    The policies that come with the stack, in Systems Manager's Parameter Store.

    Whoever has the right to may put more beside them, under the same prefix.

    Attributes:
        prefix: What the parameters' names begin with; the policy's name follows.
    """

    def __init__(
        self, scope: Construct, construct_id: str, settings: Settings, *, folder: Path
    ) -> None:
        super().__init__(scope, construct_id)
        self.prefix = settings.policy_prefix
        for name, compiled in compile_all(folder).items():
            StringParameter(
                self,
                name,
                parameter_name=f"{self.prefix}{name}",
                description=f"Tidegate's policy {name}.",
                string_value=compiled,
            )

    def give_to(self, handler: Handler) -> None:
        """Let a Lambda read policies."""
        handler.knows(TIDEGATE_POLICY_PREFIX=self.prefix)
        let_read_parameters(
            handler,
            self.prefix,
            wildcard="A rollout names its policy when it starts; people add policies at any time.",
        )


def let_read_parameters(handler: Handler, prefix: str, *, wildcard: str) -> None:
    """Let a Lambda read the parameters under a prefix, for this reason all of them."""
    parameters = Stack.of(handler).format_arn(
        service="ssm", resource=f"parameter{prefix.rstrip('/')}", resource_name="*"
    )
    handler.may("ssm:GetParameter", on=[parameters], wildcard=wildcard)


def compile_all(folder: Path) -> dict[str, str]:
    """
    Return the compiled policies of a folder by name.

    Raises:
        SynthesisError: One is invalid or too large, or two have the same name.
    """
    compiled: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            document = parse_policy_yaml(path.read_text(encoding="utf-8"), source=str(path))
        except TidegateError as error:
            raise SynthesisError(str(error)) from error
        text = document.to_json()
        name = json.loads(text)["name"]
        if name in compiled:
            message = f"{path}: another file has a policy of the name {name!r} too: rename one"
            raise SynthesisError(message)
        size = len(text.encode())
        if size > PARAMETER_BYTES_MAX:
            message = (
                f"{path}: compiled, the policy has {size} bytes, and Parameter Store takes "
                f"{PARAMETER_BYTES_MAX}: shorten it"
            )
            raise SynthesisError(message)
        compiled[name] = text
    return compiled
