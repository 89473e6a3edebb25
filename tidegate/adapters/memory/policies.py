"""Named policies in memory."""

from collections.abc import Mapping

from tidegate.adapters.memory.faults import Faults
from tidegate.errors import NotFound


class MemoryPolicies:
    """Policies by name, as JSON text; ``documents`` can be changed at any time."""

    def __init__(self, documents: Mapping[str, str] | None = None) -> None:
        """Start with these."""
        self.faults = Faults()
        self.documents = dict(documents or {})

    def document(self, name: str) -> str:
        """Return the policy's JSON text; raises NotFound."""
        with self.faults.around("document"):
            if name not in self.documents:
                message = f"there is no policy {name!r}: put it there, or correct the name"
                raise NotFound(message)
            return self.documents[name]
