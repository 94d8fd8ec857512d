#!/usr/bin/python3
"""office-password: the window in which a person changes their own password; passwd(1) does it, by the machine's own rules.

Set by the office's pack; changes here are overwritten. Debian's usermode does it with GTK 2 and a setuid program.
"""

import os
import pty
import select
import sys
import threading
import time

PATIENCE_S = 40

FRENCH = {
    "Change my password": "Changer mon mot de passe",
    "Present password": "Mot de passe actuel",
    "New password": "Nouveau mot de passe",
    "The new one again": "Le nouveau, encore une fois",
    "Four words of your own make a good one. It is the same everywhere in the office.":
        "Quatre mots à vous en font un bon. C’est le même partout dans le bureau.",
    "Change": "Changer",
    "Close": "Fermer",
    "One moment…": "Un instant…",
    "Your password is changed. It counts at once, everywhere in the office.":
        "Votre mot de passe est changé. Il vaut tout de suite, partout dans le bureau.",
    "The two new ones differ: type the same one twice.": "Les deux nouveaux diffèrent : tapez deux fois le même.",
    "The present password is not right.": "Le mot de passe actuel n’est pas le bon.",
    "The new one was refused.": "Le nouveau a été refusé.",
    "The server gave no answer. Nothing was changed; try again later.":
        "Le serveur n’a pas répondu. Rien n’est changé ; réessayez plus tard.",
}  # fmt: skip


def told(text):
    """A sentence in the language of the session."""
    language = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return FRENCH.get(text, text) if language.startswith("fr") else text


def change(current, new, words=("passwd",), patience_s=PATIENCE_S):
    """Change the password; empty when it is changed, else the sentences that say why not.

    passwd asks on a terminal of its own that does not echo: for the present one, the new one, and that again. Whatever else it
    asks or says is the reason of a refusal, in the language of the session.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
    answers, said, until = [current, new, new], [""], time.monotonic() + patience_s
    ended = refused = False
    while not ended and not refused and time.monotonic() < until:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # so a terminal ends whose program is gone
            piece = b""
        ended = not piece
        said[-1] += piece.decode(errors="replace").replace("\r", "")
        if said[-1].rstrip(" \n").endswith(":") and not said[-1].endswith("\n"):
            refused = not answers
            if answers:
                time.sleep(0.1)  # it switches the echo off after it has asked
                os.write(terminal, (answers.pop(0) + "\n").encode())
                said.append("")
    os.close(terminal)  # whoever still asks ends by that
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if ended and code == 0:
        return []
    if not ended and not refused:
        return [told("The server gave no answer. Nothing was changed; try again later.")]
    return why(said)


def why(said):
    """The reason of a refusal, from what passwd said after each answer. Pure."""
    if len(said) < 3:  # it did not even ask for a new one
        return [told("The present password is not right.")]
    lines = [line.strip() for text in said[2:] for line in text.splitlines()]
    reasons = [line for line in lines if line and not line.endswith(":") and "passwd:" not in line]
    return [told("The new one was refused."), *reasons]


def window():
    """Three fields and a button."""
    import gi

    gi.require_version("Gtk", "3.0")
    from gi.repository import GLib, Gtk

    shown = Gtk.Window(title=told("Change my password"), border_width=18, resizable=False, icon_name="dialog-password")
    shown.set_position(Gtk.WindowPosition.CENTER)
    shown.connect("destroy", Gtk.main_quit)
    grid = Gtk.Grid(row_spacing=10, column_spacing=14)
    shown.add(grid)
    fields = []
    for row, text in enumerate(("Present password", "New password", "The new one again")):
        field = Gtk.Entry(visibility=False, width_chars=32, activates_default=row == 2, input_purpose=Gtk.InputPurpose.PASSWORD)
        label = Gtk.Label(label=told(text), xalign=0, mnemonic_widget=field)  # so a screen reader names the field
        grid.attach(label, 0, row, 1, 1)
        grid.attach(field, 1, row, 1, 1)
        fields.append(field)
    help_text = told("Four words of your own make a good one. It is the same everywhere in the office.")
    message = Gtk.Label(label=help_text, wrap=True, max_width_chars=52, xalign=0, selectable=False)
    grid.attach(message, 0, 3, 2, 1)
    button = Gtk.Button(label=told("Change"), halign=Gtk.Align.END, can_default=True)
    grid.attach(button, 0, 4, 2, 1)
    button.grab_default()

    def finished(problems):
        message.set_text("\n".join(problems) or told("Your password is changed. It counts at once, everywhere in the office."))
        for one in (*fields, button):
            one.set_sensitive(True)
        if not problems:
            shown.set_title(told("Your password is changed. It counts at once, everywhere in the office.").partition(".")[0])
            button.set_label(told("Close"))
            button.disconnect(pressed[0])
            button.connect("clicked", lambda _: shown.destroy())
            for field in fields:
                field.set_text("")
                field.set_sensitive(False)
            button.grab_focus()

    def work(current, new):
        problems = change(current, new)
        GLib.idle_add(finished, problems)

    def press(_):
        current, new, again = (field.get_text() for field in fields)
        if not current or not new or new != again:
            message.set_text(told("The two new ones differ: type the same one twice."))
            return
        for one in (*fields, button):
            one.set_sensitive(False)
        message.set_text(told("One moment…"))
        threading.Thread(target=work, args=(current, new), daemon=True).start()

    for field in fields[:2]:
        field.connect("activate", lambda field: field.get_toplevel().child_focus(Gtk.DirectionType.TAB_FORWARD))
    pressed = [button.connect("clicked", press)]
    shown.show_all()
    Gtk.main()


if __name__ == "__main__":
    sys.exit(window())
