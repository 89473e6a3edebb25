"""How devices read a job's document."""

from __future__ import annotations

import pytest

from tidegate.local.devices import version_in


@pytest.mark.parametrize(
    ("document", "version"),
    [
        ('{"operation": "install", "version": "2.1.0"}', "2.1.0"),
        ('{"operation": "reboot"}', "unknown"),
        ('{"version": 2}', "unknown"),
        ('["version"]', "unknown"),
        ("not JSON", "unknown"),
    ],
)
def test_the_release_is_the_document_s_version(document: str, version: str) -> None:
    """A document that names no release is a release nobody knows, not an error."""
    assert version_in(document) == version
