#!/usr/bin/env python3
"""metrics.py: what monitors want to know of this machine's websites, for node-exporter's textfile collector.

Written beside and renamed, so that a half is never read. Every number is of what is there now: a site without a release or a
certificate has no such line. Set by the office's pack; changes here are overwritten.
"""

import json
import os
import re
import subprocess
from datetime import UTC, datetime

CONFIG = "/etc/office-website/sites.json"
FOLDER = "/var/lib/website-folder/state.json"  # of the office's own site, where its people change it here
OUT = "/var/lib/prometheus/node-exporter/provisioner_website.prom"
HELP = {
    "provisioner_website_release_info": "The release that is served.",
    "provisioner_website_release_timestamp_seconds": "When it went live.",
    "provisioner_website_releases": "How many releases are kept.",
    "provisioner_website_certificate_end_timestamp_seconds": "When the certificate that visitors are shown ends.",
    "provisioner_website_certificate_self_signed": "Whether browsers warn of it: 1 until the authority gave one.",
    "provisioner_website_build_success_timestamp_seconds": "When the office's own pages were last built.",
    "provisioner_website_build_failure_timestamp_seconds": "When they could last not be.",
    "provisioner_website_build_failing": "Whether what the office saved last waits to be mended.",
}


def of_site(office: str) -> dict[tuple[str, str], float]:
    """The numbers of one site: (name, labels) -> value."""
    found: dict[tuple[str, str], float] = {}
    home, label = f"/srv/website/{office}", f'office="{office}"'
    try:
        release = os.path.basename(os.readlink(f"{home}/current"))
        found["provisioner_website_release_info", f'{label},release="{release}"'] = 1
        found["provisioner_website_release_timestamp_seconds", label] = os.stat(f"{home}/releases/{release}").st_mtime
        names = [name for name in os.listdir(f"{home}/releases") if not name.startswith(".")]
        found["provisioner_website_releases", label] = len(names)
    except OSError:
        pass
    chain = f"/etc/nginx/website/{office}/fullchain.pem"
    words = ["openssl", "x509", "-in", chain, "-noout", "-enddate", "-subject", "-issuer"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    if ends := re.search(r"notAfter=(.+)", said):
        when = datetime.strptime(ends[1].strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
        found["provisioner_website_certificate_end_timestamp_seconds", label] = when.timestamp()
        own = os.path.realpath(chain).startswith("/var/lib/office-website/")
        found["provisioner_website_certificate_self_signed", label] = int(own)
    return found


def of_folder(office: str, state: dict[str, object]) -> dict[tuple[str, str], float]:
    """The numbers of the office's own pages, as their watcher notes them."""
    found: dict[tuple[str, str], float] = {}
    for word, name in (("built_at", "success"), ("failed_at", "failure")):
        if isinstance(when := state.get(word), (int, float)):
            found[f"provisioner_website_build_{name}_timestamp_seconds", f'office="{office}"'] = when
    found["provisioner_website_build_failing", f'office="{office}"'] = int(bool(state.get("sentences")))
    return found


def text(found: dict[tuple[str, str], float]) -> str:
    """In Prometheus' text format, each metric's lines together."""
    lines = []
    for name, told in HELP.items():
        values = [f"{name}{{{labels}}} {value:.0f}\n" for (one, labels), value in sorted(found.items()) if one == name]
        if values:
            lines += [f"# HELP {name} {told}\n# TYPE {name} gauge\n", *values]
    return "".join(lines)


def main() -> None:
    """Write it."""
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    found: dict[tuple[str, str], float] = {}
    for site in config["sites"]:
        found |= of_site(site["office"])
    try:
        with open(FOLDER, encoding="utf-8") as file:
            found |= of_folder(config["folder_of"], json.load(file))
    except (OSError, ValueError, KeyError):
        pass
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT + ".new", "w", encoding="utf-8") as file:
        file.write(text(found))
    os.chmod(OUT + ".new", 0o644)
    os.rename(OUT + ".new", OUT)


if __name__ == "__main__":
    main()
