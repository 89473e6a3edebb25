"""Every reason has a sentence, somebody who gives it, and its line in the documentation."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from tidegate.domain.reasons import _SENTENCES, Reason, ReasonCode, Value, reason

REPOSITORY = Path(__file__).parents[3]

#: A row of a table of docs/reasons.md.
ROW = re.compile(r"^\| `(?P<code>[A-Z_]+)` \| (?P<sentence>.+) \|$", re.MULTILINE)


def values_for(code: ReasonCode) -> dict[str, Value]:
    """Return a value of the right kind for each name in a sentence."""
    return {
        name: 0.5 if form else f"<{name}>"
        for _, name, form, _ in Formatter().parse(_SENTENCES[code])
        if name is not None
    }


def codes_given() -> set[str]:
    """Return the names of the codes that modules other than their own refer to."""
    modules = set(REPOSITORY.glob("tidegate/**/*.py")) - {
        REPOSITORY / "tidegate" / "domain" / "reasons.py"
    }
    return {
        node.attr
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "ReasonCode"
    }


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_a_sentence_with_its_numbers(code: ReasonCode) -> None:
    """No decision can rest on a code that people cannot read."""
    values = values_for(code)
    text = reason(code, **values).text

    assert text
    assert not re.search(r"[{}\n]", text)
    assert all(str(value) in text for value in values.values() if isinstance(value, str))


def test_every_code_is_given_by_somebody() -> None:
    """A code that no review gives would be a promise that nobody keeps."""
    assert codes_given() == set(ReasonCode.__members__)


def test_a_reason_without_its_numbers_is_refused() -> None:
    """A missing number is found where the reason is made, not where somebody reads it."""
    with pytest.raises(KeyError, match="rate"):
        reason(ReasonCode.FIRST_SETTINGS)


def test_what_people_write_is_shown_as_it_is() -> None:
    """Braces in a reason that an operator gave are text, not places for numbers."""
    values: dict[str, Value] = {
        "kind": "operator",
        "by": "on-call",
        "since": "noon",
        "why": "{rate} {0}",
    }
    held = reason(ReasonCode.HELD, **values)

    assert held.text == "operator hold by on-call since noon: {rate} {0}"
    assert held == Reason(ReasonCode.HELD, values)


def test_the_documentation_lists_every_sentence() -> None:
    """docs/reasons.md has each code once, in the words that decisions are told in."""
    rows = ROW.findall((REPOSITORY / "docs" / "reasons.md").read_text())

    assert len(rows) == len(_SENTENCES)
    assert dict(rows) == {
        code.value: re.sub(r"\{(\w+):[^}]*\}", r"{\1}", sentence)
        for code, sentence in _SENTENCES.items()
    }
