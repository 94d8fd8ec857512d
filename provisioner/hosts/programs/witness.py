"""Makes or removes the witness in the office's directory; runs on its server as root, with Samba's own library.

Reads one JSON object on stdin: `login`, `make`, `password` (when made), `group`. Prints `ok` and `evidence`.
"""

import json
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB


def main() -> None:
    """A witness that a killed verification left behind is removed first."""
    ask = json.load(sys.stdin)
    settings = LoadParm()
    settings.load_default()
    directory = SamDB(session_info=system_session(), lp=settings)
    login = ask["login"]
    if directory.search(directory.domain_dn(), expression=f"(sAMAccountName={login})", attrs=[]):
        directory.deleteuser(login)
    if ask["make"]:
        directory.newuser(login, ask["password"], description="Témoin de la recette; retiré à la fin")
        directory.add_remove_group_members(ask["group"], [login], add_members_operation=True)
    print(json.dumps({"ok": True, "evidence": login}))


if __name__ == "__main__":
    main()
