"""Every proof, in the order of a day: who logs in, works, prints, writes, and what stands behind it."""

from provisioner.language import N_
from provisioner.proofs import (
    backup,
    calendar,
    clock,
    file_share,
    mail_relay,
    names,
    ports,
    printing,
    session,
    updates,
)

# Side by side, at most `AT_ONCE`; then, alone, those that change what the others use.
PROOFS = (
    names.PROOF,
    session.LOG_IN,
    file_share.SHARE,
    file_share.OTHERS,
    printing.PROOF,
    mail_relay.PROOF,
    calendar.PROOF,
    backup.PROOF,
    clock.PROOF,
    updates.PROOF,
    ports.FROM_LAN,
    ports.FROM_BEYOND,
)
LAST = (session.CHANGE_PASSWORD,)

# What is found on the way there, not by a proof.
REACHED, RESTARTED = "reached", "restarted"
TITLES = {
    REACHED: N_("The machines"),
    **{proof.check: proof.title for proof in (*PROOFS, *LAST)},
    RESTARTED: N_("After a restart"),
}

# Worth telling in a record: what each role stands on, as Debian names it.
PACKAGES = (
    "samba-ad-dc", "samba", "chrony", "wsdd2", "cups", "postfix", "radicale", "nginx", "restic", "openssh-server", "nftables",
    "unattended-upgrades", "sssd-ad", "smbclient", "cups-client",
)  # fmt: skip
