# Says who else has the web server's ports; they are looked at, nothing is ended.
taken=0
for port in "$@"; do
  who=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p' | grep -v '^nginx ' | sort -u | head -n 1)
  [ -z "$who" ] || { echo "port $port is taken by $who: the web server cannot start until that is stopped or moved" >&2; taken=1; }
done
exit $taken
