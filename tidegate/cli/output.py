"""
What commands print: tables for people at a terminal, lines for pipes, one document for scripts.

Whatever comes from outside (ids, reasons, names) is shown as text and nothing else: no markup is
read, and characters that steer a terminal are replaced. Colours only repeat what words say.
"""

import json
import sys
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidegate.console.worded import State

#: Below, a table would break every word: each row becomes a few lines.
WIDTH_MIN = 80

#: What names a row stays whole up to this share of the terminal's width.
_UNBROKEN_SHARE = 0.4

#: What stands for a character that would steer the terminal.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_STYLES = {"good": "green", "wait": "yellow", "bad": "red"}


def printable(text: str) -> str:
    """Return a text as one line that steers no terminal: no escapes, no changes of direction."""
    return "".join(
        each if each.isprintable() else " " if each.isspace() else REPLACEMENT for each in text
    )


def complain(message: str) -> None:
    """Tell people, on stderr, in one line."""
    print(printable(message), file=sys.stderr)


def stated(state: State) -> Text:
    """Return a state by its sign and its words, in a colour that says the same."""
    return Text(f"{state.sign} {printable(state.words)}", style=_STYLES.get(state.tone, ""))


class Screen:
    """Stdout, for one command: a terminal, a pipe, or a document."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Look at what stdout is."""
        self.as_json = as_json
        self.console = Console(highlight=False, markup=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether people look at it."""
        return self.console.is_terminal and not self.as_json

    @property
    def is_live(self) -> bool:
        """Whether what stands on it can be drawn over."""
        return self.is_terminal and self.console.is_interactive

    def document(self, document: object, *, indent: int | None = 2) -> None:
        """Print JSON, in ASCII: nothing in it can steer a terminal."""
        print(json.dumps(document, indent=indent, allow_nan=False), flush=True)

    def line(self, text: str | Text = "", *, style: str = "") -> None:
        """Print a line; the terminal breaks it where it is too long."""
        if isinstance(text, str):
            text = Text(printable(text), style=style)
        if self.is_terminal:
            self.console.print(text)
        else:
            print(text.plain, flush=True)

    def heading(self, text: str) -> None:
        """Print what stands above a section."""
        self.line()
        self.line(text, style="bold")

    def facts(self, facts: Mapping[str, str | Text]) -> None:
        """Print names and values, those that there are."""
        present = {name: value for name, value in facts.items() if value}
        if not self.is_terminal:
            for name, value in present.items():
                self.cells((name, value))
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, value in present.items():
            table.add_row(f"  {name}", _text(value))
        self.console.print(table)

    def items(self, items: Sequence[str]) -> None:
        """Print texts below one another, each wrapped under itself."""
        if not self.is_terminal:
            for each in items:
                self.line(f"- {each}")
            return
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for each in items:
            table.add_row("  -", _text(each))
        self.console.print(table)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """
        Print rows: a table where it has room, else a few lines each; for pipes, with tabs.

        Args:
            columns: Their names; those in capitals hold numbers.
            rows: As many cells each. The first one names the row.
        """
        if not self.is_terminal:
            for row in (columns, *rows):
                self.cells(row)
        elif self.console.width < WIDTH_MIN:
            self._stacked(columns, rows)
        else:
            self._tabular(columns, rows)

    def cells(self, cells: Sequence[str | Text]) -> None:
        """Print a line for pipes, its parts divided by tabs."""
        print("\t".join(_plain(cell) for cell in cells), flush=True)

    def _stacked(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        for row in rows:
            self.console.print(_text(row[0]).append("", style="bold"), style="bold")
            self.facts(dict(zip(columns[1:], row[1:], strict=True)))

    def _tabular(self, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        # An id that stands on one line can be copied; a very long one leaves others no room.
        longest = max((len(_text(row[0])) for row in rows), default=0)
        table.columns[0].no_wrap = longest <= self.console.width * _UNBROKEN_SHARE
        for row in rows:
            table.add_row(*(_text(cell) for cell in row))
        self.console.print(table)


def _text(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(printable(value))


def _plain(value: str | Text) -> str:
    return printable(value.plain if isinstance(value, Text) else value)
