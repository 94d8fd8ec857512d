"""`python3 -m … FACTS.json PAGES OUT [CACHE] [--language fr]`: one JSON object on stdout; exit 2 when the site is refused."""

import argparse
import json
import sys
from pathlib import Path

from . import Refused, build

parser = argparse.ArgumentParser(description="Build a website's release.")
parser.add_argument("facts", type=Path)
parser.add_argument("pages", type=Path)
parser.add_argument("out", type=Path)
parser.add_argument("cache", type=Path, nargs="?")
parser.add_argument("--language", default="")
given = parser.parse_args()
facts = json.loads(given.facts.read_bytes())
language = given.language or facts["language"]
try:
    made = build(facts, given.pages, given.out, given.cache or given.out / ".cache")
except Refused as refused:
    print(json.dumps({"problems": refused.sentences(language)}, ensure_ascii=False))
    sys.exit(2)
told = {"release": made.name, "folder": str(made.folder), "pages": made.pages, "built": made.built}
told["warnings"] = [one.sentence(language) for one in made.warnings]
print(json.dumps(told, ensure_ascii=False))
