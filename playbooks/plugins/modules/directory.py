"""The office's directory as the dossier has it: founded once, then kept in step, in one call and one transaction.

Works on Samba's own database with Samba's own bindings, on the server, whether its service runs or not; `samba-tool`
would be a second of start-up for each of a hundred questions, and takes passwords as arguments.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import shutil
import sys
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.samba_database import SAM, Database, loaded, quoted

DOCUMENTATION = """
module: directory
short_description: the office's Samba AD directory
description: Founds the domain when there is none, then makes accounts, groups, machines, names and rules those given.
options:
  realm: {type: str, required: true, description: the Kerberos realm in capitals}
  workgroup: {type: str, required: true, description: the domain's short name}
  hostname: {type: str, required: true, description: the server's name}
  address: {type: str, required: true, description: the server's address}
  administrator: {type: str, required: true, description: the password of Administrator, always this one}
  people: {type: list, elements: dict, required: true, description: who works here, each with login name email and groups}
  passwords: {type: dict, required: true, description: the first password of each person by login, set once}
  renewed: {type: dict, required: true, description: how often a password was renewed on purpose by login}
  groups: {type: dict, required: true, description: the office's groups, name to title}
  everybody: {type: str, required: true, description: the group that all people are in}
  hosts: {type: list, elements: dict, required: true, description: the office's hosts, each with name kind and address}
  printers: {type: list, elements: dict, required: true, description: its printers, each with name and address}
  services: {type: dict, required: true, description: names of services, each with the address of its server}
  machines: {type: dict, required: true, description: what each machine shows the directory, name to password}
  policy: {type: dict, required: true, description: min_length history lockout_tries and lockout_minutes, where they differ}
author: the provisioner authors
"""

RETURN = """
done:
  description: what was changed or would be, one sentence an object
  type: list
  returned: always
"""

BEGUN = "/var/lib/provisioner/directory-begun"
MARK = (
    "provisioner"  # in adminDescription of what we made beyond our own folders of accounts; nobody but an administrator writes it
)
UNTOUCHED = "witness"  # the account of `verify`
DISABLED, NORMAL, WORKSTATION = 2, 512, 4096  # userAccountControl [MS-ADTS 2.2.16]
MAKES_ONE = "`provisioner secrets show OFFICE --complete` makes one"
AES = "24"  # AES128 and AES256 [MS-KILE 2.2.7]
POLICY = {"min_length": 10, "history": 5, "lockout_tries": 10, "lockout_minutes": 15}
FOREVER = str(-0x8000000000000000)
TICKS = 10_000_000  # of 100 ns in a second: Active Directory's measure of time, negative for a length


def found(module: AnsibleModule) -> None:
    """Make the domain. One whose making was cut short is wiped first: nobody can have used it."""
    p = module.params
    for unit in ("wsdd2", "smbd", "nmbd", "winbind", "samba-ad-dc"):
        module.run_command(["systemctl", "--quiet", "stop", unit])
    os.makedirs(os.path.dirname(BEGUN), mode=0o700, exist_ok=True)
    with open(BEGUN, "w", encoding="utf-8") as file:
        os.fsync(file.fileno())
    private = os.path.dirname(SAM)
    for left in [*glob.glob("/var/lib/samba/*.tdb"), "/var/lib/samba/sysvol", *glob.glob(f"{private}/*")]:
        if os.path.isdir(left):
            shutil.rmtree(left)
        elif os.path.lexists(left):
            os.unlink(left)
    from samba.auth import system_session
    from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
    from samba.provision import provision

    with open("/etc/samba/shares.conf", "a", encoding="utf-8"):
        pass  # smb.conf names it and file_share writes it later: Debian 12's Samba reads no configuration with a hole
    with contextlib.redirect_stdout(sys.stderr):  # our own standard output is for Ansible
        provision(
            logging.getLogger("provision"), system_session(), smbconf="/etc/samba/smb.conf", lp=loaded(),
            realm=p["realm"], domain=p["workgroup"], hostname=p["hostname"], hostip=p["address"],
            adminpass=p["administrator"], dns_backend="SAMBA_INTERNAL", serverrole="active directory domain controller",
            skip_sysvolacl=False, dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
        )  # fmt: skip
    # the service does so too, but only some time after its start: until then nobody gets a ticket for its LDAP
    code, out, err = module.run_command(["samba_spnupdate"])
    if code:
        module.fail_json(msg=f"the directory's server did not get its principals: {(err or out).strip()[-600:]}")
    os.sync()
    os.unlink(BEGUN)


class Directory(Database):
    """The office's part of the database as the dossier has it."""

    def __init__(self, params: dict[str, Any], check: bool) -> None:
        super().__init__(check)
        self.p = params
        self.domain = params["realm"].lower()
        self.office = f"OU=Office,{self.base}"

    def rules(self) -> None:
        """The password policy; the minimal age is none, so that a first password can be changed at once."""
        policy = POLICY | {name: value for name, value in self.p["policy"].items() if value is not None}
        minutes = str(-int(policy["lockout_minutes"]) * 60 * TICKS)
        self.ensure(
            self.base,
            {
                "minPwdLength": [str(policy["min_length"])],
                "pwdHistoryLength": [str(policy["history"])],
                "minPwdAge": ["0"],
                "maxPwdAge": [FOREVER],
                "lockoutThreshold": [str(policy["lockout_tries"])],
                "lockoutDuration": [minutes],
                "lockOutObservationWindow": [minutes],
            },
        )
        administrator = f"CN=Administrator,CN=Users,{self.base}"
        if not self.has_password(administrator, self.p["administrator"]):
            self.password(administrator, self.p["administrator"], "the vault's password")

    def folders(self) -> None:
        """Where our accounts are, apart from Samba's own."""
        unit = {"objectClass": ["top", "organizationalUnit"]}
        self.ensure(self.office, {}, unit)
        for name in ("People", "Groups", "Machines"):
            self.ensure(f"OU={name},{self.office}", {}, unit)

    def people(self) -> None:
        """Accounts of people: made, renamed, enabled, disabled; never deleted, and no password twice."""
        folder = f"OU=People,{self.office}"
        for person in self.p["people"]:
            login = person["login"]
            dn = f"CN={login},{folder}"
            elsewhere = self.account(login)
            if elsewhere is not None and str(elsewhere.dn).lower() != dn.lower():
                raise Refused(
                    f"the directory has an account {login} outside {folder}: rename it, or give this person another login"
                )
            kept = self.read(dn, "adminDescription", "userAccountControl")
            known = renewals(kept["adminDescription"]) if kept else 0
            times = int(self.p["renewed"].get(login, 0))
            control = int(kept["userAccountControl"][0]) & ~DISABLED if kept else NORMAL
            if (kept is None or times > known) and login not in self.p["passwords"]:
                raise Refused(f"the vault has no password for {login}: {MAKES_ONE}")
            wanted = {
                "displayName": [person["name"]],
                "mail": [person["email"]] if person["email"] else [],
                "userAccountControl": [str(control)],
                "adminDescription": [f"{MARK} renewed={max(times, known)}"],
            }
            new = {
                "objectClass": ["top", "person", "organizationalPerson", "user"],
                "sAMAccountName": login,
                "userPrincipalName": f"{login}@{self.domain}",
            }
            try:
                if not self.ensure(dn, wanted, new, quoted(self.p["passwords"].get(login, ""))) and times > known:
                    self.password(dn, self.p["passwords"][login], "its renewed password")
            except Exception as error:
                if "0000052D" in str(error):  # [MS-ERREF]: a password that does not meet the domain's rules
                    raise Refused(f"the vault's password of {login} does not meet the office's rules for passwords") from error
                raise
        stay = {person["login"] for person in self.p["people"]} | {UNTOUCHED}
        for dn, entry in self.under(folder, "(objectClass=user)", "sAMAccountName", "userAccountControl").items():
            control = int(str(entry["userAccountControl"]))
            if str(entry["sAMAccountName"]) not in stay and not control & DISABLED:
                self.ensure(dn, {"userAccountControl": [str(control | DISABLED)]})

    def groups(self) -> None:
        """The office's groups with the people in them; who else an administrator put in stays."""
        import ldb

        folder, people = f"OU=Groups,{self.office}", f",OU=People,{self.office}"
        spared = f"CN={UNTOUCHED}{people}".lower()
        for name, title in {self.p["everybody"]: "", **self.p["groups"]}.items():
            dn = f"CN={name},{folder}"
            elsewhere = self.account(name)
            if elsewhere is not None and str(elsewhere.dn).lower() != dn.lower():
                raise Refused(f"the directory has an account {name} outside {folder}: rename it, or give this group another name")
            within = name == self.p["everybody"]
            wanted = {f"CN={p['login']}{people}" for p in self.p["people"] if within or name in p["groups"]}
            there = {str(member, "utf-8") for member in (self.read(dn, "member") or {}).get("member", [])}
            ours = {str(ldb.Dn(self.db, member)) for member in there}
            stay = {member for member in ours if not member.lower().endswith(people.lower()) or member.lower() == spared}
            about = {"description": [title] if title else [], "adminDescription": [MARK]}
            if {m.lower() for m in ours} != {m.lower() for m in wanted | stay}:
                about["member"] = sorted(wanted | stay)
            self.ensure(dn, about, {"objectClass": ["top", "group"], "sAMAccountName": name})
        known = {self.p["everybody"], *self.p["groups"]}
        for dn, entry in self.under(folder, f"(adminDescription={MARK})", "sAMAccountName").items():
            if str(entry["sAMAccountName"]) not in known:
                self.remove(dn)

    def machines(self) -> None:
        """Accounts of the office's machines, with the password each has in the vault; a joined Windows PC is not ours."""
        folder = f"OU=Machines,{self.office}"
        names = [host["name"] for host in self.p["hosts"] if host["kind"] == "desktop"]
        for name in names:
            password = self.p["machines"].get(name, "")
            if not password:
                raise Refused(f"the vault has no password for {name}: {MAKES_ONE}")
            elsewhere = self.account(f"{name}$")
            dn = f"CN={name},{folder}" if elsewhere is None else str(elsewhere.dn)
            fqdn = f"{name}.{self.domain}"
            wanted = {
                "dNSHostName": [fqdn],
                "servicePrincipalName": [f"{kind}/{form}" for kind in ("HOST", "RestrictedKrbHost") for form in (name, fqdn)],
                "msDS-SupportedEncryptionTypes": [AES],
                "userAccountControl": [str(WORKSTATION)],
                "adminDescription": [MARK],
            }
            new = {
                "objectClass": ["top", "person", "organizationalPerson", "user", "computer"],
                "sAMAccountName": f"{name}$",
            }
            if not self.ensure(dn, wanted, new, quoted(password)) and not self.has_password(dn, password):
                self.password(dn, password, "the vault's password")
        for dn, entry in self.under(folder, f"(adminDescription={MARK})", "sAMAccountName", "userAccountControl").items():
            control = int(str(entry["userAccountControl"]))
            if str(entry["sAMAccountName"]).removesuffix("$") not in names and not control & DISABLED:
                self.ensure(dn, {"userAccountControl": [str(control | DISABLED)]})

    def names(self) -> None:
        """The addresses of the office's names; those that machines register by themselves are left alone."""
        address = self.p["address"]
        names = {thing["name"]: thing["address"] for thing in [*self.p["printers"], *self.p["hosts"]]}
        names |= {service: where["address"] for service, where in self.p["services"].items()}
        names |= dict.fromkeys(["@", "DomainDnsZones", "ForestDnsZones"], address)
        zone = self.zone(self.domain, "DomainDnsZones")
        for name, where in names.items():
            self.name(f"DC={name},{zone}", name, where)
        self.name(f"DC=gc,{self.zone(f'_msdcs.{self.domain}', 'ForestDnsZones')}", "gc._msdcs", address)
        for dn in self.under(zone, f"(&(objectClass=dnsNode)(adminDescription={MARK}))", "dc"):
            if dn.partition(",")[0].removeprefix("DC=") not in names:
                self.remove(dn)

    def zone(self, name: str, partition: str) -> str:
        """Where the names of a DNS zone are."""
        return f"DC={name},CN=MicrosoftDNS,DC={partition},{self.base}"

    def name(self, dn: str, name: str, address: str) -> None:
        """One name with one address; its records of other kinds stay."""
        import ldb
        from samba.dcerpc import dnsp
        from samba.ndr import ndr_pack, ndr_unpack
        from samba.provision.sambadns import ARecord

        now = self.read(dn, "dnsRecord", "adminDescription", "dNSTombstoned")
        kept, had = [], []
        for raw in now["dnsRecord"] if now else []:
            record = ndr_unpack(dnsp.DnssrvRpcRecord, raw)
            if record.wType in (dnsp.DNS_TYPE_A, dnsp.DNS_TYPE_AAAA):
                had.append(str(record.data))
            elif record.wType != dnsp.DNS_TYPE_TOMBSTONE:
                kept.append(raw)
        if now and had == [address] and now["adminDescription"] == [MARK.encode()]:
            return
        self.say(f"the name {name}", "".join(f"{old}\n" for old in had), f"{address}\n", f"stands for {address}")
        if self.check:
            return
        records = [*kept, bytes(ndr_pack(ARecord(address, serial=1)))]
        if now is None:
            self.db.add({"dn": dn, "objectClass": ["top", "dnsNode"], "dnsRecord": records, "adminDescription": MARK})
            return
        change = ldb.Message(ldb.Dn(self.db, dn))
        for attribute, values in (("dnsRecord", records), ("adminDescription", [MARK]), ("dNSTombstoned", ["FALSE"])):
            if attribute != "dNSTombstoned" or now["dNSTombstoned"]:
                change[attribute] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, attribute)
        self.db.modify(change)

    def sync(self) -> None:
        """Everything, or nothing when it cannot be finished."""
        self.db.transaction_start()
        try:
            for part in (self.rules, self.folders, self.people, self.groups, self.machines, self.names):
                part()
        except BaseException:
            self.db.transaction_cancel()
            raise
        self.db.transaction_commit()


class Refused(Exception):
    """Something a technician can set right, in a sentence."""


def renewals(description: list[bytes]) -> int:
    """How often this account's password was renewed, as its note says."""
    digits = description[0].decode(errors="replace").rpartition("renewed=")[2] if description else ""
    return int(digits) if digits.isdigit() else 0


def main() -> None:
    """Found the domain if need be, then sync."""
    secret = ("administrator", "passwords", "machines")
    texts = ("realm", "workgroup", "hostname", "address", "administrator", "everybody")
    spec: dict[str, Any] = {name: {"type": "str", "required": True} for name in texts}
    spec |= {name: {"type": "list", "elements": "dict", "required": True} for name in ("people", "hosts", "printers")}
    mappings = ("passwords", "renewed", "groups", "services", "machines", "policy")
    spec |= {name: {"type": "dict", "required": True} for name in mappings}
    for name in spec:
        spec[name]["no_log"] = name in secret
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    new = not os.path.exists(SAM) or os.path.exists(BEGUN)
    if new and module.check_mode:
        said = f"the directory {module.params['realm']} for {len(module.params['people'])} people"
        module.exit_json(changed=True, done=[f"{said}: made"], diff=[{"before": "", "after": f"{said}\n"}])
    if not module.params["administrator"]:
        module.fail_json(msg=f"the vault has no password for the directory's Administrator: {MAKES_ONE}")
    try:
        if new:
            found(module)
        directory = Directory(module.params, module.check_mode)
        directory.sync()
    except Refused as refused:
        module.fail_json(msg=str(refused))
    # what Ansible says of a module that crashes is not searched for passwords; what fail_json says is
    except Exception as error:
        said = traceback.format_exc()
        module.fail_json(msg=f"the directory could not be brought up to date: {type(error).__name__}: {error}", exception=said)
    done = [f"{module.params['realm']}: founded", *directory.done] if new else directory.done
    module.exit_json(changed=bool(done), done=done, diff=directory.diffs)


if __name__ == "__main__":
    main()
