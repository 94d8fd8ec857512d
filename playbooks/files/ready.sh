#!/bin/sh
# Makes apt and dpkg fit to work with: waits for whoever holds the lock, finishes what was cut short, refreshes the lists
# when they are older than an hour. Says `repaired` when it had to.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

if [ -n "$(dpkg --audit)" ] || [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ]; then
  tries=0
  # dpkg does not wait for its lock; apt-get does (DPkg::Lock::Timeout), but refuses half-configured packages
  until said=$(dpkg --force-confdef --force-confold --configure -a 2>&1); do
    case $said in
      *lock*) tries=$((tries + 1)); [ "$tries" -lt 60 ] || { echo "$said" >&2; exit 1; }; sleep 5 ;;
      *) break ;;
    esac
  done
  apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --fix-broken install >&2
  [ -z "$(dpkg --audit)" ] || { dpkg --audit >&2; exit 1; }
  echo repaired
fi

lists=/var/lib/apt/lists
if [ -z "$(find $lists -maxdepth 1 -name '*_Packages*' | head -n 1)" ] || [ -z "$(find $lists -maxdepth 0 -mmin -60)" ]; then
  apt-get update -q -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any >&2
  touch $lists
fi
