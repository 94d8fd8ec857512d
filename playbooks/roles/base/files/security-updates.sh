#!/bin/sh
# security-updates.sh install|look: installs the security updates that wait, or only looks; says `upgraded` and their names.
# unattended-upgrades does this every night; a machine that is handed over must not wait for its first one.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
pending=$(apt-get -s -q dist-upgrade | awk '/^Inst / && /[Ss]ecurity/ { print $2 }' | sort)
[ -n "$pending" ] || exit 0
if [ "$1" = install ]; then
  # shellcheck disable=SC2086 - names of packages have no blanks
  apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install --only-upgrade $pending >&2
fi
echo upgraded $pending
