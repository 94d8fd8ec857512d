"""Every text of ours that may reach the operator's terminal, read off the code: its fixed words, `{names}` for its values."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import provisioner
from provisioner.cli.__main__ import VERBS
from provisioner.inventory.hours import Weekday
from provisioner.plays.roles import purposes

PACKAGE = Path(provisioner.__file__).parent
# What a person sees of a call: all its texts. An error of ours is any class named by its module's `errors` kin.
SPEAKERS = {
    "say", "echo", "confirm", "ask", "print", "Text", "assemble", "table", "add_column", "add_row", "Watch", "_wrong", "_text_of",
    "_bare_key", "add_problem", "spoil", "Conflict", "Shape", "Problem", "Lack", "Program", "Secret", "Question", "validate",
    "ClickException", "UsageError", "objection", "BadParameter", "Table",
}  # fmt: skip
WORDS_OF = {"hint", "help", "title", "advice", "text", "rule", "why"}
# Where a text lies before it is said: variables, and tables of texts.
VARIABLES = {
    "what", "hint", "why", "how", "about", "said", "tell", "there", "mail", "here", "text", "problem", "words", "end", "called",
    "where", "title",
}  # fmt: skip
TABLES = {
    "_FIRST",
    "_WANTED",
    "_NEVER",
    "_POSTCODES",
    "_REGISTERS",
    "kept",
    "PASSED",
    "ROTATED",
    "RIGHT",
    "_RIGHT",
    "ANEW",
    "_SMALL",
}
# Written to be pasted, or the same in both languages.
COMMAND = re.compile(
    r"(next: )?(provisioner|git|ssh-keygen|ssh-keyscan|df|ss|ps|fuser|findmnt|rclone|apt|timedatectl|sudo|rm)\b[^;,]*$|"
    r"--[a-z]+ [A-Z{][^ ]*$|(bold|dim|red|green|cyan|yellow)\b|"
    r"(router |backup )?(apply|plan|verify|push|diff|restore|backup|accept|prune) \{[a-z]+\}(\{[a-z]+\})?:?$"
)
# What click says by itself, how an error begins, and what no rule below finds.
OTHERS = {
    "error:", "try:", "Usage:", "Options", "Verbs", "Commands", "Offices.", "Show this message and exit.",
    "Show the version and exit.", "No such command {name}.", "No such command {name}. Did you mean {other}?",
    "Missing argument {name}.", "Missing option {name}.", "Got unexpected extra argument ({name})",
    "warning", "next: provisioner {rest}", "Repair:", "a SIREN", "spaces",
    "installation per host", "training per hour", "maintenance per host month",
    "a public key", "a host's key", "the LAN {network}", "the guests' network {network}",
    *(f"word: {day}" for day in get_args(Weekday)),
    *(f"word: {state}" for state in ("running", "interrupted", "failed", "unreachable", "partial")),
    "the line's network {network}", "the tunnel's network {network}", "{number} characters", "{number} of them", "{number} lines",
    "{number} days", "{number} hours",
    # what a change amounts to (runs/diffs.py)
    *(f"{{number}} package{s} {what}" for s in ("", "s") for what in ("new", "upgraded", "removed")),
    *(f"new {what}{path}, {{lines}}" for what in ("file", "program") for path in ("", " {path}")),
    "{number} new files", "{number} new programs", "{path} removed",
    *(f"{{amount}} {unit} {way}" for unit in ("days", "hours", "minutes") for way in ("behind", "ahead of")),
    "default: {value}", "word: required", "Missing command.", "{value} is not one of {choices}.",
    "{value} is not in the range {range}.", "{value} is not a valid {kind}.", "Option {name} does not take a value.",
    "File {name} does not exist.", "Directory {name} does not exist.", "File {name} is a directory.",
    "Directory {name} is a file.", "Got unexpected extra arguments ({names})", "No such option {name}.",
    "No such option {name}. Did you mean {other}?", "No such option {name}. (Did you mean one of: {others}?)",
    "Option {name} requires an argument.", "Invalid value for {name}: {problem}",
}  # fmt: skip
# What lies in such a variable and goes elsewhere: into git, over a wire, into a sentence, or is a count, found by its number.
ELSEWHERE = {
    "{name}: {logins} shut out by {user}", "{office}: secrets rotated", "HTTP/1.1 503 too slow: {speed} kB/s",
    "Connection: close", "Message de vérification. Verification message.", "an answer that cannot be read: {name}",
    "{text} characters", "{value} of them", "{value} lines", "{value} days", "{hours} hours", "{value} min",
    "show reload", "reload in {minutes} {reason} {token} {technician} {run}", "write memory", "show version", "reload cancel",
    "configure replace nvram:startup-config force", "ping {address} repeat 2 timeout 1", "service-policy type inspect (\\S+)",
    "policy-map type inspect", "zone-member security (\\S+)", "zone security",
    "Reload scheduled for 12:00:00 UTC Sat Nov 28 2026 (in {value} minutes) by {login}",
    "{value} min {value2} s", "{name}: deleted", "{name}: altered", "chmod 600 {key}", "ssh-add {key}", "| nothing",
    "refuses sudo to {}", "lets {} in, but runs no command", "ls -ld {path} {parent}", "ps -o pid,stat,wchan,args {pid}",
    ":put settled", "RouterOS {strip}", "Restore and reboot? [y/N]:", "Reboot, yes? [y/N]:", "dynamic object", "default item",
    "nslookup {name} 127.0.0.1 2>&1", "({tries}) > /dev/null 2>&1", "ubus call system board; echo =; cat /proc/uptime",
    "ubus call network.interface dump", "cat /tmp/dhcp.leases 2> /dev/null", "printf '%s' {text} > {name} || exit 5", "not found",
    "Permission denied", "package {name}", "config {type}", "option {key} {value}",
    "builtin item", "[ find default-name={item} ]", "[ find default=yes ]", "[ find name={wanted} ]",
    "backup: {host: …, user: …, host_key: …}", "type: {kind}", "resellers/{name}.yml: {what}", "Content-Length: 0",
}  # fmt: skip
WIRES = (
    "lab/devices/",
    "router/platforms/debian.py",
    "router/platforms/openwrt_router.py",
    "router/platforms/routeros_router.py",
    "router/platforms/routeros_changes.py",
    "router/platforms/uci.py",
)  # what their functions return is no sentence
# The rooms whose every text is told in French; in the others what has no French yet is told in English.
WHOLE = (
    "cli", "access", "adopt.py", "apply", "backup", "doctor.py", "hosts", "inventory", "lab", "laptop", "office", "operation",
    "package_cache", "plays", "record", "router", "secrets", "verify", "playbooks",
)  # fmt: skip


def errors() -> set[str]:
    """The names of our errors' classes."""
    known = {"ProvisionerError"}
    classes = [n for p in PACKAGE.rglob("*.py") for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ClassDef)]
    for _ in range(4):
        known |= {c.name for c in classes if any(isinstance(b, ast.Name) and b.id in known for b in c.bases)}
    return known


def place(value: ast.expr) -> str:
    """A name for what stands in a place: the last word of its expression."""
    while True:
        if isinstance(value, ast.Attribute | ast.Name):
            return (value.attr if isinstance(value, ast.Attribute) else value.id).strip("_").lower()
        if isinstance(value, ast.Call):
            plain = value.args and not isinstance(value.args[0], ast.GeneratorExp | ast.ListComp)
            value = value.args[0] if plain else value.func
        elif isinstance(value, ast.Subscript):
            value = value.value
        else:
            return "value"


def template(node: ast.JoinedStr) -> str:
    """The sentence of an f-string, with a name in each place."""
    seen: dict[str, int] = {}
    text = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            name = place(part.value)
            seen[name] = seen.get(name, 0) + 1
            text += f"{{{name}{seen[name] if seen[name] > 1 else ''}}}"
        elif isinstance(part, ast.Constant):
            text += str(part.value)
    return text


def texts(node: ast.AST) -> Iterator[str]:
    """Each text that an expression may become."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield template(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from texts(part.value)
    else:
        for one in parts(node):
            yield from texts(one)


def parts(node: ast.AST) -> list[ast.expr]:  # noqa: PLR0911 - one line a kind
    """The expressions that one is chosen or put together from."""
    match node:
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.BoolOp():
            return node.values
        case ast.Tuple() | ast.List():
            return node.elts
        case ast.Dict():
            return [*filter(None, node.keys), *node.values]
        case ast.BinOp():
            return [node.left, node.right]
        case ast.Call(func=ast.Name("shown")):
            return node.args
        case ast.Call(func=ast.Attribute(value=ast.Dict() as table, attr="get")):
            return [table]
        case ast.Call(func=ast.Attribute(attr="fromkeys")):
            return node.args[1:]
    return []


def named(node: ast.AST) -> set[str]:
    """The variables that an assignment or a loop gives a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def heard(tree: ast.AST, names: set[str], *, returned: bool) -> Iterator[ast.AST]:
    """The expressions of a module whose value a person sees."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in names or ast.unparse(node.func) == "said.append":  # what a platform of a router cannot do
                yield from node.args
            yield from (k.value for k in node.keywords if k.arg in WORDS_OF)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For) and named(node) & (VARIABLES | TABLES):
            if value := node.iter if isinstance(node, ast.For) else node.value:
                yield value
        elif isinstance(node, ast.Return) and node.value and returned:
            yield node.value
        elif isinstance(node, ast.FunctionDef) and any(isinstance(d, ast.Call) for d in node.decorator_list):
            words = " ".join(ast.unparse(d) for d in node.decorator_list)
            if re.search(r"\bverb\(|\bgroup\(|\.command\(", words):
                yield from (
                    ast.Constant(" ".join(part.replace("\b", "").split()))
                    for part in (ast.get_docstring(node) or "").split("\n\n")
                )


def spoken() -> dict[str, str]:
    """Every text with words in it, and where it stands first."""
    names = SPEAKERS | errors()
    # `many(number, "host")`: both forms; an inventory's check counts three things by a list.
    counted = {
        f"{{number}} {word}{s}": "provisioner/cli/inventory.py" for word in ("office", "problem", "warning") for s in ("", "s")
    }
    found = {line: "provisioner/cli/__main__.py" for _, line in VERBS.values()}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).as_posix()
        if room.startswith(("hosts/programs/", "language/", "documents/")):
            continue
        for expression in heard(ast.parse(path.read_text()), names, returned=not room.startswith(WIRES)):
            for text in texts(expression):
                for line in text.split("\n"):
                    found.setdefault(line.strip(), f"provisioner/{room}")
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        counted |= dict.fromkeys(alone(ast.parse(path.read_text())), f"provisioner/cli/{path.name}")
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("many", "told"):
                words = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
                if call.func.id == "many" and words:
                    words = [f"{{number}} {one}" for one in (words[0], words[1] if words[1:] else f"{words[0]}s")]
                counted.update(dict.fromkeys(words, f"provisioner/cli/{path.name}"))
    texts_of_ours = {text: where for text, where in found.items() if worded(text) and text not in ELSEWHERE}
    for path in sorted((PACKAGE.parent / "playbooks").rglob("*.yml")):
        for name in re.findall(r"^ *- name: (.+)$", path.read_text(), re.MULTILINE):
            texts_of_ours.setdefault(name, f"playbooks/{path.name}")
    does = dict.fromkeys(purposes().values(), "provisioner/plays/roles.py")
    return {**does, **texts_of_ours, **counted, **dict.fromkeys(OTHERS, "provisioner/cli/__main__.py")}


def alone(tree: ast.AST) -> Iterator[str]:
    """The words of ours that stand alone in a module: heads of columns, titles, states."""
    for node in ast.walk(tree):
        of: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("word", "table", "Table", "map"):
            of = [one for one in node.args if node.func.id != "map" or ast.unparse(node.args[0]) == "word"]
        elif isinstance(node, ast.For) and named(node) & {"column", "word"}:
            of = [node.iter]
        elif isinstance(node, ast.Assign) and named(node) & {"words", "PASSED"}:
            of = [node.value]
        for text in (text for one in of for text in texts(one) if text not in ("green", "red")):
            if text.isalpha():
                yield f"word: {text}"
            elif text and isinstance(node, ast.Call) and "{" not in text:
                yield text


def worded(text: str) -> bool:
    """Whether a text has words to translate: a command to paste has none."""
    fixed = re.sub(r"\{[^}]*\}", "", text)
    return bool(re.search(r"[A-Za-z]{2,}.*[ ’'].*[A-Za-z]{2,}|[A-Za-z]{3,}:? | [a-z]{3,}", fixed)) and not COMMAND.match(text)
