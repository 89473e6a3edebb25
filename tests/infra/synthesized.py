"""A synthesized stack as plain values, with the names that its authors gave to things."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App
from aws_cdk.assertions import Template

from infra.settings import Settings
from infra.stack import POLICIES, TidegateStack

REPOSITORY = Path(__file__).parents[2]

ACCOUNT_ID = "111122223333"
REGION = "eu-west-1"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
}

FEATURE_FLAGS = json.loads((REPOSITORY / "cdk.json").read_text())["context"]


def new_app(context: Mapping[str, object]) -> App:
    """Return an app under our feature flags that does not make the Lambdas' package."""
    return App(
        analytics_reporting=False,
        context={
            **FEATURE_FLAGS,
            "aws:cdk:bundling-stacks": [],
            "aws:cdk:enable-path-metadata": True,
            **context,
        },
    )


class Synthesized:
    """
    A stack's template, read.

    References are replaced by what they stand for: ``<path>`` for a resource and
    ``<path.attribute>`` for what it has, where the path is that of the construct in the stack.

    Attributes:
        app: The app it was made in.
        outputs: The stack's outputs by name.
    """

    def __init__(self, context: Mapping[str, object], policies_folder: Path = POLICIES) -> None:
        self.app = new_app(context)
        settings = Settings.from_context(self.app)
        self.stack = TidegateStack(
            self.app, settings.stack_name, settings=settings, policies_folder=policies_folder
        )
        template = Template.from_stack(self.stack).to_json()
        self._paths = {
            logical_id: self._path(resource)
            for logical_id, resource in template["Resources"].items()
        }
        self._resources = {
            self._paths[logical_id]: resource
            for logical_id, resource in template["Resources"].items()
        }
        self.outputs = {
            name: self.plain(output["Value"]) for name, output in template["Outputs"].items()
        }

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by path."""
        return {
            path: self.plain(resource["Properties"])
            for path, resource in self._resources.items()
            if resource["Type"] == kind
        }

    def one(self, kind: str) -> dict[str, Any]:
        """Return the only resource of a type, whole."""
        (found,) = (each for each in self._resources.values() if each["Type"] == kind)
        return self.plain(found)

    def plain(self, value: Any) -> Any:  # noqa: ANN401 - a CloudFormation value is any JSON
        """Return a CloudFormation value with all references replaced."""
        match value:
            case {"Ref": name}:
                return PSEUDO_PARAMETERS[name] if "::" in name else f"<{self._paths[name]}>"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"<{self._paths[name]}.{attribute}>"
            case {"Fn::Join": [delimiter, parts]}:
                return delimiter.join(map(self.plain, parts))
            case dict():
                return {key: self.plain(each) for key, each in value.items()}
            case list():
                return [self.plain(each) for each in value]
            case _:
                return value

    @staticmethod
    def _path(resource: dict[str, Any]) -> str:
        _, _, path = resource["Metadata"]["aws:cdk:path"].partition("/")
        for last in ("/Resource", "/Default"):
            path = path.removesuffix(last)
        return path
