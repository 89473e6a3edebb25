"""Who is connected, from fleet indexing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.errors import translated
from tidegate.adapters.job_requests import THING_NAME
from tidegate.domain.things import Presence
from tidegate.errors import Denied, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import ThingDocumentTypeDef

INDEX = "AWS_Things"

#: What one query may be: https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html
QUERY_LENGTH_MAX = 1000
QUERY_TERMS_MAX = 12

#: The largest page that SearchIndex gives.
PAGE_SIZE = 100

#: Pages of one query: names in it are few, but found in whatever case.
PAGES_MAX = 10

CONNECTED = "connectivity.connected:true"

NOT_INDEXED = (
    "fleet indexing does not index connectivity in this account: set thingConnectivityIndexingMode "
    "to STATUS by UpdateIndexingConfiguration, or take soak out of the policy"
)

_FIELD = "thingName:"
_OR = " OR "
_MILLISECONDS = 1000


class FleetPresences:
    """The connections of one account and region, as its index has them: seconds late, or more."""

    def __init__(self, client: IoTClient) -> None:
        """Bind the client."""
        self._client = client

    def read(self, names: Sequence[str]) -> dict[str, Presence]:
        """
        Return the presence of those that have ever connected.

        Raises:
            Refused: Fleet indexing does not index connectivity.
        """
        wanted = [name for name in dict.fromkeys(names) if THING_NAME.fullmatch(name)]
        found: dict[str, Presence] = {}
        for query in _queries(wanted):
            for thing in self._things(query):
                presence = _presence(thing)
                if presence is not None:
                    found[thing["thingName"]] = presence
        if any(name not in found for name in wanted):
            self._check_indexed()  # Else nobody would ever have connected.
        # The index knows no case.
        return {name: found[name] for name in wanted if name in found}

    def connected(self) -> int:
        """Return how many things of the account are connected; raises Refused as ``read``."""
        try:
            with translated(f"GetStatistics {CONNECTED}"):
                answer = self._client.get_statistics(indexName=INDEX, queryString=CONNECTED)
        except Denied:
            raise
        except Refused:
            self._check_indexed()
            raise
        number = answer.get("statistics", {}).get("count", 0)
        if not number:
            self._check_indexed()
        return number

    def _things(self, query: str) -> Iterator[ThingDocumentTypeDef]:
        token: dict[str, Any] = {}
        for _ in range(PAGES_MAX):
            try:
                with translated(f"SearchIndex {query}"):
                    answer = self._client.search_index(
                        indexName=INDEX, queryString=query, maxResults=PAGE_SIZE, **token
                    )
            except NotFound as error:
                raise Refused(NOT_INDEXED) from error
            yield from answer.get("things", [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}
        message = f"SearchIndex gives more than {PAGES_MAX} pages for {query}"
        raise Refused(message)

    def _check_indexed(self) -> None:
        """Raise Refused unless whoever connects is indexed: the index itself does not tell."""
        with translated("GetIndexingConfiguration"):
            answer = self._client.get_indexing_configuration()
        configuration = answer.get("thingIndexingConfiguration", {})
        if configuration.get("thingConnectivityIndexingMode", "OFF") != "STATUS":
            raise Refused(NOT_INDEXED)


def _presence(thing: ThingDocumentTypeDef) -> Presence | None:
    """Return a thing's presence, None if it never connected."""
    connectivity = thing.get("connectivity", {})
    is_connected = connectivity.get("connected", False)
    changed_at = connectivity.get("timestamp", 0)
    if not is_connected and not changed_at:
        return None
    return Presence(is_connected=is_connected, changed_at=changed_at / _MILLISECONDS)


def _queries(names: Iterable[str]) -> Iterator[str]:
    """Yield queries for these names, none longer than AWS takes."""
    terms: list[str] = []
    for name in names:
        # As a phrase: bare, the hyphens and colons of names mean something else.
        term = f'"{name}"'
        is_long = len(_query([*terms, term])) > QUERY_LENGTH_MAX
        if terms and (is_long or len(terms) == QUERY_TERMS_MAX):
            yield _query(terms)
            terms = []
        terms.append(term)
    if terms:
        yield _query(terms)


def _query(terms: Sequence[str]) -> str:
    return _FIELD + (terms[0] if len(terms) == 1 else f"({_OR.join(terms)})")
