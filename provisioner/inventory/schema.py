"""The JSON Schemas of the network's files, for editors: completion and red underlines while a dossier is written."""

import json
from pathlib import Path
from typing import Any

from provisioner.laptop import disk


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file: `dossier`, `pack`, `reseller`, `course`. `name` is not in them: it is the file's own."""
    from provisioner.inventory.courses import Course
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller

    found = {}
    for word, model in (("dossier", Office), ("pack", Pack), ("reseller", Reseller), ("course", Course)):
        schema = model.model_json_schema()
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["title"] = word
        del schema["properties"]["name"]
        schema["required"] = [field for field in schema["required"] if field != "name"]
        _close(schema)
        found[word] = schema
    return found


def _close(schema: object) -> None:
    """Refuse, in every mapping by name, the names that do not fit the pattern: pydantic only describes those that do."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for inner in schema.values():
            _close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _close(inner)


def write(root: Path) -> list[Path]:
    """Write them to INVENTORY/schema/, where the first line of each file points; say which changed."""
    folder = root / "schema"
    folder.mkdir(exist_ok=True)
    changed = []
    for word, schema in schemas().items():
        path = folder / f"{word}.json"
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            disk.write(path, text, mode=0o644)
            changed.append(path)
    return changed
