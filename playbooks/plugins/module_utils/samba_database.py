"""Samba's own database on its own server, one object at a time: compared, then made or changed, and told in a sentence."""

from __future__ import annotations

from typing import Any

SAM = "/var/lib/samba/private/sam.ldb"


def loaded() -> Any:
    """Samba's configuration."""
    from samba.param import LoadParm

    parameters = LoadParm()
    parameters.load("/etc/samba/smb.conf")
    return parameters


class Database:
    """The database, and what was done to it; with `check` nothing is written."""

    def __init__(self, check: bool) -> None:
        from samba.auth import system_session
        from samba.samdb import SamDB

        self.db = SamDB(url=SAM, session_info=system_session(), lp=loaded())
        self.check = check
        self.base = str(self.db.domain_dn())
        self.done: list[str] = []
        self.diffs: list[dict[str, str]] = []

    def read(self, dn: str, *attributes: str) -> dict[str, list[bytes]] | None:
        """The object's attributes by name as asked for, or None."""
        import ldb

        try:
            entry = self.db.search(base=dn, scope=ldb.SCOPE_BASE, attrs=list(attributes) or ["cn"])[0]
        except ldb.LdbError as error:
            if error.args[0] == ldb.ERR_NO_SUCH_OBJECT:
                return None
            raise
        return {name: [bytes(value) for value in entry[name]] if name in entry else [] for name in attributes}

    def under(self, parent: str, expression: str, *attributes: str) -> dict[str, Any]:
        """Objects below `parent`: dn -> entry."""
        import ldb

        if self.read(parent) is None:
            return {}
        entries = self.db.search(base=parent, scope=ldb.SCOPE_SUBTREE, expression=expression, attrs=list(attributes))
        return {str(entry.dn): entry for entry in entries}

    def say(self, about: str, before: str, after: str, what: str) -> None:
        """Note a change."""
        self.done.append(f"{about}: {what}")
        header = f"directory: {about}"
        self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})

    def ensure(self, dn: str, wanted: dict[str, list[str]], new: dict[str, Any] | None = None, hidden: bytes = b"") -> bool:
        """Make an object's attributes these, an empty list for none; `new` and the password `hidden` only when it is made.

        Returns:
            Whether it was, or would be, made.
        """
        import ldb

        now = self.read(dn, *wanted)
        about = dn.removesuffix(f",{self.base}")
        values = {name: [text.encode() for text in texts] for name, texts in wanted.items()}
        if now is None:
            self.say(about, "", shown(values), "made")
            if not self.check:
                entry: dict[str, Any] = {"dn": dn, **(new or {}), **{name: given for name, given in values.items() if given}}
                if hidden:
                    entry["unicodePwd"] = hidden
                self.db.add(entry)
            return True
        differing = {name: given for name, given in values.items() if sorted(given) != sorted(now[name])}
        if differing:
            self.say(about, shown({name: now[name] for name in differing}), shown(differing), ", ".join(differing))
            if not self.check:
                change = ldb.Message(ldb.Dn(self.db, dn))
                for name, given in differing.items():
                    change[name] = ldb.MessageElement(given, ldb.FLAG_MOD_REPLACE, name)
                self.db.modify(change)
        return False

    def password(self, dn: str, text: str, why: str) -> None:
        """Set an account's password."""
        import ldb

        self.say(dn.removesuffix(f",{self.base}"), "", "password: ********\n", why)
        if not self.check:
            change = ldb.Message(ldb.Dn(self.db, dn))
            change["unicodePwd"] = ldb.MessageElement(quoted(text), ldb.FLAG_MOD_REPLACE, "unicodePwd")
            self.db.modify(change)

    def has_password(self, dn: str, text: str) -> bool:
        """Whether this is the account's password, by its hash."""
        from samba.credentials import Credentials

        asked = Credentials()
        asked.set_password(text)
        kept = (self.read(dn, "unicodePwd") or {}).get("unicodePwd")
        return bool(kept) and kept == [bytes(asked.get_nt_hash())]

    def account(self, name: str) -> Any:
        """The account of this name wherever it is, or None."""
        import ldb

        there = self.db.search(
            base=self.base, scope=ldb.SCOPE_SUBTREE, attrs=["adminDescription", "userAccountControl"],
            expression=f"(sAMAccountName={ldb.binary_encode(name)})",
        )  # fmt: skip
        return there[0] if there else None

    def remove(self, dn: str) -> None:
        """Take away something we made that holds nothing of anybody: a group, a name."""
        about = dn.removesuffix(f",{self.base}")
        self.say(about, "present\n", "", "removed")
        if not self.check:
            self.db.delete(dn)


def quoted(password: str) -> bytes:
    """A password as Active Directory takes it [MS-ADTS 3.1.1.3.1.5]."""
    return f'"{password}"'.encode("utf-16-le") if password else b""


def shown(values: dict[str, list[bytes]]) -> str:
    """Attributes for a diff."""
    return "".join(
        f"{name}: {value.decode(errors='replace')}\n" for name, given in sorted(values.items()) for value in sorted(given)
    )
