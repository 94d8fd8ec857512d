#!/bin/sh
# ready.sh install|look: makes apt and dpkg fit to work with: waits for whoever holds the lock, finishes what was cut short,
# refreshes the lists when they are older than an hour, and installs the security updates that wait, or only looks for them.
# Says first which Debian this is, as in `debian-13`; then `repaired`, and `upgraded` with the packages' names, when there was
# something to do.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
(. /etc/os-release && echo "$ID-$VERSION_ID")

# A run cut short between the file and the name leaves a machine that does not know itself: each sudo would ask the DNS for it.
[ "$1" != install ] || [ ! -s /etc/hostname ] || [ "$(hostname)" = "$(cat /etc/hostname)" ] || hostname --file /etc/hostname

# Runs a command that does not wait for its lock by itself, for five minutes at most; `said` holds its words.
# dpkg never waits; apt-get waits for dpkg's locks (DPkg::Lock::Timeout), not for that of the lists, which the machine's
# own apt-daily.timer takes right after it is switched on.
patiently() {
  tries=0
  until said=$("$@" 2>&1); do
    case $said in
      *'lock was locked'* | *'Could not get lock'*) tries=$((tries + 1)); [ "$tries" -lt 150 ] || return 1; sleep 2 ;;
      *) return 1 ;;
    esac
  done
}

if [ -n "$(dpkg --audit)" ] || [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ]; then
  patiently dpkg --force-confdef --force-confold --configure -a || true  # apt-get mends what dpkg could not
  apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --fix-broken install >&2
  [ -z "$(dpkg --audit)" ] || { dpkg --audit >&2; exit 1; }
  echo repaired
fi

lists=/var/lib/apt/lists
if [ -z "$(find $lists -maxdepth 1 -name '*_Packages*' | head -n 1)" ] || [ -z "$(find $lists -maxdepth 0 -mmin -60)" ]; then
  patiently apt-get update -q -o APT::Update::Error-Mode=any || { echo "$said" >&2; exit 1; }
  touch $lists
fi

# unattended-upgrades does this every night; a machine that is handed over must not wait for its first one
pending=$(apt-get -s -q dist-upgrade | awk '/^Inst / && /[Ss]ecurity/ { print $2 }' | sort)
[ -n "$pending" ] || exit 0
if [ "$1" = install ]; then
  # shellcheck disable=SC2086 - names of packages have no blanks
  apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install --only-upgrade $pending >&2
fi
echo upgraded $pending
