"""The bench's numbers of a website's pages, as the tools that others judge pages with see them: each page of the example offices.

The tools come from npm, once, into the state folder; the browser is Debian's.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.inventory.target import state_home
from tests.deep.bench_lab import Place
from tests.deep.bench_tools import Broken, Number, environment, say
from tests.stage import EXAMPLE

TOOLS = ("lighthouse@12", "pa11y@9", "html-validate@10", "vnu-jar@26")
OFFICES = ("demo", "association-les-hirondelles", "mairie-saint-aubin")
BROWSER = ["--headless=new", "--no-sandbox", "--disable-gpu"]
JUDGED = ("performance", "accessibility", "best-practices", "seo")


def _tools() -> Path:
    """Where npm has put them."""
    if lacking := [name for name in ("npm", "node", "java", "chromium") if not shutil.which(name)]:
        raise Broken(f"not on this machine: {', '.join(lacking)}: apt install npm default-jre-headless chromium")
    folder = state_home() / "page-tools"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules/.bin/pa11y").exists():
        say(f"npm brings {', '.join(TOOLS)}")
        (folder / "package.json").write_text('{"private": true}')
        words = ["npm", "install", "--silent", "--no-fund", "--no-audit", *TOOLS]
        subprocess.run(words, cwd=folder, check=True, env=os.environ | {"PUPPETEER_SKIP_DOWNLOAD": "1"})
    return folder / "node_modules"


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address at which a plain server has the folder; a page that is not there is the site's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _said(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300,
                          env=os.environ | {"CHROME_PATH": shutil.which("chromium") or ""})  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def pages(place: Place) -> list[Number]:
    """Each page of the three example offices by html-validate, vnu and pa11y; the first one of the demo by Lighthouse."""
    tools = _tools()
    settings = place.folder / "pa11y.json"
    launch = {"executablePath": shutil.which("chromium"), "args": BROWSER}
    settings.write_text(json.dumps({"chromeLaunchConfig": launch, "runners": ["axe", "htmlcs"], "standard": "WCAG2AA"}))
    wrong: dict[str, list[str]] = {"html-validate": [], "vnu": [], "pa11y (axe and htmlcs, WCAG 2 AA)": []}
    seen = 0
    scores: dict[str, float] = {}
    for office in OFFICES:
        words = [sys.executable, "-m", "provisioner.cli", "--json", "website", "build", office]
        around = environment(PROVISIONER_INVENTORY=str(EXAMPLE), XDG_STATE_HOME=str(place.folder))
        built = Path(json.loads(subprocess.run(words, check=True, capture_output=True, text=True, env=around).stdout)["folder"])
        found = sorted(built.rglob("*.html"))
        seen += len(found)
        say(f"{office}: {len(found)} pages")
        for name, command in (
            ("html-validate", [tools / ".bin/html-validate", *found]),
            ("vnu", ["java", "-jar", tools / "vnu-jar/build/dist/vnu.jar", *found]),
        ):
            code, said = _said(*command)
            wrong[name] += [f"{office}: {said[-800:]}"] if code else []
        with _served(built) as address:
            for page in found:
                code, said = _said(tools / ".bin/pa11y", "--config", settings, address + str(page.relative_to(built)))
                wrong["pa11y (axe and htmlcs, WCAG 2 AA)"] += [f"{office}, {page.name}: {said[-800:]}"] if code else []
            if office == OFFICES[0]:
                report = place.folder / "lighthouse.json"
                flags = f"--chrome-flags={' '.join(BROWSER)}"
                _said(tools / ".bin/lighthouse", address, "--quiet", flags, "--output=json", f"--output-path={report}")
                scores = {name: one["score"] for name, one in json.loads(report.read_text())["categories"].items()}
    for name, ones in wrong.items():
        for one in ones:
            say(f"{name}: {one}")
    return [
        *(Number(f"errors that {name} finds on {seen} pages", "0", str(len(ones)), not ones) for name, ones in wrong.items()),
        *(Number(f"Lighthouse, {name}", "1.00", f"{scores[name]:.2f}", scores[name] == 1) for name in JUDGED),
    ]
