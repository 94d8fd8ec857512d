#!/bin/sh
# What sshd of a Debian 12 is told to use beside its own: an RSA key of 4096 bits, and the moduli of 3071 bits and more. The
# machine's own files stay as they are: a key that somebody pinned must not change, moduli are a file of Debian's.
set -eu
key=/etc/ssh/office_rsa_4096_key
[ -s $key ] && [ -s $key.pub ] || { rm -f $key $key.pub; ssh-keygen -q -t rsa -b 4096 -N '' -C '' -f $key; }
awk '$5 >= 3071' /etc/ssh/moduli > /etc/ssh/office_moduli.part
mv /etc/ssh/office_moduli.part /etc/ssh/office_moduli
