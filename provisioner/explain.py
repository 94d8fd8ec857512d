"""What stands behind the words of apt, dpkg and the kernel, in a sentence for a technician who stands at a client's."""

import re

# The first that is found counts: a page of a portal is also a file of the wrong size, an expired list also a failed fetch.
_KNOWN = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (
            r"No space left on device|You don't have enough free space|write error.*ENOSPC|Disk quota exceeded",
            "no room is left on its disk, or no inodes (df -h and df -i there say where); make room, then again",
        ),
        (
            r"echo: I/O error",  # of a shell, which does not say more
            "no room is left where its programs write, or a disk fails (df -h and df -i there say); mend that, then again",
        ),
        (
            r"Could not get lock (\S+)\. It is held by process (\d+) \(([^)]*)\)",
            "another program there, {2} (process {1}), keeps {0} and did not let go of it; let it finish, then again",
        ),
        (
            r"(\S+(?: \S+)?) lock was locked by another process with pid (\d+)",
            "another program there, process {1}, keeps the {0} lock and did not let go of it; let it finish, then again",
        ),
        (
            r"(?:installed|new|old) (\S+) package (\S+) script subprocess (?:returned error exit status|was killed by signal)",
            "the package {0} cannot be set up: its own {1} script fails, with the words below; mend what it asks for,"
            " or remove the package, then again",
        ),
        (
            r"The package (\S+) needs to be reinstalled, but I can't find an archive for it",
            "the package {0} was left half unpacked and no mirror has it: install it again from its file, or remove it"
            " (dpkg --remove --force-remove-reinstreq {0}), then again",
        ),
        (
            r"Malformed (?:entry|line|stanza) (\d+) in (?:list|source|source list) (?:file )?(\S+)",
            "the list of package sources {1} has a mistake in its entry {0}, and apt reads none while it is there: mend that file"
            " or take it away, then again",
        ),
        (
            r"Type '([^']*)' is not known on (?:line|stanza) (\d+) in source(?: list)?(?: file)? (\S+)",
            "the list of package sources {2} has a mistake in its entry {1} ({0}), and apt reads none while it is there: mend"
            " that file or take it away, then again",
        ),
        (
            r"Conflicting values set for option Signed-By regarding source (\S+ \S+): (.*?)(?:\n|$)",
            "two lists of package sources in /etc/apt/sources.list.d name {0} with two keys ({1}), and apt reads none while both"
            " are there: take one away, then again",
        ),
        (
            r"503 +too slow: (\S+ kB/s)",
            "almost nothing comes from the package mirror ({0}): it, or the line to it, is down or too slow; try again later",
        ),
        (
            r"the package lists did not come within (\d+ s)",
            "the package lists did not come within {0}: the package mirror, or the line to it, is too slow; try again later",
        ),
        (
            r"does the network require authentication|NOSPLIT",
            "something answers in the package mirror's place, with a page instead of its lists: does this network ask for a"
            " log-in (a captive portal)? open a browser here, then again",
        ),
        (
            r"Release file for (\S+) is expired",
            "the package mirror is out of date: its list {0} has expired, or this machine's clock is far ahead;"
            " nothing was installed",
        ),
        (
            r"Release file for (\S+) is not valid yet",
            "the package mirror's list {0} is from the future: this machine's clock is behind; nothing was installed",
        ),
        (
            r"is not signed|NO_PUBKEY|BADSIG|Missing key|[Ii]nvalid signature|signatures? (?:were|was) invalid"
            r"|signatures? couldn't be verified|Sub-process /usr/bin/sqv returned an error",
            "the package mirror's lists bear no signature of Debian's, or were altered since: nothing was installed",
        ),
        (
            r"Hash Sum mismatch|unexpected size|Mirror sync in progress",
            "the package mirror gave a file that is not the one Debian signed (damaged on the way, a portal's page, or"
            " tampered with); it was thrown away, nothing of it was installed",
        ),
        (
            r"Temporary failure resolving '([^']+)'|Could not resolve '([^']+)'",
            "this machine finds no address for the package mirror: is the office's Internet line up?",
        ),
        (
            r"[Cc]onnection timed out|Connection timeout|Could not connect|Unable to connect|[Cc]onnection failed"
            r"|Connection refused|Network is unreachable|No route to host|Remote host closed|Error reading from server"
            r"|Undetermined Error|\b50[0-9]  ",
            "the package mirror gives no answer, or none to its end: is the office's Internet line up?",
        ),
        (
            r"404 +Not Found|does not have a Release file",
            "the package mirror does not have what Debian's lists name (404): it is out of date or the wrong one; nothing of it"
            " was installed",
        ),
    )
)


# What a machine that no longer answers looks like from here; the words that come after say in which way.
FELL_SILENT = "it fell silent in the middle of this task: its cable, its power, or the network between; once it answers, again"


def corrupt(said: str) -> list[str]:
    """The names of the package files that apt found to be other than Debian signed: each in a line `Failed to fetch`."""
    found = re.findall(r"Failed to fetch \S+/([\w.+~%-]+\.deb) +(?:Hash Sum mismatch|File has unexpected size)", said)
    return sorted(set(found))


def cause(said: str) -> str:
    """The sentence for what a program said, in English, on a host or here; empty when its words are not known."""
    for pattern, sentence in _KNOWN:
        if found := pattern.search(said):
            return sentence.format(*found.groups())
    return ""
