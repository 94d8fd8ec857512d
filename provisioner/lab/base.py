"""The base: one blank Debian per suite, as a shop sells it, that every host of every lab starts from.

Its folder is named by the suite and a digest of its recipe, made under another name and renamed when whole: what bears
the name is a base, and a killed build is swept by the next one.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from provisioner import package_cache
from provisioner.errors import BadInput, HostFailed
from provisioner.inventory.target import state_home
from provisioner.lab.remove import remove_tree
from provisioner.laptop.processes import as_root, children, recorded, run

SUITES = {"trixie": "Debian 13", "bookworm": "Debian 12"}
USER = "installer"  # the one ordinary sudo login of a blank machine

# What a fresh installation with "SSH server" and "standard system utilities" has of this; python3-apt comes there with
# apt-listchanges, and Ansible's apt module needs it in check mode.
_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "python3",
    "python3-apt",
    "iproute2",
    "iputils-ping",
    "procps",
    "netbase",
    "kmod",
    "less",
    "nano",
    "tzdata",
]

_OF_SUITE = {"trixie": ["linux-sysctl-defaults"], "bookworm": ["libcap2-bin"]}  # they let a user ping

_SOURCES = """\
deb http://deb.debian.org/debian {suite} main
deb http://deb.debian.org/debian {suite}-updates main
deb http://deb.debian.org/debian-security {suite}-security main
"""

# Runs inside, last. resolv.conf and hostname came from this laptop; the two 99mmdebstrap hold our build options.
_BLANK = f"""
useradd --create-home --shell /bin/bash --groups sudo {USER}
systemctl --quiet enable systemd-networkd.service
systemctl --quiet disable systemd-networkd-wait-online.service
rm -f /etc/ssh/ssh_host_* /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
: > /etc/machine-id
: > /etc/resolv.conf
echo debian > /etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 debian\\n::1 localhost ip6-localhost ip6-loopback\\n' > /etc/hosts
"""

# mmdebstrap's own words -> ours, for the person who waits
_STEPS = {
    "running apt-get update": "reading the package lists",
    "downloading packages": "downloading packages",
    "extracting archives": "extracting",
    "installing essential": "installing the essential packages",
    "installing remaining": "installing the rest",
    "cleaning package": "cleaning",
}


def quiet(line: str) -> None:
    """Say nothing: for callers that nobody reads."""


def lab_home() -> Path:
    """The folder of all labs and bases: `$PROVISIONER_LAB_DIR`, else `lab-hosts` in our state folder; made 0700.

    Raises:
        BadInput: its name holds a character that mount(8) would read as syntax.
    """
    path = Path(os.environ.get("PROVISIONER_LAB_DIR") or state_home() / "lab-hosts").absolute()
    if set(str(path)) & set(" ,:\\\n\t"):
        raise BadInput(f"a lab cannot lie in {path}: no blank, comma, colon or backslash", hint="PROVISIONER_LAB_DIR")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def path_of(suite: str) -> Path:
    """Where the base of `suite` lies once it is built: `bases/<suite>-<digest of its recipe>`.

    Raises:
        BadInput: no such suite.
    """
    if suite not in SUITES:
        raise BadInput(f"no suite {suite!r}", hint=f"one of {', '.join(SUITES)}")
    recipe = "\0".join([suite, *_PACKAGES, *_OF_SUITE[suite], _SOURCES, _BLANK])
    return lab_home() / "bases" / f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"


@contextlib.contextmanager
def _building(*, wait: bool = True) -> Iterator[bool]:
    """The right to build; False when somebody else builds and `wait` is."""
    bases = lab_home() / "bases"
    bases.mkdir(mode=0o700, exist_ok=True)
    with (bases / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def sweep() -> None:
    """Remove what a killed build left; nothing while somebody builds."""
    with _building(wait=False) as free:
        if free:
            _sweep()


def _sweep() -> None:
    bases = lab_home() / "bases"
    for argv in bases.glob("*.argv"):  # through sudo a killed `lab up` does not take its build along
        builder = recorded(argv.with_suffix(".process"), json.loads(argv.read_text(encoding="utf-8") or "[]"))
        if builder:
            # its child is the first process of a namespace: it has ended when all in there have, none before, and only then
            # does nobody write below the folder any more (kernel/pid_namespace.c, zap_pid_ns_processes)
            inside = children(builder.pid) if builder.alive else []
            builder.end()
            for process in (builder, *inside):
                process.gone(5)
    for partial in bases.glob("*.partial"):
        remove_tree(partial)
    _forget(bases.glob("*.argv"))


def _forget(records: Iterable[Path]) -> None:
    for argv in records:
        argv.with_suffix(".process").unlink(missing_ok=True)
        argv.unlink(missing_ok=True)


def ensure(suite: str, say: Callable[[str], None]) -> Path:
    """The base of `suite`, built through the package cache when it is not there yet (about 20 s, a cold cache 60 s).

    Raises:
        HostFailed: mmdebstrap failed; the message holds its last words.
        Missing: apt-cacher-ng is not on this laptop.
    """
    base = path_of(suite)
    if base.is_dir():
        return base
    with _building() as _:
        if base.is_dir():  # somebody built it while we waited
            return base
        _sweep()
        partial = base.with_name(f"{base.name}.{secrets.token_hex(4)}.partial")
        say(f"Building the base system {SUITES[suite]} ({suite}), once for all labs: about half a minute.")
        began = time.monotonic()
        with package_cache.in_use() as cache:
            try:
                _build(suite, partial, f"http://127.0.0.1:{cache.port}", say)
            except BaseException:
                _sweep()
                raise
            _forget([partial.with_suffix(".argv")])
        run(["mv", "--no-target-directory", str(partial), str(base)])
        say(f"The base system {SUITES[suite]} is ready: {time.monotonic() - began:.0f} s.")
    return base


def with_packages(suite: str, names: Sequence[str], say: Callable[[str], None]) -> Path:
    """A layer to lay over the base of `suite`: what installing these packages adds to it; made once.

    Raises:
        HostFailed: apt-get failed; the message holds its last words.
        Missing: apt-cacher-ng is not on this laptop.
    """
    base = ensure(suite, say)
    recipe = "\0".join([*names, _INSTALL])
    layer = base.with_name(f"{base.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:6]}")
    if layer.is_dir():
        return layer
    with _building() as _, package_cache.in_use() as cache:
        if layer.is_dir():
            return layer
        _sweep()
        say(f"Adding {', '.join(names)} to a copy of the base, once for all labs.")
        partial = layer.with_name(f"{layer.name}.{secrets.token_hex(4)}.partial")
        upper, selection, root = (partial / name for name in ("upper", "work", "root"))
        run(["mkdir", "-p", str(upper), str(selection), str(root)])
        run(["chmod", "0755", str(upper)])
        # in namespaces of its own: what is mounted there, and what runs there, ends with its first process
        build = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--", "sh", "-euc"]
        build += [_INSTALL, "sh", *map(str, (base, upper, selection, root)), f"http://127.0.0.1:{cache.port}", *names]
        process = _recorded(partial, build, {})
        heard = process.communicate()[1].splitlines()
        if process.returncode:
            _sweep()
            said = " / ".join(line for line in heard[-4:])
            raise HostFailed(f"adding {', '.join(names)} to the base {suite} failed: {said}", hint="provisioner doctor")
        _forget([partial.with_suffix(".argv")])
        run(["mv", "--no-target-directory", str(upper), str(layer)])
        remove_tree(partial)
    return layer


_INSTALL = """
mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3,volatile" overlay "$4"
mount -t proc proc "$4/proc"
root=$4 proxy=$5; shift 5
export DEBIAN_FRONTEND=noninteractive http_proxy=$proxy
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -y -qq --no-install-recommends "$@"
chroot "$root" apt-get clean
"""


def _recorded(partial: Path, build: list[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a build below `partial` that the next one can end: it dies with us, or, where sudo stands between, by its record."""
    argv = partial.with_suffix(".argv")
    argv.write_text(json.dumps(build), encoding="utf-8")
    record = 'cat /proc/$$/stat > "$1"; shift; exec "$@"'
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), "setpriv", "--pdeathsig", "KILL"]
    command += ["sh", "-c", record, "sh", str(argv.with_suffix(".process")), *build]
    return subprocess.Popen(as_root(command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _build(suite: str, partial: Path, proxy: str, say: Callable[[str], None]) -> None:
    # A process namespace of its own: when the first process in it is killed, the kernel ends all of the build. That
    # first process dies with us (pdeathsig), or, where sudo stands between, is known by its record. The proxy comes by
    # environment, which leaves nothing in the base.
    include = ",".join([*_PACKAGES, *_OF_SUITE[suite]])
    build = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    build += ["mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory", "--dpkgopt=force-unsafe-io"]
    build += [f"--include={include}", f'--customize-hook=chroot "$1" sh -euc {shlex.quote(_BLANK)}']
    build += [suite, str(partial), "-"]
    process = _recorded(partial, build, {"http_proxy": proxy})
    heard: list[str] = []
    with process:
        assert process.stdin and process.stderr
        with contextlib.suppress(BrokenPipeError), process.stdin as sources:
            sources.write(_SOURCES.format(suite=suite))
        try:
            for line in process.stderr:
                heard.append(line.strip())
                for theirs, ours in _STEPS.items():
                    if line.startswith(f"I: {theirs}"):
                        say(f"  {ours}")
        except BaseException:  # interrupted: end it now, or leaving this block would wait for it
            _sweep()
            raise
    if process.returncode:
        wrong = [line for line in heard if line.startswith("E:")] or heard
        raise HostFailed(f"building the base {suite} failed: {' / '.join(wrong[-4:])}", hint="provisioner doctor")
