#!/bin/sh
# join.sh MAC ADDRESS PREFIX: puts the address on the link with that MAC, beside those it has, unless somebody else answers to it.
set -eu
mac=$1 address=$2 prefix=$3
link=$(card "$mac")
[ -n "$link" ] || { echo "no link has the dossier's MAC $mac: correct it with what 'ip link' shows" >&2; exit 1; }
! ip -4 -o addr show dev "$link" | grep -q " $address/" || exit 0
if [ -e "/sys/class/net/$link/master" ]; then
  over=$(basename "$(readlink "/sys/class/net/$link/master")")
  echo "$link is a port of $over, and the office's address stands on the card itself: take it out of $over, or set the bridge up" \
    "after the pack, over another card" >&2
  exit 1
fi
# one datagram makes the kernel ask who has the address (ARP); a machine that has it answers within the second
python3 -c 'import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b"", (sys.argv[1], 9))' "$address" || true
sleep 1
other=$(ip -4 neigh show "$address" dev "$link" | awk '/lladdr/ { print $3; exit }')
if [ -n "$other" ]; then
  echo "$address is already used by $other: free it, or give this host another address in the dossier" >&2
  exit 1
fi
# brd +: as networkd itself would; 252 fails on an address that stands there without ("Numerical result out of range")
ip addr add "$address/$prefix" brd + dev "$link"
# told to all (RFC 5227, 2.3): who spoke with another machine at this address would go on calling that one for a while
python3 - "$link" "$mac" "$address" <<'ANNOUNCE' || true
import socket, sys
link, mac, address = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), socket.inet_aton(sys.argv[3])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((link, 0))
    out.send(b"\xff" * 6 + mac + bytes.fromhex("0806" "0001" "0800" "06" "04" "0001") + mac + address + bytes(6) + address)
ANNOUNCE
echo joined
