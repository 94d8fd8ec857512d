"""Every check, in the order of a day: who logs in, works, prints, writes, and what stands behind it."""

from provisioner.language import N_
from provisioner.verify.checks import (
    backup,
    calendar,
    clock,
    desktop,
    file_share,
    mail_relay,
    monitor,
    names,
    ports,
    printing,
    remote,
    router,
    session,
    updates,
)

# Alone and first, since it makes the witness's home; then side by side, at most `AT_ONCE`; last, alone again, those that
# change what the others use.
FIRST = (session.LOG_IN,)
CHECKS = (
    desktop.VISIT,
    names.CHECK,
    router.CHECK,
    file_share.SHARE,
    file_share.OTHERS,
    printing.CHECK,
    mail_relay.CHECK,
    calendar.CHECK,
    backup.CHECK,
    remote.CHECK,
    monitor.CHECK,
    clock.CHECK,
    updates.CHECK,
    ports.FROM_LAN,
    ports.FROM_BEYOND,
)
LAST = (session.CHANGE_PASSWORD, desktop.OFFLINE)
EVERY = tuple(part for check in (*FIRST, *CHECKS, *LAST) for part in check.every)

# What is found on the way there, not by a check.
REACHED, RESTARTED = "reached", "restarted"
TITLES = {
    REACHED: N_("The machines"),
    **{part.name: part.title for part in EVERY},
    RESTARTED: N_("After a restart"),
}

# Worth telling in a record: what each role stands on, as Debian names it.
PACKAGES = (
    "samba-ad-dc", "samba", "chrony", "wsdd2", "cups", "postfix", "radicale", "nginx", "restic", "openssh-server", "nftables",
    "unattended-upgrades", "sssd-ad", "smbclient", "cups-client",
    "xfce4-session", "lightdm", "libreoffice-core", "firefox-esr", "thunderbird", "keepassxc", "atril", "simple-scan", "orca",
    "xsecurelock", "pdfarranger", "xournalpp", "dnsmasq-base", "wireguard-tools",
    "victoria-metrics", "prometheus-node-exporter",
)  # fmt: skip
