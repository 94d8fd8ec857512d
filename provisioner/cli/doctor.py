"""`provisioner doctor`: what this laptop lacks, one repair command a line."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, verb
from provisioner.errors import Missing

if TYPE_CHECKING:
    from provisioner.lab.requirements import Lack


@verb("doctor", help="Say what this laptop lacks, one repair command a line. Exit code 7 when something is missing.")
@click.option("--repair", is_flag=True, help="Run the repair commands, with sudo when you are not root.")
def doctor(console: Console, repair: bool) -> None:
    """Look at this laptop."""
    from provisioner import doctor as doctors

    inventory = None
    with contextlib.suppress(Missing):
        inventory = console.inventory
    found = doctors.diagnose(inventory=inventory)
    if repair and not found.healthy:
        doctors.repair(found, console.say)
        found = doctors.diagnose(inventory=inventory)

    def plain(lacks: "list[Lack]") -> list[dict[str, Any]]:
        return [
            {
                "what": lack.what,
                "why": lack.why,
                "repair": [*map(doctors.pasteable, lack.repair), *([lack.advice] if lack.advice else [])],
            }
            for lack in lacks
        ]

    def human() -> None:
        for title, lacks in (("For a lab", found.lab), ("For real offices", found.selection)):
            console.out.print(f"{title}: {'nothing is missing.' if not lacks else ''}", soft_wrap=True)
            for lack in lacks:
                console.out.print(f"  {lack.what}: {lack.why}", soft_wrap=True)
        if not found.healthy:
            console.out.print("Repair:")
            for line in doctors.lines(found):
                console.out.print(line, soft_wrap=True)

    console.result(
        {
            "healthy": found.healthy,
            "lab": plain(found.lab),
            "work": plain(found.selection),
            "repair": doctors.lines(found),
        },
        human,
    )
    sys.exit(0 if found.healthy else 7)
