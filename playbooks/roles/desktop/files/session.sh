#!/bin/sh
# Set by the office's pack; changes here are overwritten.
# Debian's Xsession ends where it cannot write into the home: whoever has filled theirs gets in to make room all the same.
room=$HOME/.office-room
if (printf '%1024s' x > "$room") 2>/dev/null; then
  rm -f "$room"
  exec /etc/X11/Xsession "$@"
fi
rm -f "$room"
. /etc/X11/Xsession.d/35office
export XDG_CACHE_HOME="$XDG_RUNTIME_DIR/cache" ICEAUTHORITY="$XDG_RUNTIME_DIR/ICEauthority"
exec "$@" > /dev/null 2>&1
