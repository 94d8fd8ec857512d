"""Printing, from a person's seat to the sheet: the server's queues, and a real IPP printer program at the printer's address."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner import lab
from tests.lab.light import soon
from tests.lab.small import PLACE
from tests.stage import Stage

pytestmark = pytest.mark.lab

A4 = (595, 842)  # points, ISO 216


def page(text: str) -> bytes:
    """A PDF of one A4 page: a line of text, and a black bar to measure by."""
    drawn = f"BT /F1 36 Tf 72 700 Td ({text}) Tj ET 72 100 400 50 re f".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>" % A4,
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(made)
    made += b"xref\n0 6\n0000000000 65535 f \n" + table
    return made + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start


def picture(pdf: Path) -> tuple[tuple[int, int], bytes]:
    """The one page as a person sees it, 50 dots an inch: its size and its grey values."""
    words = ["pdftoppm", "-r", "50", "-gray", str(pdf)]
    seen = subprocess.run(words, capture_output=True, check=True).stdout
    kind, size, depth, values = seen.split(b"\n", 3)
    assert (kind, depth) == (b"P5", b"255")
    width, height = map(int, size.split())
    assert len(values) == width * height, "more than one page"
    return (width, height), values


def alike(one: bytes, other: bytes) -> float:
    """The share of dots that look the same in both."""
    assert len(one) == len(other)
    return sum(abs(a - b) < 64 for a, b in zip(one, other, strict=True)) / len(one)


def send(stage: Stage, text: str, *options: str) -> None:
    """Print a page from the desktop."""
    stage.on("desktop", f"base64 -d > page.pdf <<'END'\n{_base64(page(text))}\nEND\nlp {' '.join(options)} page.pdf")


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


@contextmanager
def printer_off(stage: Stage) -> Iterator[None]:
    """Somebody has switched the printer off."""
    lab.power_off(stage.target, "bureau")
    try:
        yield
    finally:
        lab.power_on(stage.target, "bureau")


@pytest.mark.deep
def test_a_page_from_the_desktop_comes_out_as_it_was(served: Stage, tmp_path: Path) -> None:
    """What lies in the printer's tray looks like what was sent, on A4."""
    before = lab.printed(served.target, "bureau")

    send(served, "Bonjour du bureau", "-o print-scaling=none")

    assert soon(lambda: len(lab.printed(served.target, "bureau")) > len(before), 60)
    sheet = lab.printed(served.target, "bureau")[-1]
    assert soon(lambda: sheet.read_bytes().rstrip().endswith(b"%%EOF"), 20)
    (tmp_path / "sent.pdf").write_bytes(page("Bonjour du bureau"))
    (size, sent), (printed_size, printed) = picture(tmp_path / "sent.pdf"), picture(sheet)
    assert printed_size == size == (414, 585)
    assert alike(sent, printed) > 0.995
    (tmp_path / "other.pdf").write_bytes(page("Tout autre chose ici"))
    assert alike(picture(tmp_path / "other.pdf")[1], printed) < 0.995, "the comparison sees no text"


def test_plain_text_comes_out_on_a4(served: Stage) -> None:
    """The office's paper is A4, though the printer comes set to the American one."""
    before = lab.printed(served.target, "bureau")

    served.on("desktop", "echo 'Liste de courses' | lp -t liste")

    assert soon(lambda: len(lab.printed(served.target, "bureau")) > len(before), 60)
    sheet = lab.printed(served.target, "bureau")[-1]
    assert soon(lambda: sheet.read_bytes().rstrip().endswith(b"%%EOF"), 20)
    assert picture(sheet)[0] == (414, 585)


def test_the_queue_bears_the_dossiers_words_byte_for_byte(served: Stage) -> None:
    """Where a printer stands may be written in any way: it is shown as it was written, on every machine."""
    for host in ("server", "desktop"):
        shown = served.on(host, "LC_ALL=C.UTF-8 lpstat -l -p bureau").splitlines()
        assert f"\tLocation: {PLACE}" in shown, host
        assert "\tDescription: Multifonction laser couleur, recto verso" in shown
    assert served.on("desktop", "LC_ALL=C lpstat -d") == "system default destination: bureau\n"
    assert served.on("desktop", "systemctl is-active cups.service cups.socket || true").split() == ["inactive", "inactive"]


def test_a_job_waits_for_a_printer_that_is_off(served: Stage) -> None:
    """A printer without power loses nothing: its jobs come out when it is on again, and the queue never stopped."""
    before = lab.printed(served.target, "bureau")
    with printer_off(served):
        send(served, "Patience")
        assert not soon(lambda: len(lab.printed(served.target, "bureau")) > len(before), 8)
        assert "bureau-" in served.on("desktop", "lpstat -o")
    assert soon(lambda: len(lab.printed(served.target, "bureau")) > len(before), 90)
    assert soon(lambda: not served.on("desktop", "lpstat -o"), 60)


def test_the_network_may_print_and_not_administer(served: Stage, tmp_path: Path) -> None:
    """From the LAN a queue can be asked and used; nobody there can stop it, whatever they call themselves."""
    uri = "ipp://192.168.1.10:631/printers/bureau"
    asked = served.plugged("ipptool", "-t", uri, "get-printer-attributes.test")
    assert asked.code == 0, asked.out
    operation = tmp_path / "pause.test"
    operation.write_text(
        "{\nNAME pause\nOPERATION Pause-Printer\nGROUP operation-attributes-tag\nATTR charset attributes-charset utf-8\n"
        "ATTR naturalLanguage attributes-natural-language en\nATTR uri printer-uri $uri\nATTR name requesting-user-name root\n"
        "STATUS successful-ok\n}\n"
    )
    paused = served.plugged("ipptool", "-t", uri, str(operation))
    assert paused.code != 0
    assert "successful" not in paused.out.split("EXPECTED")[0].split("[FAIL]")[-1], paused.out
    assert "idle" in served.on("server", "LC_ALL=C lpstat -p bureau")


def test_nobody_from_outside_the_lan_is_answered(served: Stage) -> None:
    """Even where a firewall were open, an address that is not the LAN's gets no queue."""
    ask = (
        "import socket\n"
        "s = socket.create_connection(('192.168.1.10', 631), timeout=5, source_address=('198.51.100.2', 0))\n"
        "s.sendall(b'GET /printers/bureau.ppd HTTP/1.1\\r\\nHost: 192.168.1.10:631\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "print(s.recv(100).split(b'\\r\\n')[0].decode())"
    )
    closed = served.on("router", f'python3 -c "{ask}" 2>&1 || true')
    # a packet that is dropped, or a route that is not there: neither is an answer
    assert any(word in closed for word in ("timed out", "No route", "unreachable")), closed
    served.on("server", "sudo nft delete table inet office")
    try:
        assert served.on("router", f'python3 -c "{ask}"').split()[1] == "403"
    finally:
        served.on("server", "sudo nft -f /etc/nftables.conf")


@pytest.mark.deep
def test_printers_come_and_go_with_the_dossier(served: Stage) -> None:
    """A printer that is off is a note, not a failure, and gets its queue later; one no longer named loses its own."""
    text = served.dossier.read_text()
    try:
        served.edit(("  bureau:\n    address: 192.168.1.30", "  atelier:\n    address: 192.168.1.31"))
        moved = served.json("apply", "demo", "--lab", "--yes", "--host", "server")
        assert moved.code == 0, moved
        assert len(moved.data["notes"]["server"]) == 1
        assert "printer atelier: 192.168.1.31 does not answer" in moved.data["notes"]["server"][0]
        assert "bureau" not in served.on("server", "lpstat -v 2>&1 || true")
    finally:
        served.dossier.write_text(text)
    with printer_off(served):
        off = served.json("apply", "demo", "--lab", "--yes", "--host", "server")
        assert off.code == 0, off
        assert "printer bureau" in off.data["notes"]["server"][0]
    on = served.json("apply", "demo", "--lab", "--yes", "--host", "server")
    assert on.code == 0, on
    assert (on.data["notes"], on.data["hosts"]["server"]["changed"]) == ({}, 1)
    assert served.on("desktop", "LC_ALL=C lpstat -d") == "system default destination: bureau\n"


def test_the_print_server_stays_when_nobody_prints(served: Stage) -> None:
    """CUPS would end after a minute without jobs and be gone for the network: it must not."""
    assert served.on("server", "sudo grep -c '^IdleExitTimeout 0' /etc/cups/cupsd.conf") == "1\n"
    assert soon(lambda: float(served.on("server", _IDLE)) > 65, 90)
    assert served.on("desktop", "LC_ALL=C lpstat -r") == "scheduler is running\n"


# how long it has run, in seconds
_IDLE = "ps -o etimes= -p $(systemctl show -P MainPID cups.service)"
