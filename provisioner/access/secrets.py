"""What whoever had the inventory could read: made new, or told to a person who must."""

from dataclasses import dataclass

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.operation.selection import technician
from provisioner.secrets import rotation, vault


@dataclass(frozen=True)
class Secret:
    """A secret that whoever had the inventory could read; `how` is empty when `rotate` makes it new by itself."""

    name: str
    what: str
    how: str = ""


def known(target: Target, *, lab: bool) -> list[Secret]:
    """Every secret of an office by name, never its text: what `rotate` makes new, and what a person must.

    Raises:
        Locked, Missing, BadInput: as `vault.read`.
    """
    said = f"{target.office}{' --lab' if lab else ''}"
    found = vault.read(target).model_dump(mode="json")
    office = open_inventory(target.inventory).office(target.office)
    listed = [Secret("vault.key", "what opens the office's vault")]
    for section, entries in found.items():
        for name in entries:
            word = f"{section}.{name}"
            if section in rotation.ROTATED or word in rotation.ROTATED:
                listed.append(Secret(word, rotation.ROTATED.get(word) or rotation.ROTATED[section]))
            elif word == "backup.password":
                listed.append(Secret(word, "what opens the backups' repositories"))
            elif section == "backup" and rotation.is_former(name):
                how = "nothing: no repository opens with it once an apply, or a backup after it, has reached both places"
                listed.append(Secret(word, "what opened the repositories before", how))
            elif word == "router.key":
                listed.append(Secret(word, "what opens the routers' kept configurations"))
            elif section == "router":
                how = "nothing: what is kept from now on is not theirs"
                listed.append(Secret(word, "what opens those that git has from before", how))
            elif section == "people":
                here = f"provisioner person password {said} {name}, unless they have chosen their own since"
                how = here if name in office.people else "nothing: they work there no more, their account is closed by an apply"
                listed.append(Secret(word, "somebody's first password", how))
    there = f"a new one at the provider, then: provisioner secrets set {said} mail.password"
    mail = there if office.mail else "the dossier has no mail: any more; close that account at the provider it was for"
    rotated = f"provisioner access rotate {said} --backup-key"
    tell = f"{rotated}: before the next apply the second place must know it (provisioner backup place {said} prints how)"
    for word, what, how in (
        ("mail.password", "the mail provider's", mail),
        ("backup.ssh_key", "the backups'", tell),
        ("wifi.staff", "the key of the staff's Wi-Fi", f"another one: provisioner secrets set {said} wifi.staff"),
        ("wifi.guests", "the key of the guests' Wi-Fi", f"another one: provisioner secrets set {said} wifi.guests"),
        ("wan.password", "the Internet provider's", f"a new one there, then: provisioner secrets set {said} wan.password"),
        ("tunnel.key", "the router's, in its tunnel to us", "at the tunnel's other end, this router's key is taken out"),
        ("remote.key", "the office's end of its way in", f"provisioner remote rekey {said} --because WHY"),
        ("backup.keeper_key", "what opens the backups' second place to its keeper", tell),
    ):
        section, _, name = word.partition(".")
        if name in found[section]:
            listed.append(Secret(word, what, how))
    outside = [Secret("the login machines came with", "as their seller set it", "another password for it on each machine")]
    if not lab:
        outside.append(
            Secret("the inventory's passphrase", "opens vault.key of every office", "provisioner access rotate --passphrase")
        )
    if "authority" in found["tls"]:
        how = "devices that took the office's authority by hand (telephones, Windows) take the new one after the next apply"
        outside.append(Secret("tls.authority on other devices", "what they trust", how))
    return listed + outside


def backup_key(target: Target) -> Secret:
    """What a person does with a new key for the second place; its public half is no secret."""
    public = vault.read(target).backup["ssh_key_public"]
    how = f"before the next apply, at the second place beside the old one, which goes after it: {public}"
    return Secret("backup.ssh_key", "the backups'", how)


def rotate(target: Target, *, backup_key: bool = False, commit: bool) -> list[str]:
    """Make new what a later `apply` takes over, under a new key of the vault; the names of what is new.

    With `backup_key` the key for the second place too, which a person must take there before that apply.

    Raises:
        Locked, Missing, BadInput: nothing is changed.
    """
    office = open_inventory(target.inventory).office(target.office)
    names = rotation.rotate(target, office, backup_key=backup_key)
    if commit and not target.lab:
        _, name, email = technician(target)
        said = f"{target.office}: secrets rotated\n\n{', '.join(names)}\n"
        git.commit(target.inventory, target.secret_files, said, name=name, email=email)
    return names
