"""Evidence in the reader's language: what our own programs say of what they saw; what other programs said stays as it is.

An audit keeps evidence in English, whatever the office speaks: a sentence of ours is found again by its fixed words.
"""

import re
from functools import lru_cache

from provisioner.language import N_, PLACE, Translator

# What stands in a sentence's place, or alone.
WORDS = (
    N_("yes"), N_("no"), N_("none"), N_("there"), N_("found"), N_("silent"), N_("reached"), N_("identical"), N_("differs"),
    N_("not loaded"), N_("not adopted"), N_("nothing answers"), N_("no printer"), N_("it said nothing"), N_("never"),
    N_("nobody"), N_("no answer"),
)  # fmt: skip

SENTENCES = (
    N_("SSH, {address}, the pinned key"),
    N_("GET from this laptop: {code}"),
    N_("in the provider's mailbox: {count}"),
    N_("no offer came in the guests' VLAN"),
    N_("no offer came"),
    N_("offered {address}, router {router}, names {names}"),
    N_("a guest has {address}"),
    N_("inside: {what}"),
    N_("Internet: {what}"),
    N_("a connection was taken"),
    N_("the guests' network has a port of its own"),
    N_("security: {packages}"),
    N_("others: {packages}"),
    N_("held: {packages}"),
    N_("TCP answers: {ports}"),
    N_("undeclared: {ports}"),
    N_("silent: {ports}"),
    N_("firewall: {rules}"),
    N_("{seconds} s after the first try"),
    N_("no log-in screen came up"),
    N_("no answer to the password"),
    N_("desktop: {what}"),
    N_("the share {share} did not come at login"),
    N_("running: {programs}"),
    N_("kept: {what}"),
    N_("printed: {what}"),
    N_("asked for the password {number} times"),
    N_("the entry is not there: {windows}"),
    N_("locked: {what}"),
    N_("locked after a wrong password: {what}"),
    N_("open for the right one: {what}"),
    N_("no answer within {seconds} s"),
    N_("{program} is not installed"),
    N_("{server} gives no time: {problem}"),
    N_("stratum {number}, {offset} s"),
    N_("this machine asks: {servers}"),
    N_("it could not be tried: {problem}"),
    N_("an answer that cannot be read: {check}"),
    N_("the server never had the message"),
    N_("snapshot {id} of {when} ({hours} h ago), {number} kept"),
    N_("no room is left ({words})"),
    N_("shows another host key than the pinned one"),
    N_("nothing was sent ({words})"),
    N_("refuses the office's key ({words})"),
    N_("the repository has another password than the office's vault ({words})"),
    N_("does not answer ({words})"),
    N_("the place lets nothing be deleted ({words})"),
    N_("somebody works in the repository ({words})"),
    N_("the repository is damaged ({words})"),
    N_("no disk is mounted at {place}: plug in the one labelled office-backup (mkfs.ext4 -L office-backup DEVICE)"),
    N_("restic ended without a word"),
    N_("up: {what}"),
    N_("closed: {what}"),
    N_("answers now: {what}"),
    N_("the hub's answers since the agent started: {what}"),
    N_("the agent does not answer: {why}"),
    N_("the agent does not know it"),
    N_("asked within the last minute"),
    N_("not asked yet"),
    N_("heard: {who}"),
    N_("{domain}: release {release}, status {status}"),
    N_("{place}: last success {when}"),
    N_("last failure {when}"),
    N_("read {when}"),
    N_("synchronised: {what}"),
    N_("{part} of {size} GB, {names} of the inodes used"),
    N_("{part} of {size} GB available"),
    N_("ended for want of it: {number}"),
    N_("{number} days"),
    N_("charge {number} %"),
    N_("shut: {ports}"),
    N_("{where}: {what}"),  # the last: it takes any pair of which the second is a word of ours
)

_PARTS = re.compile(r"(\n|; )")


def told(say: Translator, evidence: str) -> str:
    """Evidence with each of our own sentences in it translated; values, and the machines' own words, as they are."""
    return "".join(part if _PARTS.fullmatch(part) else _part(say, part) for part in _PARTS.split(evidence))


def _part(say: Translator, part: str) -> str:
    if part in WORDS:
        return say(part)
    for sentence, pattern in _patterns():
        found = pattern.fullmatch(part)
        if found and (sentence != SENTENCES[-1] or found["what"] in WORDS):
            return say(sentence, {name: say(value) if value in WORDS else value for name, value in found.groupdict().items()})
    return part


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(one, re.compile(PLACE.sub(lambda at: f"(?P<{at[1]}>.*?)", _escaped(one)))) for one in SENTENCES]


def _escaped(sentence: str) -> str:
    """A sentence as a pattern, its `{places}` left as they are."""
    return re.sub(r"\\([{}])", r"\1", re.escape(sentence))
