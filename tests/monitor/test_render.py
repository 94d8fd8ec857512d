"""`monitor render`: what Prometheus and Alertmanager read, judged by their own tools."""

import json
from pathlib import Path

import pytest
import yaml

from tests.monitor.conftest import Tool
from tests.verbs import Run

HOSTILE = "L'Œil \"d'or\" {{ 7*7 }} \\ \u2028 \u202e: - #"


def rendered(run: Run, network: Path, folder: Path, *words: str) -> dict[str, str]:
    said = run("monitor", "render", folder, "--inventory", network, *words)
    assert said.code == 0, said
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_prometheus_and_alertmanager_take_it_and_equal_input_gives_equal_bytes(
    run: Run, example: Path, tmp_path: Path, tool: Tool
) -> None:
    """Their own checks are clean; a second folder is the same, byte for byte."""
    first = rendered(run, example, tmp_path / "a", "--watchdog", "https://w.example/1", "--webhook", "https://h.example/?a=1&b=2")
    tool("promtool", "check", "config", tmp_path / "a/prometheus.yml")
    assert "SUCCESS" in tool("amtool", "check-config", tmp_path / "a/alertmanager.yml")
    again = rendered(run, example, tmp_path / "b", "--watchdog", "https://w.example/1", "--webhook", "https://h.example/?a=1&b=2")
    assert first == again
    assert {"rules/offices.yml", "targets/offices.json", "dashboards/fleet.json", "blackbox.yml"} <= set(first)
    assert not [name for name in first if "test" in name]


def test_what_a_client_wrote_is_a_label_and_nothing_else(run: Run, example: Path, tmp_path: Path, tool: Tool) -> None:
    """Quotes, line separators, braces: byte for byte in the label, and both tools still take the files."""
    edited(example / "offices/demo/dossier.yml", "name: \"L'Épicerie d'à côté\"", f"name: {json.dumps(HOSTILE)}")
    edited(example / "resellers/scop-lumiere.yml", "contact@lumiere.example", "'a{{.x}}`b@lumiere.example'")
    files = rendered(run, example, tmp_path / "a")
    tool("promtool", "check", "config", tmp_path / "a/prometheus.yml")
    tool("amtool", "check-config", tmp_path / "a/alertmanager.yml")
    labels = {one["labels"]["office"]: one["labels"] for one in json.loads(files["targets/offices.json"])}
    assert labels["demo"]["organisation"] == HOSTILE
    receivers = {one["name"]: one for one in yaml.safe_load(files["alertmanager.yml"])["receivers"]}
    assert receivers["scop-lumiere"]["email_configs"][0]["to"] == 'a{{ "{{" }}.x}}`b@lumiere.example'


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("office=demo severity=critical", "scop-lumiere-critical"),
        ("office=demo severity=warning", "scop-lumiere"),
        ("office=demo severity=info", "scop-lumiere-digest"),
        ("office=mairie-saint-aubin severity=critical", "garrigue-numerique-critical"),
        ("office=demo2 severity=critical", "hub"),
        ("alertname=Watchdog", "nobody"),
        ("alertname=HubDiskFull severity=critical", "hub"),
    ],
)
def test_an_alert_reaches_who_answers_for_the_office(
    run: Run, example: Path, tmp_path: Path, tool: Tool, labels: str, receiver: str
) -> None:
    """By reseller and severity; what is of no office is the hub's; as amtool reads the routes."""
    rendered(run, example, tmp_path / "a")
    said = tool("amtool", "config", "routes", "test", "--config.file", tmp_path / "a/alertmanager.yml", *labels.split())
    assert said.splitlines()[0] == receiver  # what follows is a warning about the options


def test_one_members_hub_hears_of_its_own_offices_alone(run: Run, example: Path, tmp_path: Path) -> None:
    """`--reseller`: no office, address or route of another."""
    files = rendered(run, example, tmp_path / "a", "--reseller", "scop-lumiere")
    assert [one["targets"] for one in json.loads(files["targets/offices.json"])] == [["demo"]]
    assert "garrigue" not in "".join(files.values())


def test_a_website_is_watched_once_it_was_deployed(run: Run, example: Path, tmp_path: Path) -> None:
    """One that is still being written is missed by nobody."""
    assert json.loads(rendered(run, example, tmp_path / "a")["targets/websites.json"]) == []
    runs = example / "offices/demo/runs"
    runs.mkdir(exist_ok=True)
    (runs / "20261101T120000Z-0000.json").write_text(json.dumps({"verb": "website deploy", "status": "failed"}))
    assert json.loads(rendered(run, example, tmp_path / "a")["targets/websites.json"]) == []
    (runs / "20261101T130000Z-0000.json").write_text('{"verb": "website deploy", "sta')
    why = {"verb": "remote open", "because": "website deploy", "status": "changed"}
    (runs / "20261101T140000Z-0000.json").write_text(json.dumps(why))
    assert json.loads(rendered(run, example, tmp_path / "a")["targets/websites.json"]) == []
    (runs / "20261102T120000Z-0000.json").write_text(json.dumps({"verb": "website deploy", "status": "changed"}))
    (site,) = json.loads(rendered(run, example, tmp_path / "a")["targets/websites.json"])
    assert site["targets"] == ["https://epicerie.example/"]
    assert site["labels"]["office"] == "demo"


@pytest.mark.usefixtures("run")  # its folders hold the list's cache
def test_only_an_office_that_sends_is_missed(example: Path) -> None:
    """`pushes` of an office: its pack has the agent, and its dossier a hub to send to."""
    from provisioner.alerting import offices
    from provisioner.inventory import open_inventory

    assert not any(one.pushes for one in offices(open_inventory(example)))
    with (example / "offices/demo/dossier.yml").open("a") as dossier:
        dossier.write("remote: {hub: lumiere}\n")
    assert [one.name for one in offices(open_inventory(example)) if one.pushes] == ["demo"]
    pack = example / "packs/standard-2026.1.yml"
    pack.write_text(pack.read_text().replace("    metrics_agent: {}\n", ""))
    assert not any(one.pushes for one in offices(open_inventory(example)))


def test_the_page_that_alerts_lead_to_is_the_hubs(run: Run, example: Path, tmp_path: Path) -> None:
    """`--page` stands in each runbook's address."""
    files = rendered(run, example, tmp_path / "a", "--page", "https://etat.scop.example/")
    assert "https://etat.scop.example/runbooks/offices#officesilent" in files["rules/offices.yml"]
    assert "127.0.0.1:9810/runbooks" not in "".join(files.values())


def test_what_is_no_more_goes_and_what_is_anothers_stays(run: Run, example: Path, tmp_path: Path) -> None:
    """A second render leaves no rule of an older one; a folder that it did not write is refused whole."""
    rendered(run, example, tmp_path / "a")
    (tmp_path / "a/rules/old.yml").write_text("groups: []\n")
    assert "rules/old.yml" not in rendered(run, example, tmp_path / "a")
    other = tmp_path / "b"
    other.mkdir()
    (other / "prometheus.yml").write_text("global: {}\n")
    said = run("monitor", "render", other, "--inventory", example)
    assert (said.code, [path.name for path in other.iterdir()]) == (2, ["prometheus.yml"])
    assert "did not write" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--reseller", "nobody"), "no reseller 'nobody'"), (("--webhook", "ftp://x"), "is no address of a page")],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    run: Run, example: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Exit 2."""
    said = run("monitor", "render", tmp_path / "a", "--inventory", example, *words)
    assert said.code == 2
    assert told in said.err
    assert not (tmp_path / "a").exists()


def test_a_member_without_an_address_is_said(run: Run, example: Path, tmp_path: Path) -> None:
    """Alerts that reach nobody are none."""
    path = example / "resellers/scop-lumiere.yml"
    text = "\n".join(line for line in path.read_text().splitlines() if "email:" not in line or "- {" in line)
    path.write_text(text.replace(", email: contact@lumiere.example", "") + "\n")
    said = run("monitor", "render", tmp_path / "a", "--inventory", example)
    assert said.code == 2
    assert "nobody would hear of the offices of scop-lumiere" in said.err
    assert run("monitor", "render", tmp_path / "a", "--inventory", example, "--webhook", "https://h.example/").code == 0
