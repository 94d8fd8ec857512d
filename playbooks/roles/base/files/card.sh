# card MAC: the name of the network card with that MAC; put before the scripts that need it. A bridge, a bond, a VLAN over a card
# bear its MAC too, and none of them is the machine's own link.
# shellcheck shell=sh
card() {
  for path in /sys/class/net/*; do
    [ "$(cat "$path/address" 2>/dev/null)" = "$1" ] || continue
    [ ! -e "$path/bridge" ] && [ ! -e "$path/bonding" ] && [ -z "$(ls -d "$path"/lower_* 2>/dev/null)" ] || continue
    echo "${path##*/}"
    return
  done
}
