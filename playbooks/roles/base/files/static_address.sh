#!/bin/sh
# static_address.sh MAC ADDRESS: leaves the link to systemd-networkd with the dossier's address alone, whoever managed it before.
# We are logged in over that address; whatever happens to the others, it is back before TCP gives up.
set -eu
umask 077
mac=$1 address=$2
link=$(card "$mac")
changed=

# Every file that ifupdown reads (interfaces(5), source and source-directory): what it says of this link goes, the rest stays.
# The former ones are kept outside of what it reads: a pattern may take any name there.
sourced=$(awk '$1 == "source" || $1 == "source-directory" { print $2 }' /etc/network/interfaces 2>/dev/null || true)
# shellcheck disable=SC2086 - patterns they are
for file in /etc/network/interfaces $(find -L /etc/network/interfaces.d $sourced -maxdepth 1 -type f 2>/dev/null | sort -u); do
  [ -e "$file" ] || continue
  awk -v link="$link" '
    /^[[:space:]]*(iface|mapping|auto|allow-[a-z]+|source|source-directory|rename|template)[[:space:]]/ { mine = 0 }
    /^[[:space:]]*(auto|allow-[a-z]+)[[:space:]]/ {
      kept = $1
      for (n = 2; n <= NF; n++) if ($n != link) kept = kept " " $n
      if (kept != $1) print kept
      next
    }
    /^[[:space:]]*iface[[:space:]]/ && $2 == link { mine = 1 }
    !mine
  ' "$file" > "$file.new~" # of the shell's own mask, for a moment
  if cmp -s "$file" "$file.new~"; then
    rm "$file.new~"
    continue
  fi
  mkdir -p /var/lib/provisioner/before-pack
  cp -n "$file" "/var/lib/provisioner/before-pack/$(echo "$file" | tr / -)"
  cat "$file.new~" > "$file" # its owner and mode stay: it may hold the password of another link
  rm "$file.new~"
  changed=yes
done
if systemctl is-active -q NetworkManager && ! nmcli -t -f DEVICE,STATE device | grep -qx "$link:unmanaged"; then
  printf '[keyfile]\nunmanaged-devices=mac:%s;interface-name:%s\n' "$mac" "$link" > /etc/NetworkManager/conf.d/10-office.conf
  systemctl reload NetworkManager
  nmcli device set "$link" managed no # the file alone counts from the next start on
  changed=yes
fi
systemctl is-enabled -q systemd-networkd || { systemctl enable -q systemd-networkd; changed=yes; }
others=$(ip -4 -o addr show dev "$link" scope global | awk '{ print $4 }' | grep -vc "^$address/" || true)
managed=$(networkctl status "$link" 2>/dev/null | awk '/Network File:/ { print $3 }')
if [ "$others" != 0 ] || [ "$managed" != /etc/systemd/network/10-office.network ] || [ -n "$changed" ]; then
  # whatever ran a DHCP client for this link must not renew the old address later
  for client in /run/dhclient*."$link".pid /run/dhcpcd/"$link".pid /run/dhcpcd-"$link".pid; do
    [ -e "$client" ] && kill "$(cat "$client")" 2>/dev/null || true
  done
  systemctl start systemd-networkd
  networkctl reload
  networkctl reconfigure "$link" 2>/dev/null || systemctl restart systemd-networkd
  for old in $(ip -4 -o addr show dev "$link" scope global | awk '{ print $4 }' | grep -v "^$address/"); do
    ip addr del "$old" dev "$link" || true
  done
  changed=yes
fi
# A bridge or a VLAN that bears the card's MAC, and once got the card's address for it.
for there in $(ip -4 -o addr show | awk -v link="$link" -v address="$address/" '$2 != link && index($4, address) == 1 { print $2 ":" $4 }'); do
  networkctl reload
  ip addr del "${there#*:}" dev "${there%%:*}" 2>/dev/null || true # networkd may have been faster
  changed=yes
done
for _ in 1 2 3 4 5 6; do # what was just reconfigured takes a moment
  managed=$(networkctl status "$link" 2>/dev/null | awk '/Network File:/ { print $3 }')
  [ "$managed" != /etc/systemd/network/10-office.network ] || break
  sleep 1
done
# What would win at the next start too: the first file, by its name, all of whose conditions fit the link (systemd.network(5)).
set -f
for file in $(find /etc/systemd/network /run/systemd/network /usr/lib/systemd/network -name '*.network' 2>/dev/null); do
  first=$(printf '%s\n10-office.network\n' "${file##*/}" | LC_ALL=C sort | head -n 1)
  [ "$first" != 10-office.network ] || continue
  match=$(sed -n '/^\[Match\]/,/^\[[^M]/p' "$file")
  wins=yes
  names=$(echo "$match" | sed -n 's/^Name=//p')
  if [ -n "$names" ]; then
    wins=
    for pattern in $names; do
      # shellcheck disable=SC2254 - a pattern it is
      case $link in $pattern) wins=yes ;; esac
    done
  fi
  macs=$(echo "$match" | sed -n 's/^\(Permanent\)\{0,1\}MACAddress=//p' | tr A-Z- a-z:)
  case " ${macs:-$mac} " in *" $mac "*) ;; *) wins= ;; esac
  kinds=$(echo "$match" | sed -n 's/^Type=//p')
  case " ${kinds:-ether} " in *" ether "*) ;; *) wins= ;; esac
  [ -z "$wins" ] || [ -z "$names$macs$kinds" ] || managed=$file
done
if [ "$managed" != /etc/systemd/network/10-office.network ]; then
  echo "the office's address is set and not in force: $link is managed by ${managed:-nobody}, which wins over ours; take it away" >&2
  exit 1
fi
[ -z "$changed" ] || echo changed
