"""The dashboards, made with Grafana's own library: `python -m tests.monitor.dashboards` writes monitoring/dashboards/*.json.

To import into a Grafana of one's own (Debian has none). A test holds the files to what this makes, and each query to metrics that
somebody exports.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FOLDER = Path(__file__).resolve().parents[2] / "monitoring/dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
REAL_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|fuse.*"'


@dataclass(frozen=True)
class Panel:
    """A panel: its `kind` (`stat`, `table`, `curve`), Grafana's unit, and the queries with their legends."""

    kind: str
    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    wide: bool = False


HOST = '{job="node", office="$office", host="$host"'
BOARDS: dict[str, tuple[str, tuple[tuple[str, str], ...], tuple[Panel, ...]]] = {
    "fleet": (
        "Offices",
        (),
        (
            Panel("stat", "Offices", (("count(provisioner_office_info)", ""),)),
            Panel(
                "stat",
                "Silent",
                (
                    (
                        'count(provisioner_office_info{pushes="yes"} unless on (office) count by (office) (up{job="node"}))'
                        " or vector(0)",
                        "",
                    ),
                ),
            ),
            Panel("stat", "Critical", (('count(provisioner_check_level{ignored="no"} == 3) or vector(0)', ""),)),
            Panel("stat", "Not known", (('count(provisioner_check_level{ignored="no"} == 2) or vector(0)', ""),)),
            Panel("table", "Alerts", (('sort_desc(ALERTS{alertstate="firing", alertname!="Watchdog"})', ""),), wide=True),
            Panel(
                "table", "The worst of each office", (('max by (office) (provisioner_check_level{ignored="no"})', ""),), wide=True
            ),
            Panel("curve", "Findings", (('count by (check) (provisioner_check_level{ignored="no"} > 0)', "{{check}}"),)),
            Panel("curve", "Websites that answer", (('probe_success{job="website"}', "{{office}}"),)),
            Panel(
                "curve",
                "Age of the last check",
                (("time() - provisioner_check_timestamp_seconds", "{{office}}"),),
                "s",
            ),
            Panel(
                "curve",
                "Samples that arrive",
                (("rate(prometheus_tsdb_head_samples_appended_total[5m])", "per second"),),
            ),
        ),
    ),
    "office": (
        "An office",
        (("office", "label_values(provisioner_office_info, office)"),),
        (
            Panel(
                "table",
                "Findings",
                (('sort_desc(provisioner_check_level{office="$office", ignored="no"} > 0)', ""),),
                wide=True,
            ),
            Panel("curve", "Machines that answer", (('up{job="node", office="$office"}', "{{host}}"),)),
            Panel(
                "curve",
                "The fullest disk",
                (
                    (
                        f'max by (host) (1 - node_filesystem_avail_bytes{{job="node", office="$office", {REAL_DISKS}}}'
                        " / node_filesystem_size_bytes)",
                        "{{host}}",
                    ),
                ),
                "percentunit",
            ),
            Panel(
                "curve",
                "Processor",
                (
                    (
                        '1 - avg by (host) (rate(node_cpu_seconds_total{job="node", office="$office", mode="idle"}[5m]))',
                        "{{host}}",
                    ),
                ),
                "percentunit",
            ),
            Panel(
                "curve",
                "Memory",
                (('1 - node_memory_MemAvailable_bytes{job="node", office="$office"} / node_memory_MemTotal_bytes', "{{host}}"),),
                "percentunit",
            ),
            Panel("curve", "Website", (('probe_duration_seconds{job="website", office="$office"}', "{{instance}}"),), "s"),
            Panel(
                "table",
                "Services that failed",
                (('node_systemd_unit_state{job="node", office="$office", state="failed"} == 1', ""),),
            ),
        ),
    ),
    "host": (
        "A machine",
        (
            ("office", "label_values(provisioner_office_info, office)"),
            ("host", 'label_values(up{job="node", office="$office"}, host)'),
        ),
        (
            Panel(
                "curve", "Processor", ((f'sum by (mode) (rate(node_cpu_seconds_total{HOST}, mode!="idle"}}[5m]))', "{{mode}}"),)
            ),
            Panel("curve", "Load", ((f"node_load5{HOST}}}", "5 minutes"),)),
            Panel(
                "curve",
                "Memory",
                ((f"node_memory_MemAvailable_bytes{HOST}}}", "available"), (f"node_memory_MemTotal_bytes{HOST}}}", "all")),
                "bytes",
            ),
            Panel(
                "curve", "Free on the disks", ((f"node_filesystem_avail_bytes{HOST}, {REAL_DISKS}}}", "{{mountpoint}}"),), "bytes"
            ),
            Panel(
                "curve",
                "Disks",
                (
                    (f"rate(node_disk_read_bytes_total{HOST}}}[5m])", "{{device}} read"),
                    (f"rate(node_disk_written_bytes_total{HOST}}}[5m])", "{{device}} written"),
                ),
                "Bps",
            ),
            Panel(
                "curve",
                "Network",
                (
                    (f'rate(node_network_receive_bytes_total{HOST}, device!="lo"}}[5m])', "{{device}} in"),
                    (f'rate(node_network_transmit_bytes_total{HOST}, device!="lo"}}[5m])', "{{device}} out"),
                ),
                "Bps",
            ),
            Panel("curve", "Clock", ((f"node_timex_offset_seconds{HOST}}}", "off"),), "s"),
            Panel("curve", "Up since", ((f"time() - node_boot_time_seconds{HOST}}}", ""),), "s"),
        ),
    ),
}


def made(name: str) -> str:
    """A dashboard as Grafana imports it."""
    title, variables, panels = BOARDS[name]
    board = dashboard.Dashboard(f"provisioner: {title}").uid(f"provisioner-{name}").tags(["provisioner"]).readonly()
    board = board.refresh("1m").time("now-24h", "now")
    board = board.with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    for variable, query in variables:
        board = board.with_variable(dashboard.QueryVariable(variable).datasource(SOURCE).query(query).refresh(1))  # type: ignore[arg-type]
    for panel in panels:
        board = board.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(board.build()) + "\n"


def _panel(panel: Panel) -> stat.Panel | table.Panel | timeseries.Panel:
    targets = [
        prometheus.Dataquery().expr(query).legend_format(legend).ref_id("ABC"[at])
        for at, (query, legend) in enumerate(panel.queries)
    ]
    if panel.kind == "table":
        whole = [one.instant().format(PromQueryFormat.TABLE) for one in targets]
        return _laid(table.Panel(), panel, whole).height(8)
    if panel.kind == "stat":
        return _laid(stat.Panel(), panel, targets).height(4).span(6)
    return _laid(timeseries.Panel(), panel, targets).height(8)


Shown = TypeVar("Shown", stat.Panel, table.Panel, timeseries.Panel)


def _laid(shown: Shown, panel: Panel, targets: list[prometheus.Dataquery]) -> Shown:
    shown.title(panel.title).datasource(SOURCE).unit(panel.unit).span(24 if panel.wide else 12)
    for target in targets:
        shown.with_target(target)
    return shown


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board}.json").write_text(made(board), encoding="utf-8")
