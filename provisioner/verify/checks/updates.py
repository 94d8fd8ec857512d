"""Updates: nothing that mends a weakness is waiting, and the machines fetch such by themselves."""

import re
from collections.abc import Iterable

from provisioner.findings import Finding, Level
from provisioner.language import N_
from provisioner.verify.checks import Check, VerifySession, judged


def periodic(said: str) -> bool:
    """Whether apt fetches and installs by itself, by what `apt-config dump APT::Periodic` shows (apt.systemd.daily). Pure."""
    shown = dict(re.findall(r'APT::Periodic::([\w-]+) "([^"]*)"', said))
    wanted = (shown.get("Enable", "1"), shown.get("Update-Package-Lists", "0"), shown.get("Unattended-Upgrade", "0"))
    return all(value not in ("0", "", "false") for value in wanted)


def run(session: VerifySession) -> Iterable[Finding]:
    """From each host's own package lists, no older than this check."""
    for host, facts in sorted(session.facts.items()):
        found = facts["updates"]
        evidence = "; ".join(f"{word}: {' '.join(found[word]) or '-'}" for word in ("security", "others", "held"))
        automatic = found["timer"] == "enabled" and periodic(found["automatic"])
        if found["held"] and not found["security"]:
            values = {"host": host, "held": ", ".join(found["held"])}
            yield Finding("updates", Level.WARNING, N_("{host} holds packages back: {held}."), values, host, evidence)
            continue
        yield judged(
            "updates",
            not found["security"] and not found["audit"] and automatic,
            N_("{host} has every security update, and fetches the next by itself."),
            N_("{host} lacks security updates, or does not fetch them by itself."),
            f"{evidence}; {found['automatic']} {found['timer']} {found['audit']}".strip(),
            host,
            host=host,
        )


CHECK = Check("updates", N_("Security updates"), run)
