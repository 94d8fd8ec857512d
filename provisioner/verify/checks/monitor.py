"""The co-op's watch: its machine takes the office's numbers, and every machine of the office tells them to the agent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provisioner.findings import Finding
from provisioner.inventory import way_in
from provisioner.inventory.placement import AGENT, EXPORTER, roles
from provisioner.language import N_
from provisioner.verify.checks import NOT_IN_PACK, Check, Part, VerifySession, judged, not_applicable

NAME, HOSTS = "monitor", "monitor_hosts"
PATIENCE_S = 85  # the agent sends once a minute, and starts within one after a restart
NO_HUB = N_("No machine of the co-op watches this office: its dossier names no hub.")


def run(session: VerifySession) -> Iterable[Finding]:
    """What the agent says of both ends, asked once."""
    office, pack = session.office, session.pack
    gate = way_in.gate(office) if office.remote or office.hub else ""
    if not gate or AGENT not in roles(pack, office, office.hosts[gate]):
        why = NOT_IN_PACK if gate else NO_HUB
        yield from (not_applicable(name, why) for name in (NAME, HOSTS) if session.wants(name))
        return
    said = session.ask(gate, "server", do="numbers", patience=PATIENCE_S, timeout_s=PATIENCE_S + 20)
    telling = [
        name for name, host in office.hosts.items() if name in session.selection.met and EXPORTER in roles(pack, office, host)
    ]
    yield from (one for one in judge(gate, telling, said) if session.wants(one.check))


def judge(gate: str, hosts: Sequence[str], said: Mapping[str, Any]) -> Iterable[Finding]:
    """What an agent says of its hub and of the machines; pure. One that it does not know is as silent as one that it misses."""
    evidence = str(said["evidence"])
    yield judged(
        NAME,
        said["ok"],
        N_("The co-op's machine takes the numbers that {host} sends of this office."),
        N_("The co-op's machine does not take the numbers that {host} sends of this office: it would not hear of a fault."),
        evidence,
        gate,
        host=gate,
    )
    heard = said.get("heard") if isinstance(said.get("heard"), dict) else {}
    for host in hosts:
        problem = heard.get(host, "the agent does not know it") if heard else evidence
        yield judged(
            HOSTS,
            problem == "",
            N_("{host} tells its numbers to the office's agent."),
            N_("{host} does not tell its numbers to the office's agent."),
            str(problem)[:300] or "asked within the last minute",
            host,
            host=host,
        )


CHECK = Check(
    NAME,
    N_("The co-op's watch"),
    run,
    frozenset({AGENT}),
    parts=(Part(HOSTS, N_("The machines' numbers"), frozenset({AGENT, EXPORTER})),),
)
