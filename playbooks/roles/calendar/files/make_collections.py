"""Gives everybody and every group a calendar and contacts.

Reads who needs some as JSON; prints `made` when something was missing. A collection that is there is never touched: its name and
colour are its owner's. Begins as root, because Debian 13's package leaves the folder to root, and goes on as the calendar
server's own user.
"""

import json
import os
import pwd
import sys

HOME = "/var/lib/radicale/collections"
wanted = json.load(sys.stdin)
owners = dict.fromkeys(wanted["people"], "")
owners.update(wanted["groups"])
made = []

user = pwd.getpwnam("radicale")
os.makedirs(HOME, exist_ok=True)
if os.lstat(HOME).st_uid != user.pw_uid:
    os.chown(HOME, user.pw_uid, user.pw_gid, follow_symlinks=False)
    made.append(HOME)
os.initgroups(user.pw_name, user.pw_gid)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.umask(0o027)

for owner, title in owners.items():
    for name, tag, called in (("agenda", "VCALENDAR", "Agenda"), ("contacts", "VADDRESSBOOK", "Contacts")):
        folder = os.path.join(HOME, "collection-root", owner, name)
        props = os.path.join(folder, ".Radicale.props")
        if os.path.exists(props):
            continue
        os.makedirs(folder, exist_ok=True)
        with open(props + ".new", "w", encoding="utf-8") as file:
            json.dump({"tag": tag, "D:displayname": (called + " " + title).strip()}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(props + ".new", props)
        made.append(owner + "/" + name)
print("made " + " ".join(made) if made else "")
