"""Named policies in SSM Parameter Store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.adapters.aws.errors import translated
from tidegate.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

#: What Parameter Store takes as the last part of a name; a tag's value may be anything.
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class ParameterPolicies:
    """Policies as parameters under one path."""

    def __init__(self, prefix: str, client: SSMClient) -> None:
        """Bind a path, with or without a slash at its end, to the client that reads it."""
        self._prefix = prefix.rstrip("/")
        self._client = client

    def document(self, name: str) -> str:
        """Return the policy's JSON text; raises NotFound."""
        parameter = f"{self._prefix}/{name}"
        missing = (
            f"there is no policy {name!r}: create the parameter {parameter}, or correct the name"
        )
        if not _NAME.fullmatch(name):
            raise NotFound(missing)
        try:
            with translated(f"GetParameter {parameter}"):
                answer = self._client.get_parameter(Name=parameter)
        except NotFound as error:
            raise NotFound(missing) from error
        return answer["Parameter"].get("Value", "")
