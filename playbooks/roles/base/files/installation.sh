# The logins by which the machine was taken in (adopt.py notes them): closed, never deleted, unless the dossier knows them.
# The day of shadow(5)'s eighth field closes every way in, keys too; `usermod --expiredate '' LOGIN` opens it again.
mode=$1 technicians=$2 people=$3
act() { [ "$mode" = look ] || "$@"; }
noted=/var/lib/provisioner/installation
[ -f "$noted" ] || exit 0
while read -r login; do
  case " $technicians " in *" $login "*) continue ;; esac
  ends=$(getent shadow "$login") || continue
  case " $people " in
    *" $login "*)
      ! id -nG "$login" | grep -qw sudo || { act gpasswd --delete "$login" sudo >&2 && echo "$login: no longer root"; }
      continue ;;
  esac
  [ "$(printf %s "$ends" | cut -d: -f8)" = 1 ] || { act usermod --groups '' --expiredate 1 "$login" && echo "$login: closed"; }
done < "$noted"
