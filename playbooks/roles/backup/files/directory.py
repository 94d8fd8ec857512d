"""The directory put back: the very same domain, so that desktops and people notice nothing.

What `samba-tool domain backup offline` copied is laid in place as it is, not by its `restore`, which would make another
domain controller of another name: this machine is that very controller, or was built to be it again.
"""

import glob
import os
import re
import time

from places import WORK, Trouble, run

COPY = f"{WORK}/directory"
STATE = "/var/lib/samba"
PRIVATE = f"{STATE}/private"


def moves(item):
    """What moves where, once the copy no longer says that it is one.

    Raises:
        Trouble: it is the directory of another domain or another server.
    """
    for word in ("realm", "netbios name"):
        here, there = (_setting(path, word) for path in ("/etc/samba/smb.conf", f"{item.staged}/etc/smb.conf"))
        if here != there:
            raise Trouble(f"this is the directory of another {word}: {there or 'none'} there, {here or 'none'} here")
    _unmark(f"{item.staged}/private/sam.ldb")
    for folder, _, _ in os.walk(f"{item.staged}/private"):  # Samba's copy holds files alone: the folders' modes are those here
        here = PRIVATE + folder[len(f"{item.staged}/private") :]
        if os.path.isdir(here):
            os.chmod(folder, os.stat(here).st_mode & 0o7777)
    # what Samba looked up in the directory that goes would answer for the one that comes
    for cache in glob.glob("/var/cache/samba/*.tdb") + glob.glob("/run/samba/gencache*") + [f"{STATE}/winbindd_cache.tdb"]:
        if os.path.exists(cache):
            os.unlink(cache)
    found = [(f"{item.staged}/private", PRIVATE)]
    databases = [path for path in glob.glob(f"{item.staged}/state/*.tdb") if "cache" not in os.path.basename(path)]
    found += [(path, f"{STATE}/{os.path.basename(path)}") for path in databases]
    return found


def _setting(path, word):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(rf"^\s*{word}\s*=\s*(.*?)\s*$", file.read(), re.MULTILINE | re.IGNORECASE)
    except FileNotFoundError:
        return ""
    return found[1].upper() if found else ""


def _unmark(database):
    """Remove the marks of a backup from @SAMBA_DSDB: Samba refuses to serve a database that bears them."""
    import ldb  # only a directory's server has it

    base = ldb.Ldb(database, options=["modules:"])
    found = base.search(base="@SAMBA_DSDB", scope=ldb.SCOPE_BASE)[0]
    for mark in ("backupDate", "sidForRestore", "backupType", "backupRename"):
        if mark in found:
            message = ldb.Message(ldb.Dn(base, "@SAMBA_DSDB"))
            message[mark] = ldb.MessageElement([], ldb.FLAG_MOD_DELETE, mark)
            base.modify(message)


def prove(patience_s=60):
    """The server logs in to its own directory with its own account, over the network's ways; the domain's SID.

    Raises:
        Trouble: it cannot.
    """
    until = time.monotonic() + patience_s
    while True:
        done = run("samba-tool", "user", "list", "-H", "ldap://localhost", "--machine-pass")
        if done.returncode == 0:
            break
        if time.monotonic() > until:
            raise Trouble(f"the restored directory refuses its own server: {(done.stderr or done.stdout).strip()[-300:]}")
        time.sleep(1)
    said = run("net", "getdomainsid").stdout
    sid = re.search(r"for domain \S+ is: (S-1-5-21-[0-9-]+)", said)
    return {"accounts": len(done.stdout.split()), "sid": sid[1] if sid else ""}
