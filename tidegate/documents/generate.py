"""
Writes the schemas of policies and events into ``schemas/``.

``python -m tidegate.documents.generate`` writes them; with ``--check`` it only says which of them
are not what it would write.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.documents.policy import PolicyDocument
from tidegate.documents.schemas import DIALECT, EVENT_SCHEMAS, Schema, schema_id, slug

FOLDER = Path(__file__).parents[2] / "schemas"


def policy_schema() -> Schema:
    """Return the schema of policies, as the model has it."""
    schema = _for_people(PolicyDocument.model_json_schema())
    return {"$schema": DIALECT, "$id": schema_id("policy"), **schema}


def files() -> dict[str, str]:
    """Return what each file below the folder must hold."""
    schemas = {"policy.schema.json": policy_schema()}
    for detail_type, schema in EVENT_SCHEMAS.items():
        schemas[f"events/{slug(detail_type)}.schema.json"] = schema
    return {
        name: json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Return the names of files that are missing, differ, or should not be there."""
    there = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.json")
    }
    return sorted(
        name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)
    )


def write(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Make the folder hold just these files; return the names of those that changed."""
    changed = stale(folder, wanted)
    for name in changed:
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _for_people(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Leave out pydantic's titles, and null, by which it means a key that is left out."""
    if isinstance(schema, list):
        return [_for_people(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: _for_people(each) for name, each in value.items()}
        if key in {"properties", "$defs"}
        else _for_people(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }
    alternatives = kept.get("anyOf", [])
    if {"type": "null"} in alternatives:
        alternatives = [each for each in alternatives if each != {"type": "null"}]
        if len(alternatives) == 1:
            del kept["anyOf"]
            return {**alternatives[0], **kept}
        kept["anyOf"] = alternatives
    return kept


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; return 1 if a check found one that is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name stale files")
    if parser.parse_args(arguments).check:
        names = stale(FOLDER, files())
        for name in names:
            print(f"schemas/{name} is stale: run `make schemas`", file=sys.stderr)
        return 1 if names else 0
    for name in write(FOLDER, files()):
        print(f"schemas/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
