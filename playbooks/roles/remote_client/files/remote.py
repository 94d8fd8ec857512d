#!/usr/bin/python3
"""office-remote: the window in which somebody of the office sees the way in for maintenance, closes it and opens it again.

Set by the office's pack; changes here are overwritten. With a word (status, close, open) it does the same in a terminal.
"""

import contextlib
import getpass
import json
import os
import socket
import sys
import threading
import time

PLACE = "/etc/office-remote.json"
LOOK_S = 5

FRENCH = {
    "Remote maintenance": "Maintenance à distance",
    "{who} can come in from afar to maintain your computers. You can close this way in at any time.":
        "{who} peut venir à distance entretenir vos ordinateurs. Vous pouvez fermer cet accès à tout moment.",
    "The way in is open.": "L’accès est ouvert.",
    "The way in is closed.": "L’accès est fermé.",
    "The way in is closed, by {who}, {when}.": "L’accès est fermé, par {who}, {when}.",
    "It is open, but just now nobody can come: {who} is being called again.":
        "L’accès est ouvert, mais personne ne peut venir pour l’instant : {who} est rappelé.",
    "Here now: {names}": "En ce moment : {names}",
    "Nobody is here now.": "Personne n’est là en ce moment.",
    "Close the way in": "Fermer l’accès",
    "Open the way in": "Ouvrir l’accès",
    "Who came, when and why": "Qui est venu, quand et pourquoi",
    "Nobody has come yet.": "Personne n’est encore venu.",
    "The server gives no answer: whether the way in is open is not known.":
        "Le serveur ne répond pas : on ne sait pas si l’accès est ouvert.",
}  # fmt: skip


def told(text, **words):
    """A sentence in the language of the session."""
    language = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return (FRENCH.get(text, text) if language.startswith("fr") else text).format(**words)


def place():
    """Where the server's switch is, and who the co-op is."""
    with open(PLACE, encoding="utf-8") as file:
        return json.load(file)


def ask(do, at):
    """What the server says after it did that; None when it gives no answer."""
    try:
        with socket.create_connection((at["server"], at["port"]), timeout=5) as line:
            line.sendall(json.dumps({"do": do, "who": getpass.getuser()}).encode() + b"\n")
            with line.makefile(encoding="utf-8", errors="replace") as said:
                found = json.loads(said.readline(1 << 20))
        return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None


def sentences(said, at):
    """How the way in is, in sentences. Pure but for the clock's zone."""
    if said is None:
        return [told("The server gives no answer: whether the way in is open is not known.")]
    closed = said.get("closed")
    if closed is not None:
        who, since = closed.get("by"), closed.get("at")
        if not who or not isinstance(since, int):
            return [told("The way in is closed.")]
        when = time.strftime("%d/%m/%Y %H:%M", time.localtime(since))
        return [told("The way in is closed, by {who}, {when}.", who=who, when=when)]
    names = ", ".join(str(one.get("who", "")) for one in said.get("here", []))
    here = told("Here now: {names}", names=names) if names else told("Nobody is here now.")
    up = "The way in is open." if said.get("up") else "It is open, but just now nobody can come: {who} is being called again."
    return [told(up, who=at["help"]), here]


def window():
    """What is so, a button, and who came."""
    import gi

    gi.require_version("Gtk", "3.0")
    from gi.repository import GLib, Gtk

    at, state = place(), {"said": None, "asked": False}
    shown = Gtk.Window(title=told("Remote maintenance"), border_width=18, icon_name="preferences-desktop-remote-desktop")
    shown.set_default_size(620, 460)
    shown.set_position(Gtk.WindowPosition.CENTER)
    shown.connect("destroy", Gtk.main_quit)
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
    shown.add(box)
    what = "{who} can come in from afar to maintain your computers. You can close this way in at any time."
    head = Gtk.Label(label=told(what, who=at["help"]), wrap=True, xalign=0, max_width_chars=70)
    now = Gtk.Label(xalign=0, wrap=True, max_width_chars=70)
    button = Gtk.Button(halign=Gtk.Align.START, sensitive=False, label=told("Close the way in"))
    title = Gtk.Label(label=told("Who came, when and why"), xalign=0)
    text = Gtk.TextView(editable=False, cursor_visible=False, wrap_mode=Gtk.WrapMode.WORD_CHAR, left_margin=6, top_margin=6)
    text.get_accessible().set_name(told("Who came, when and why"))  # so a screen reader names it
    around = Gtk.ScrolledWindow(vexpand=True, shadow_type=Gtk.ShadowType.IN)
    around.add(text)
    for one in (head, now, button, title, around):
        box.pack_start(one, one is around, one is around, 0)

    def show(said):
        first = state["said"] is None and said is not None
        state["said"], state["asked"] = said, False
        now.set_markup(f"<b>{GLib.markup_escape_text(chr(10).join(sentences(said, at)))}</b>")
        button.set_sensitive(said is not None)
        if first:
            button.grab_focus()  # for whoever has no mouse
        if said is not None:
            button.set_label(told("Open the way in" if said.get("closed") is not None else "Close the way in"))
            lines = [str(line) for line in reversed(said.get("log", []))]
            text.get_buffer().set_text("\n".join(lines) or told("Nobody has come yet."))

    def work(do):
        said = ask(do, at)
        GLib.idle_add(show, said)

    def begin(do):
        if not state["asked"]:
            state["asked"] = True
            threading.Thread(target=work, args=(do,), daemon=True).start()
        return True

    def press(_):
        button.set_sensitive(False)
        state["asked"] = False
        begin("open" if state["said"].get("closed") is not None else "close")

    button.connect("clicked", press)
    GLib.timeout_add_seconds(LOOK_S, begin, "status")
    begin("status")
    shown.show_all()
    Gtk.main()


def main():
    """By its word; without one, the window."""
    if len(sys.argv) == 1:
        return window()
    if len(sys.argv) != 2 or sys.argv[1] not in ("status", "close", "open"):
        print(__doc__, file=sys.stderr)
        return 2
    at = place()
    said = ask(sys.argv[1], at)
    with contextlib.suppress(BrokenPipeError):
        print("\n".join([*sentences(said, at), *(str(line) for line in (said or {}).get("log", []))]))
    return 0 if said is not None else 5


if __name__ == "__main__":
    sys.exit(main())
