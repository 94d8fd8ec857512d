"""A release brought online: carried beside the one that is served, then a link is renamed; and back by the same link.

What is served is the old release or the new one, wherever this is killed: a release gets its name only when each of its files
was held against its hash, and is never changed afterwards (`hosts/programs/website_release.py`).
"""

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import runs
from provisioner.errors import BadInput, HostFailed, Missing, ProvisionerError, Unreachable, Unreadable
from provisioner.hosts import answers, programs, transfer
from provisioner.inventory import open_inventory
from provisioner.inventory.placement import WEBSITE, services, website_folder
from provisioner.inventory.target import Target
from provisioner.operation import LeaseLost, Listener, Operation, operation
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run, fold
from provisioner.website import build, probe
from provisioner.website.edits import Meeting, OfficeFolder, Version, meet
from provisioner.website.merge import Keep
from provisioner.website.replies import CertificateReply, Reply

CARRIED = "website: The release is on the server"
CERTIFIED = "website: The certificate is the authority's"
SERVED = "website: The release is served"
TIMEOUT_S = 300
CERTIFICATE_S = 400  # certbot's own patience with an authority that is slow


@dataclass(frozen=True, slots=True)
class Place:
    """Where an office's website is served: the domain, and the server's office and host."""

    office: str
    domain: str
    target: Target
    host: str

    @property
    def words(self) -> str:
        """How the website is named on a command line, in hints."""
        return f"{self.office} --lab" if self.target.lab else self.office


def place(target: Target) -> Place:
    """Where the office's website is served, by its dossier: its own server, or another office's.

    Raises:
        Missing: it has no website, or nobody serves it.
        BadInput: the other office's dossier does not name it.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    if not office.website:
        raise Missing(f"{office.name} has no website", hint=f"a section 'website:' in {target.folder / 'dossier.yml'}")
    by = office.website.served_by or office.name
    there = inventory.office(by)
    if by != office.name and office.name not in there.websites_of:
        what = f"{by} does not serve the website of {office.name}: its dossier does not name it"
        raise BadInput(what, hint=f"websites_of: [{office.name}] in offices/{by}/dossier.yml, then provisioner apply {by}")
    found = services(inventory.pack(there.pack), there).get(WEBSITE)
    if not found:
        raise Missing(f"{by} has no server whose pack has role {WEBSITE}", hint=f"provisioner office show {by}")
    return Place(office.name, office.website.domain, Target(target.inventory, by, target.lab), found["name"])


def manifest(folder: Path) -> dict[str, str]:
    """The files of a release: path in it -> SHA-256.

    Raises:
        BadInput: there is no first page, or something that is no plain file.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise BadInput(f"{path} is no plain file", hint="build the release again")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    if "index.html" not in found:
        raise BadInput(f"{folder} has no index.html: it is no release", hint="provisioner website build OFFICE")
    return found


def run_deploy(
    selection: Selection,
    where: Place,
    folder: Path | None,
    *,
    watch: Listener,
    say: Callable[[str], None],
    keep: Keep = "",
    language: str = "en",
    commit: bool = True,
) -> tuple[Run, str]:
    """`website deploy`: the release in `folder`, named as it is, is served; a probe that fails serves the former one again.
    The run, and the release's name.

    Without a folder the release is built, of the inventory's pages and of what the office wrote in its own folder (`keep`: whose
    stays where both changed the same lines); what cannot be built is told in `language`.

    Raises:
        Busy, HostKeyChanged, Unverified, Unreachable, BadInput: nothing was changed.
    """
    with operation(selection, "website deploy", watch=watch, say=say, commit=commit, needs=[where.host]) as op:
        met = None if folder else _meet(op, where, keep, commit=commit)
        folder = folder or _built(op, where, met, language)
        files, release = manifest(folder), folder.name
        op.begun = True
        with _told(op, where):
            before = _carry(op, where, folder, files)
            op.check()
            _certify(op, where)
            op.check()
            if met:
                met.settle(selection.ssh.user)
            served = False
            try:
                _serve(op, where, release, files["index.html"], before.served)
                served = True
            finally:
                if met:
                    met.end(live=served)
            _asked(op, where, "drop")
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run, release


def _meet(op: Operation, where: Place, keep: Keep, *, commit: bool) -> Meeting | None:
    """The inventory's pages and what the office wrote, as one; None where the office has no folder of its own.

    Raises:
        BadInput: both changed the same lines; the files are named.
    """
    folder = _folder(op, where)
    return meet(folder, keep=keep, commit=commit, say=op.say) if folder else None


def _folder(op: Operation, where: Place) -> OfficeFolder | None:
    """The folder in which the office's people write; None where they have none."""
    inventory = open_inventory(op.selection.target.inventory)
    office = inventory.office(where.office)
    if not website_folder(inventory.pack(office.pack), office)[1]:
        return None
    return OfficeFolder(op.selection.target, op.selection.ssh, where.host, op.met[where.host])


def run_versions(
    selection: Selection, where: Place, *, watch: Listener, say: Callable[[str], None], undo: str = "", commit: bool = True
) -> list[Version]:
    """`website versions`: what the server remembers of the office's pages, newest first; `undo` brings one of them back before.

    Raises:
        Missing: the office has no folder of its own.
        BadInput: there is no such version.
        Busy, HostKeyChanged, Unverified, Unreachable, HostFailed: nobody could be asked.
    """
    verb = "website undo" if undo else "website versions"
    with operation(selection, verb, watch=watch, say=say, leased=bool(undo), needs=[where.host], commit=commit) as op:
        folder = _folder(op, where)
        if not folder:
            hint = f"its pages: offices/{where.office}/website/"
            raise Missing(f"{where.office} has no folder on its server in which its website is written", hint=hint)
        if undo:
            folder.undo(undo, selection.ssh.user)
        found = folder.versions()
        op.status = "ok"
    return found


def _built(op: Operation, where: Place, met: Meeting | None, language: str) -> Path:
    """The release that the pages make now.

    Raises:
        BadInput: what cannot be taken, a line each.
    """
    target = Target(where.target.inventory, where.office, where.target.lab)
    made = build(target, language, met.lay_out() if met else None)
    for one in made.warnings:
        op.say(one.sentence(language))
    return made.folder


def run_rollback(
    selection: Selection, where: Place, release: str, *, watch: Listener, say: Callable[[str], None], commit: bool = True
) -> Run:
    """`website rollback`: a release that the server has kept is served again; without a name the one before.

    Raises:
        Busy, HostKeyChanged, Unverified, Unreachable, Missing: nothing was changed.
    """
    with operation(selection, "website rollback", watch=watch, say=say, commit=commit, needs=[where.host]) as op:
        before = _asked(op, where, "look")
        kept = [one.release for one in before.kept]
        wanted = [name for name in kept if name.startswith(release)] if release else [n for n in kept if n != before.served]
        if not wanted or (release and len(wanted) > 1):
            none = f"{where.host} keeps no one release {release[:80]!r}" if release else f"{where.host} keeps no other release"
            raise Missing(none, hint=f"provisioner website list {where.words}")
        op.begun = True
        with _told(op, where):
            _serve(op, where, wanted[0], "", before.served)
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run


def run_list(selection: Selection, where: Place, *, watch: Listener, say: Callable[[str], None]) -> dict[str, Any]:
    """`website list`: `served`, and the `kept` releases with the moment each went live, the last one first.

    Raises:
        HostKeyChanged, Unverified, Unreachable, HostFailed: nobody could be asked.
    """
    with operation(selection, "website list", watch=watch, say=say, leased=False, needs=[where.host]) as op:
        found = _asked(op, where, "look")
        op.status = "ok"
    return {"domain": where.domain, "served": found.served, "kept": [one.model_dump() for one in found.kept]}


class _told:
    """A failure of the host is an event of the run, not its end; what comes after it is left."""

    def __init__(self, op: Operation, where: Place) -> None:
        self.op, self.where = op, where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, problem: BaseException | None, __: object) -> bool:
        if not isinstance(problem, ProvisionerError) or isinstance(problem, LeaseLost):
            return False
        silent = isinstance(problem, Unreachable) and not isinstance(problem, Unreadable)
        said = f"{problem}; try: {problem.hint}" if problem.hint else str(problem)
        self.op.recorder(Event("host_unreachable" if silent else "host_failed", self.where.host, SERVED, {"problem": said}))
        return True


def _asked(op: Operation, where: Place, do: str, **more: Any) -> Reply:
    """One question to the program that keeps the releases.

    Raises:
        HostFailed: it refused, or broke.
        Unreachable, Unreadable, HostKeyChanged: as `SshAccess.run`.
    """
    selection, host = op.selection, where.host
    request = {"do": do, "office": where.office, **more}
    done = programs.run(
        selection.ssh, host, selection.met[host], programs.source("website_release"), request, timeout_s=TIMEOUT_S
    )
    if done.returncode:
        raise HostFailed(f"{host}: {(done.stderr.strip().splitlines() or ['no word'])[-1][:300]}")
    try:
        reply = answers.read(done.stdout, Reply)
    except ValueError as error:
        raise Unreadable(f"{host} answers another thing than was asked: {error}") from error
    if reply.refused:
        raise _refusal(reply, where, selection.target.words)
    return reply


def _refusal(reply: Reply, where: Place, words: str) -> HostFailed:
    """What the program on the server refused, in a sentence."""
    host, about, again = where.host, reply.about, "the same command again"
    told = {
        "full": HostFailed(f"{host} has no room for the release", hint=f"provisioner ssh {words} {host} -- df -h"),
        "unserved": HostFailed(f"{host} does not serve the website of {where.office} yet", hint=f"provisioner apply {words}"),
        "unknown": HostFailed(f"{host} keeps no release {about}", hint=f"provisioner website list {where.words}"),
        "damaged": HostFailed(f"{host}: {about} is not as it was sent", hint=again),
        "missing": HostFailed(f"{host}: {about} did not arrive", hint=again),
        "busy": HostFailed(f"{host}: another release of {about} is being put there", hint=again),
    }
    return told.get(reply.refused) or HostFailed(f"{host} cannot keep the release: {about}", hint=f"provisioner apply {words}")


def _carry(op: Operation, where: Place, folder: Path, files: Mapping[str, str]) -> Reply:
    """Have the release beside the served one; only contents that no kept release has are sent."""
    op.recorder(Event("task_started", task=CARRIED))
    selection, host = op.selection, where.host
    before = _asked(op, where, "look", contents=sorted(set(files.values())))
    missing, archive = set(before.missing), ""
    sent = 0
    if missing:
        by_content = {content: name for name, content in files.items()}
        with tempfile.TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w:gz") as tar:
                for content in sorted(missing & set(by_content)):
                    text = (folder / by_content[content]).read_bytes()
                    member = tarfile.TarInfo(content)
                    member.size = len(text)
                    tar.addfile(member, io.BytesIO(text))
            sent = packed.tell()
            packed.seek(0)
            archive = f"office-website-{selection.run_id}"
            transfer.put(selection.ssh, host, selection.met[host], packed, archive)
    received = _asked(
        op, where, "receive", release=folder.name, files=dict(files), login=selection.ssh.user, archive=archive
    )  # fmt: skip
    op.more |= {"release": folder.name, "sent_bytes": sent, "sent_files": len(missing)}
    told = f"{len(files)} files, {len(missing)} sent ({sent / 1000:,.0f} kB)"
    op.say(f"{host}: release {folder.name[:12]}: {told}")
    what, diff = ("host_changed", {"diff": f"+{told}\n"}) if received.new else ("host_ok", {})
    op.recorder(Event(what, host, CARRIED, diff))
    return before


def _certify(op: Operation, where: Place) -> None:
    """Have the authority's certificate, where that can be now; a site goes on with the one it has where it cannot."""
    op.recorder(Event("task_started", task=CERTIFIED))
    host = where.host
    words = ["sudo", "-n", "/usr/local/sbin/office-website", "certificate", where.office]
    done = op.selection.ssh.run(host, op.met[host], words, timeout_s=CERTIFICATE_S)
    try:
        found = answers.read(done.stdout, CertificateReply)
    except ValueError:
        problem = (done.stderr.strip().splitlines() or ["no word"])[-1][:300]
        found = CertificateReply(self_signed=True, ends="", problem=problem)
    op.more["certificate"] = {"self_signed": found.self_signed, "ends": found.ends, "problem": found.problem}
    if found.problem:
        has = "its own, which browsers warn of" if found.self_signed else f"the one until {found.ends[:10]}"
        note = f"no new certificate for {where.domain}: {found.problem}; it keeps {has}, and asks again twice a day"
        op.recorder(Event("host_ok", host, CERTIFIED, {"notes": [note]}))
        return
    detail = {"diff": f"+until {found.ends[:10]}\n"} if found.renewed else {}
    op.recorder(Event("host_changed" if found.renewed else "host_ok", host, CERTIFIED, detail))


def _serve(op: Operation, where: Place, release: str, index: str, former: str) -> None:
    """Rename the link, look at the site as a visitor, and rename it back where it does not show the release.

    `index` is the SHA-256 of the first page; empty where only the server has the release: any page will do then.
    """
    op.recorder(Event("task_started", task=SERVED))
    believed = probe.trust(op.selection.target)
    at = op.met[where.host]
    leads_here = _same(probe.ask(where.domain, believed), probe.ask(where.domain, believed, at))
    if release != former:
        _asked(op, where, "flip", release=release)
    own, public = probe.ask(where.domain, believed, at), probe.ask(where.domain, believed)
    wrong = _wrong(own, index) or (_wrong(public, index) if leads_here else "")
    if wrong:
        back = f"; {former[:12]} is served again" if former and former != release else ""
        if back:
            _asked(op, where, "flip", release=former)
        raise HostFailed(f"the website does not show the release {release[:12]}: {wrong}{back}")
    op.more |= {"release": release, "release_before": former, "public": leads_here, "trusted": public.trusted}
    notes = [] if leads_here else [f"online at {where.host} alone: {_elsewhere(where, public)}"]
    notes += [f"browsers warn of its certificate: {public.problem}"] if leads_here and not public.trusted else []
    if release == former:
        op.recorder(Event("host_ok", where.host, SERVED, {"notes": notes}))
        return
    diff = f"-{former}\n+{release}\n" if former else f"+{release}\n"
    op.recorder(Event("host_changed", where.host, SERVED, {"notes": notes, "diff": diff}))


def _same(public: probe.Answer, own: probe.Answer) -> bool:
    """Whether the public name leads to our server: the same certificate is shown there."""
    return bool(own.certificate) and public.certificate == own.certificate


def _wrong(found: probe.Answer, index: str) -> str:
    """Why an answer is not the release's first page; empty when it is."""
    if not found.status:
        return found.problem
    if found.status != 200:
        return f"{found.address} answers {found.status}"
    return f"{found.address} shows another first page" if index and found.sha256 != index else ""


def _elsewhere(where: Place, public: probe.Answer) -> str:
    if public.status:
        return f"the name {where.domain} leads to {public.address}, where another machine answers"
    return public.problem
