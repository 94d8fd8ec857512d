#!/bin/sh
# ready.sh install|look|ask WAIT_S LISTS_S: makes apt and dpkg fit to work with: refuses a disk without room, waits for whoever
# holds a lock (WAIT_S at most), finishes what was cut short, refreshes the lists when they are older than an hour or from a
# future that a wrong clock saw (within LISTS_S), and installs the security updates that wait, or only looks for them; `ask`
# makes the lists fresh and nothing else.
# Says first which Debian this is, as in `debian-13`; then `repaired`, and `upgraded` with the packages' names, when there was
# something to do; and a line `note: …` for each source that is not Debian's and gives nothing: Debian's own are enough.
# What it cannot do is said on stderr, the cause first, in words that provisioner/explain.py knows. Needs sources.sh before it.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
wait_s=$2 lists_s=$3
(. /etc/os-release && echo "$ID-$VERSION_ID")

# A run cut short between the file and the name leaves a machine that does not know itself: each sudo would ask the DNS for it.
[ "$1" != install ] || [ ! -s /etc/hostname ] || [ "$(hostname)" = "$(cat /etc/hostname)" ] || hostname --file /etc/hostname

# Whether a folder's disk has so many MiB and 500 inodes left: before anything is half done for want of them.
# A file system without a number of its own for inodes (btrfs) has no end of them.
roomy() {
  free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  inodes=$(df -Pi "$1" | awk 'NR == 2 { print ($2 > 0 ? $4 : 500) }')
  [ "$free" -ge "$2" ] && [ "$inodes" -ge 500 ] && return
  echo "no room on $1: $free MiB and $inodes inodes are free, $2 MiB and 500 inodes are needed; make room, then again" >&2
  return 1
}
roomy / 64
roomy /var 64
roomy /tmp 8

# Runs a command that does not wait for its lock by itself; `said` holds its words.
# dpkg never waits; apt-get would wait for dpkg's locks (DPkg::Lock::Timeout), but then does not say who held them, and not for
# those of the lists and of what it fetched, which the machine's own apt-daily timers take right after it is switched on.
patiently() {
  until_s=$(($(date +%s) + wait_s))
  until said=$("$@" 2>&1); do
    code=$?
    case $said in
      *'lock was locked'* | *'Could not get lock'*) [ "$(date +%s)" -lt $until_s ] || return $code; sleep 2 ;;
      *) return $code ;;
    esac
  done
}

# apt-get for packages, patiently; its words only when it failed.
packages() {
  patiently apt-get -y -qq -o DPkg::Lock::Timeout=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o Acquire::http::Timeout=20 "$@" || { echo "$said" >&2; exit 1; }
}

interrupted=
if [ "$1" != ask ] && { [ -n "$(dpkg --audit)" ] || [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ]; }; then
  interrupted=yes
  patiently dpkg --force-confdef --force-confold --configure -a || true  # apt-get mends what dpkg could not
fi

# What apt complained of, each with the file that names the source; of a foreign one it is a note, and no reason to stop.
# Both words count: after an `E:` about one source apt does not repeat what it said in an `Err:` of another.
# shellcheck disable=SC2016 # awk's own variables
complaints() {
  printf '%s\n' "$said" | SOURCES=$(sources) awk '
    BEGIN {
      count = split(ENVIRON["SOURCES"], line, "\n")
      for (n = 1; n <= count; n++) { split(line[n], part, "|"); whose[n] = part[1]; file[n] = part[2]; uri[n] = part[3] }
    }
    /^[EW]: Some index files failed/ { next }
    /^([EW]|Err:[0-9]+):? / {
      ours = 1; where = ""
      for (n = 1; n <= count; n++) {
        at = index($0, uri[n])
        if (!at || substr($0, at + length(uri[n]), 1) !~ /[ \/]/) continue
        where = file[n]
        if (whose[n] == "own") continue
        ours = 0
        if (!/^Err/ || !(n in why)) why[n] = substr($0, index($0, " ") + 1)
      }
      if (/^W/ && (!where || !/rror|ailed|does not have|not signed/)) ours = 0  # a hint, as of a key that is kept in an old place
      if (ours) print $0 (where ? " (" where ")" : "")
      next
    }
    !/^ / { ours = 0 }
    ours
    END {
      for (n = 1; n <= count; n++) if ((n in why) && !told[uri[n]]++)
        print "note: " uri[n] " (" file[n] ") gives nothing, so what came from there gets no updates: " why[n]
    }'
}

eval "$(apt-config shell lists Dir::State::lists/d)"
if [ -z "$(find "$lists" -maxdepth 1 -name '*_Packages*' | head -n 1)" ] || [ -z "$(find "$lists" -maxdepth 0 -mmin -60 ! -newermt now)" ]; then
  patiently timeout "$lists_s" apt-get update -q -o APT::Update::Error-Mode=any -o Acquire::http::Timeout=20 || {
    code=$? heard=$(complaints)
    rm -f "$lists"/partial/*  # half a list of a bad mirror's would be taken for the beginning of a good one's
    if [ $code -eq 124 ] || printf '%s\n' "$heard" | grep -qv '^note: '; then
      [ $code -ne 124 ] || echo "the package lists did not come within $lists_s s" >&2
      printf '%s\n' "$heard" | grep -v '^note: ' | grep . >&2 || echo "$said" >&2
      exit 1
    fi
    printf '%s\n' "$heard"
  }
  touch "$lists"
fi

# After the lists: what has to be unpacked again is fetched, and old or empty lists name no package to fetch.
if [ -n "$interrupted" ]; then
  # one cut short while it was unpacked is unpacked again: --fix-broken alone leaves it as it is (apt 2.6, 3.0);
  # what it still needs comes too, and as in the roles nothing that is merely recommended
  # shellcheck disable=SC2046 - names of packages have no blanks
  packages --no-install-recommends --fix-broken --reinstall install $(dpkg-query -W -f '${db:Status-Eflag} ${binary:Package}\n' | sed -n 's/^reinstreq //p')
  [ -z "$(dpkg --audit)" ] || { dpkg --audit >&2; exit 1; }
  echo repaired
fi

[ "$1" != ask ] || exit 0
# unattended-upgrades does this every night; a machine that is handed over must not wait for its first one
pending=$(apt-get -s -q dist-upgrade | awk '/^Inst / && /[Ss]ecurity/ { print $2 }' | sort)
[ -n "$pending" ] || exit 0
# shellcheck disable=SC2086 - names of packages have no blanks
[ "$1" != install ] || packages install --only-upgrade $pending
echo upgraded $pending
