#!/usr/bin/env python3
"""publish.py OFFICE OUT: takes the release that was built in the office's folder and serves it; one question on standard input.

The watcher of the folder, who runs as the shares' owner, asks through a socket that is its alone; this runs as the site's own
account, which sees no share. A release goes the way of one that came from a laptop (release.py): hashes, link, three kept. The
answer is `{"served": RELEASE}`, or `{"refused": WHY}` with the site as it was. Set by the office's pack; changes here are
overwritten.
"""

import errno
import fcntl
import json
import os
import stat
import sys
import tarfile
import tempfile

sys.path.insert(0, "/usr/local/lib/office-website")
import release  # beside us on the server: provisioner/hosts/programs/website_release.py


def publish(site: "release.Site", out: str, name: str) -> str:
    """Serve a release that lies in `out`; nothing in it is followed out of it.

    Raises:
        OSError: no room, for instance.
        release.Refused: it is not what it says.
    """
    manifest = {path: release.digest(f"{out}/{path}") for path in release.files(out)}
    have = site.have()
    with tempfile.TemporaryFile(dir=site.home) as archive:
        with tarfile.open(fileobj=archive, mode="w|gz") as tar:
            for content, path in {content: path for path, content in manifest.items() if content not in have}.items():
                descriptor = os.open(f"{out}/{path}", os.O_RDONLY | os.O_NOFOLLOW)
                with os.fdopen(descriptor, "rb") as file:
                    member = tarfile.TarInfo(content)
                    member.size = os.fstat(file.fileno()).st_size
                    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        tar.addfile(member, file)
        archive.seek(0)
        site.receive({"release": name, "files": manifest}, archive)
    if site.served() != name:
        site.flip({"release": name})
    site.drop({})
    return site.served()


def main(office: str, out: str) -> None:
    """One question, one answer."""
    name = str(json.loads(sys.stdin.readline(1000))["release"])
    site = release.Site(office)
    os.umask(0o022)
    os.makedirs(site.releases, mode=0o755, exist_ok=True)
    try:
        if not release.NAME.fullmatch(name):
            raise release.Refused("unknown", name)
        with open(f"{site.home}/lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever deploys from a laptop is done in a moment
            answer = {"served": publish(site, f"{out}/{name}", name)}
    except release.Refused as reason:
        answer = {"refused": " ".join(map(str, reason.args))}
    except OSError as error:
        answer = {"refused": "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
