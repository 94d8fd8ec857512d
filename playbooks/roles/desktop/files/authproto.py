#!/usr/bin/python3 -I
"""office-authproto: the lock screen's questions in French: PAM's own helper asks, and what it asks is translated on its way.

Set by the office's pack; changes here are overwritten. xsecurelock and its helper know English alone. Passwords do not pass
here: they go straight to the helper's standard input. A packet is a letter, a length and the text (xsecurelock's authproto.h).
"""

import os
import subprocess
import sys

HELPER = "/usr/libexec/xsecurelock/authproto_pam"
FRENCH = {
    b"Password:": "Mot de passe :",
    b"Authentication failure": "Mot de passe incorrect",
    b"Authentication service cannot retrieve authentication info": "Le serveur ne répond pas ; réessayez",
    b"Have exhausted maximum number of retries for service": "Trop d’essais ; patientez un peu",
    b"User account has expired": "Ce compte n’est plus ouvert",
}


def packets(source, target):
    """Copy every packet, its text translated where it is known; stop where the helper does."""
    while head := source.readline():
        kind, _, length = head.partition(b" ")
        text = source.read(int(length))
        source.readline()
        told = FRENCH.get(text.strip(), "").encode() or text
        told += b" " if told is not text and text.endswith(b" ") else b""
        target.write(b"%s %d\n%s\n" % (kind, len(told), told))
        target.flush()


def main():
    """Whatever happens here, the helper alone says who is let in."""
    try:
        helper = subprocess.Popen([HELPER, *sys.argv[1:]], stdout=subprocess.PIPE)
    except OSError:
        os.execv(HELPER, [HELPER, *sys.argv[1:]])
    packets(helper.stdout, sys.stdout.buffer)
    sys.exit(helper.wait())


if __name__ == "__main__":
    main()
