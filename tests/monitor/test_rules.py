"""Rules, their runbooks and dashboards: each alert is tried, leads to a page, and asks only for what somebody exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.monitor.exporter import HELP
from tests.monitor import dashboards
from tests.monitor.conftest import ROOT, Tool

RULES = sorted(path for path in (ROOT / "monitoring/rules").glob("*.yml") if not path.name.endswith(".test.yml"))
EXPORTED = Path(__file__).parent / "exported"
SEVERITIES = {"critical", "warning", "info", "none"}
PROMETHEUS_OWN = {"up", "ALERTS"}
WORD = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")


def alerts() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.stem, rule) for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    ]


def metrics(query: str) -> set[str]:
    """The metrics that a query names: what is left of it without texts, labels, durations and PromQL's words."""
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    return set(WORD.findall(bare)) - {"unless", "and", "or", "bool", "offset"}


def exported() -> set[str]:
    lines = (line for path in EXPORTED.glob("*.txt") for line in path.read_text().splitlines())
    return {line for line in lines if not line.startswith("#")} | set(HELP) | PROMETHEUS_OWN


def queries() -> list[tuple[str, str]]:
    found = [(rule["alert"], rule["expr"]) for _, rule in alerts()]
    for path in sorted(dashboards.FOLDER.glob("*.json")):
        board = json.loads(path.read_text())
        found += [(f"{path.stem}: {panel['title']}", one["expr"]) for panel in board["panels"] for one in panel["targets"]]
        found += [
            (f"{path.stem}: ${one['name']}", re.sub(r"^label_values\((.*), \w+\)$", r"\1", one["query"]))
            for one in board["templating"]["list"]
            if one["type"] == "query"
        ]
    return found


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_prometheus_takes_each_rule_and_its_cases_hold(path: Path, tool: Tool) -> None:
    """`promtool check rules` and `promtool test rules`, with Debian's own promtool."""
    assert "SUCCESS" in tool("promtool", "check", "rules", path)
    assert "SUCCESS" in tool("promtool", "test", "rules", path.with_name(f"{path.stem}.test.yml"))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_alert_is_tried(path: Path) -> None:
    """A rule without a case that fires it could be one that never fires."""
    cases = yaml.safe_load(path.with_name(f"{path.stem}.test.yml").read_text())["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == {rule["alert"] for subject, rule in alerts() if subject == path.stem}


@pytest.mark.parametrize(("subject", "rule"), alerts(), ids=lambda value: value["alert"] if isinstance(value, dict) else "")
def test_each_alert_says_what_it_is_and_leads_to_a_page_in_both_languages(subject: str, rule: dict[str, Any]) -> None:
    """Who is woken at night finds cause, how to look and how to mend."""
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["runbook_url"] == f"http://127.0.0.1:9810/runbooks/{subject}#{rule['alert'].lower()}"
    assert len(rule["annotations"]["summary"]) < 120
    assert rule["annotations"]["description"].endswith(".")
    for suffix, parts in (("", ("Cause.", "Look.", "Mend.")), (".fr", ("Cause.", "Regarder.", "Réparer."))):
        page = (ROOT / f"docs/runbooks/{subject}{suffix}.md").read_text()
        part = page.split(f"## {rule['alert']}\n")[1].split("\n## ")[0]
        assert all(f"**{one}**" in part for one in parts)


def test_no_page_is_about_an_alert_that_is_no_more() -> None:
    """Nor does a page lack its other language."""
    known = {(subject, rule["alert"]) for subject, rule in alerts()}
    for suffix in ("", ".fr"):
        told = {
            (path.name.partition(".")[0], line[3:])
            for path in (ROOT / "docs/runbooks").glob("*.md")
            if path.name.endswith(".fr.md") == bool(suffix)
            for line in path.read_text().splitlines()
            if line.startswith("## ")
        }
        assert told == known


@pytest.mark.parametrize(("where", "query"), queries(), ids=lambda value: value.replace(" ", "-")[:40])
def test_a_query_asks_for_what_somebody_exports(where: str, query: str) -> None:
    """A panel or a rule on a metric that is no more is silent for ever, and nobody notices."""
    assert metrics(query) - exported() == set(), where


def test_a_metric_that_nobody_exports_is_noticed() -> None:
    """The reader of queries finds the names between functions, labels and ranges."""
    asked = (
        'sum by (office) (rate(node_gone_total{job="node"}[5m])) / on (office) group_left (host) other_gone > bool 3 or vector(0)'
    )
    assert metrics(asked) == {"node_gone_total", "other_gone"}


def test_the_dashboards_are_what_their_maker_makes_and_their_queries_parse(tool: Tool, tmp_path: Path) -> None:
    """`python -m tests.monitor.dashboards` was run, and Prometheus reads each query."""
    for name in dashboards.BOARDS:
        assert (dashboards.FOLDER / f"{name}.json").read_text() == dashboards.made(name)
    rules = [{"record": f"q:q{at}", "expr": query} for at, (_, query) in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in tool("promtool", "check", "rules", file)
