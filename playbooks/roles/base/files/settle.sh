#!/bin/sh
# settle.sh MAC ADDRESS: leaves the link to systemd-networkd with the dossier's address alone, whoever managed it before.
# We are logged in over that address; whatever happens to the others, it is back before TCP gives up.
set -eu
mac=$1 address=$2
link=$(ip -o link | awk -v mac="$mac" 'tolower($0) ~ ("link/ether " mac) { sub(/[@:].*/, "", $2); print $2; exit }')
changed=

if [ -e /etc/network/interfaces ] && grep -Eq "^[[:space:]]*iface[[:space:]]+$link[[:space:]]" /etc/network/interfaces; then
  cp -n /etc/network/interfaces /etc/network/interfaces.before-pack
  printf '# The office network is in /etc/systemd/network/10-office.network.\nauto lo\niface lo inet loopback\n' \
    > /etc/network/interfaces.new
  mv /etc/network/interfaces.new /etc/network/interfaces
  changed=yes
fi
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
[ -z "$changed" ] || echo settled
