"""The registry of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import translated
from tidegate.adapters.job_requests import THING_NAME
from tidegate.domain.things import Traits
from tidegate.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_iot import IoTClient

#: The largest page that the list of a thing's groups gives.
PAGE_SIZE = 250

#: Pages of one thing's groups: AWS allows ten static ones, some levels deep, and some dynamic ones.
GROUP_PAGES_MAX = 10


class RegistryThings:
    """The things of one account and region."""

    def __init__(self, client: IoTClient) -> None:
        """Bind the client."""
        self._client = client

    def traits(self, names: Sequence[str], *, with_groups: bool) -> dict[str, Traits]:
        """Return the traits of those that exist, each a request or two."""
        found = {name: self._traits(name, with_groups=with_groups) for name in dict.fromkeys(names)}
        return {name: traits for name, traits in found.items() if traits is not None}

    def _traits(self, name: str, *, with_groups: bool) -> Traits | None:
        if not THING_NAME.fullmatch(name):
            return None
        try:
            with translated(f"DescribeThing {name}"):
                thing = self._client.describe_thing(thingName=name)
            groups = self._groups(name) if with_groups else frozenset()
        except NotFound:
            return None
        return Traits(
            attributes=thing.get("attributes", {}),
            thing_type=thing.get("thingTypeName") or None,
            groups=groups,
        )

    def _groups(self, name: str) -> frozenset[str]:
        """Return the thing's groups; AWS lists those above them too."""
        groups: set[str] = set()
        token: dict[str, Any] = {}
        for _ in range(GROUP_PAGES_MAX):
            with translated(f"ListThingGroupsForThing {name}"):
                answer = self._client.list_thing_groups_for_thing(
                    thingName=name, maxResults=PAGE_SIZE, **token
                )
            groups.update(each["groupName"] for each in answer.get("thingGroups", []))
            if not answer.get("nextToken"):
                return frozenset(groups)
            token = {"nextToken": answer["nextToken"]}
        message = f"thing {name} is in more than {GROUP_PAGES_MAX} pages of groups: remove some"
        raise Refused(message)
