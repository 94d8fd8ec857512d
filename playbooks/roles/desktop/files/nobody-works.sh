#!/bin/sh
# Exits 0 when nobody is logged in at this machine's screen: then an upgrade pulls no program from under anybody's hands.
for session in $(loginctl list-sessions --no-legend | awk '{ print $1 }'); do
  case $(loginctl show-session "$session" --property=Type --property=Class --value | tr '\n' ' ') in
    "x11 user "* | "user x11 "* | "wayland user "* | "user wayland "*) exit 1 ;;
  esac
done
# a session that logind does not know of
! pgrep -x xfce4-session >/dev/null
