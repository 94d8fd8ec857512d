#!/bin/sh
# settle.sh MAC ADDRESS: leaves the link to systemd-networkd with the dossier's address alone, whoever managed it before.
# We are logged in over that address; whatever happens to the others, it is back before TCP gives up.
set -eu
mac=$1 address=$2
link=$(ip -o link | awk -v mac="$mac" 'tolower($0) ~ ("link/ether " mac) { sub(/[@:].*/, "", $2); print $2; exit }')
changed=

# Every file that ifupdown reads (interfaces(5), source and source-directory): what it says of this link goes, the rest stays.
# The former ones are kept outside of what it reads: a pattern may take any name there.
for file in /etc/network/interfaces $(find /etc/network/interfaces.d -type f 2>/dev/null); do
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
  ' "$file" > "$file.new~"
  if cmp -s "$file" "$file.new~"; then
    rm "$file.new~"
    continue
  fi
  mkdir -p /var/lib/provisioner/before-pack
  cp -n "$file" "/var/lib/provisioner/before-pack/$(echo "$file" | tr / -)"
  mv "$file.new~" "$file"
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
managed=$(networkctl status "$link" 2>/dev/null | awk '/Network File:/ { print $3 }')
# What would win at the next start too: the first file, by its name, that fits the link (systemd.network(5)).
for file in $(find /etc/systemd/network /run/systemd/network /usr/lib/systemd/network -name '*.network' 2>/dev/null); do
  first=$(printf '%s\n10-office.network\n' "${file##*/}" | LC_ALL=C sort | head -n 1)
  [ "$first" != 10-office.network ] || continue
  for pattern in $(sed -n '/^\[Match\]/,/^\[[^M]/{s/^\(Name\|MACAddress\|Type\)=//p}' "$file"); do
    # shellcheck disable=SC2254 - a pattern it is
    case $link in $pattern) managed=$file ;; esac
    case $pattern in [Ee]ther) managed=$file ;; esac
    [ "$(echo "$pattern" | tr A-Z- a-z:)" != "$mac" ] || managed=$file
  done
done
if [ "$managed" != /etc/systemd/network/10-office.network ]; then
  echo "the office's address is set and not in force: $link is managed by ${managed:-nobody}, which wins over ours; take it away" >&2
  exit 1
fi
[ -z "$changed" ] || echo settled
