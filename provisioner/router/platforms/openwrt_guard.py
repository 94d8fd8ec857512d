"""The guard on an OpenWrt router: a program of its shell's, run by procd, and the init script that starts it. Text, nothing else.

rpcd's own rollback lies in memory (rpcd, uci.c), so it is not used. What is there is kept in /etc, on the overlay. procd starts
the helper again when it is killed (`respawn … 0`, "Procd service scripts"); a start runs `boot` (START=11) before the firewall
and the network come up (19, 20). One link, `open`, says that a push waits; one link, `end`, decides how it ends, and whoever
makes it first has decided: ln makes one only where none is. The helper alone then settles it: never more than one is at work.
Only what BusyBox has in an OpenWrt image is used. Each `sync` is there because what follows must not be on the disk before it.
"""

ROOT = "/etc/provisioner"
PROGRAM, INIT, SERVICE = f"{ROOT}/guard", "/etc/init.d/office-guard", "office-guard"
PACKAGES = ("network", "dhcp", "firewall", "wireless", "system")

INIT_TEXT = f"""\
#!/bin/sh /etc/rc.common
# Written by provisioner: takes the former configuration back unless a push is confirmed.
START=11
USE_PROCD=1

boot() {{
	{PROGRAM} boot
	if [ -L {ROOT}/open ]; then start; fi
}}

start_service() {{
	procd_open_instance
	procd_set_param command {PROGRAM} watch
	procd_set_param respawn 3600 1 0
	procd_close_instance
}}
"""

PROGRAM_TEXT = (
    f"""\
#!/bin/sh
# Written by provisioner: takes the former configuration back unless a push is confirmed.
ROOT={ROOT}
OPEN={ROOT}/open
PACKAGES="{" ".join(PACKAGES)}"
SERVICE={INIT}
"""
    r"""CONFIG=/etc/config

now() {
	read -r up rest < /proc/uptime
	now=${up%.*}
}

opened() {
	[ -L $OPEN ] && folder=$ROOT/$(readlink $OPEN)
}

mine() {
	opened && [ $folder = $ROOT/push-$1 ]
}

# How it ends, and why: the first to make the link has decided.
finish() {
	echo "$2" > $folder/why
	ln -s $1 $folder/end 2> /dev/null
	sync
}

state() {
	if opened; then
		echo "open $(cat $folder/note 2> /dev/null)"
		if [ -f $folder/loaded ]; then echo loaded; fi
	fi
	if [ -f $ROOT/last ]; then
		echo last
		cat $ROOT/last
	fi
}

arm() {
	folder=$ROOT/push-$1
	for package in $PACKAGES; do
		if [ -s /tmp/.uci/$package ]; then
			echo "changes of $package wait there to be committed: uci changes $package"
			return 4
		fi
		if [ -f $CONFIG/$package ]; then
			cp -p $CONFIG/$package $folder/before/$package && cmp -s $CONFIG/$package $folder/before/$package || return 5
		else
			: > $folder/before/none-$package || return 5
		fi
	done
	$SERVICE enable || return 5
	$SERVICE start
	read -r boot < /proc/sys/kernel/random/boot_id
	now
	echo "$((now + $2)) $boot" > $folder/until || return 5
	sync
	ln -sn push-$1 $OPEN 2> /dev/null || return 3
	sync
	tries=0
	until [ -f $folder/watched ]; do
		if [ $tries -ge 10 ]; then
			rm -f $OPEN
			sync
			echo "procd runs no helper"
			return 5
		fi
		tries=$((tries + 1))
		$SERVICE start
		sleep 1
	done
	for other in $ROOT/push-*; do
		if [ $other != $folder ]; then rm -rf $other; fi
	done
	return 0
}

# Whether fw4 takes every section: what it leaves out it only warns of. A network that was just made may not be known yet.
ruleset() {
	for again in 1 2 3; do
		if fw4 check > $folder/ruleset 2>&1 && ! grep -q '^\[!\] Section' $folder/ruleset; then return 0; fi
		sleep 1
	done
	return 1
}

# All that reads these packages reads them anew.
services() {
	failed=0
	for one in system network firewall dnsmasq odhcpd sysntpd log; do
		if [ ! -x /etc/init.d/$one ]; then continue; fi
		how=reload
		if [ $one != network ] && [ $one != system ] && [ $one != firewall ]; then how=restart; fi
		if [ $one = firewall ]; then
			if ! ruleset; then
				cat $folder/ruleset
				return 1
			fi
		fi
		/etc/init.d/$one $how || { echo "/etc/init.d/$one $how failed"; failed=1; }
	done
	return $failed
}

# The same, ended at a moment of the router's uptime.
within() {
	services > $folder/said 2>&1 &
	pid=$!
	now
	while kill -0 $pid 2> /dev/null; do
		if [ $now -ge $1 ]; then
			kill -9 $pid
			echo "its services did not take it in time" > $folder/said
			return 1
		fi
		sleep 1
		now
	done
	wait $pid
}

put() {
	: > $folder/begun
	sync
	for package in $PACKAGES; do
		if [ -f $folder/new/$package ] && ! uci -c $folder/new export $package > /dev/null 2> $folder/said; then
			finish reverted "it refuses $package: $(cat $folder/said)"
			return
		fi
	done
	for package in $PACKAGES; do
		if [ -f $folder/new/$package ]; then
			mv $folder/new/$package $CONFIG/$package || { finish reverted "it refuses to write $package"; return; }
		else
			rm -f $CONFIG/$package
		fi
	done
	sync
	if within $until; then
		: > $folder/loaded
		sync
	else
		finish reverted "it refuses the new configuration: $(cat $folder/said)"
	fi
}

settle() {
	anew=0
	if [ "$(readlink $folder/end)" = applied ]; then
		how=applied
		sha256sum $CONFIG/* > $ROOT/pushed.new && mv $ROOT/pushed.new $ROOT/pushed
	else
		how=reverted
		for package in $PACKAGES; do
			rm -f /tmp/.uci/$package
			if [ -f $folder/before/$package ]; then
				mv $folder/before/$package $CONFIG/$package
			elif [ -f $folder/before/none-$package ]; then
				rm -f $CONFIG/$package
			fi
		done
		sync
		if [ "$1" != boot ]; then
			now
			within $((now + 20)) || anew=1
		fi
	fi
	{
		echo $how
		cat $folder/note
		cat $folder/why
	} > $ROOT/last.new 2> /dev/null
	sync
	mv $ROOT/last.new $ROOT/last
	rm -f $OPEN
	sync
	rm -rf $folder
	if [ $anew = 1 ]; then reboot; fi
}

watch() {
	read -r boot < /proc/sys/kernel/random/boot_id
	idle=0
	while [ $idle -lt 15 ]; do
		if ! opened; then
			idle=$((idle + 1))
			sleep 1
			continue
		fi
		idle=0
		read -r until booted < $folder/until
		: > $folder/watched
		now
		if [ -L $folder/end ]; then
			:
		elif [ "$boot" != "$booted" ]; then
			finish reverted "the router was started anew"
		elif [ -f $folder/back ]; then
			finish reverted "it was told to go back"
		elif [ $now -ge $until ]; then
			finish reverted "not confirmed in time"
		elif [ -f $folder/begun ] && [ ! -f $folder/loaded ]; then
			finish reverted "its helper was ended while it loaded"
		elif [ -f $folder/go ] && [ ! -f $folder/begun ]; then
			put
		fi
		if [ -L $folder/end ] || [ $now -ge $until ]; then
			settle
		else
			sleep 1
		fi
	done
	$SERVICE stop
}

boot() {
	if opened; then
		if [ ! -L $folder/end ]; then finish reverted "the router was started anew"; fi
		settle boot
	fi
	rm -rf $ROOT/push-*
}

case "$1" in
arm)
	arm "$2" "$3"
	;;
load)
	mine "$2" && : > $folder/go
	;;
confirm)
	if mine "$2" && [ -f $folder/loaded ] && ln -s applied $folder/end 2> /dev/null; then
		sync
		tries=0
		while mine "$2" && [ $tries -lt 10 ]; do
			tries=$((tries + 1))
			sleep 1
		done
	fi
	state
	;;
revert)
	mine "$2" && : > $folder/back
	;;
state) state ;;
watch) watch ;;
boot) boot ;;
esac
"""
)


def quoted(text: str) -> str:
    """A text as one word of the shell's: nothing in it is special but the quote itself."""
    return "'" + text.replace("'", "'\\''") + "'"


def written(name: str, text: str) -> str:
    """The line that writes a file; it is not what it was for a moment only where nobody reads it yet."""
    return f"printf '%s' {quoted(text)} > {name} || exit 5\n"


def installed() -> str:
    """The lines that put the program and its init script there, whole or not at all."""
    lines = ""
    for name, text in ((PROGRAM, PROGRAM_TEXT), (INIT, INIT_TEXT)):
        lines += written(f"{ROOT}/put", text)
        lines += f"chmod 755 {ROOT}/put && mv {ROOT}/put {name} || exit 5\n"
    return lines
