#!/bin/sh
# The kernel notes what the rules say, from now on. Where it cannot, in a container, the package has left units that failed.
set -eu
systemctl daemon-reload
systemctl reset-failed 'auditd.service*' 'audit-rules.service*'  # as patterns: one that is not loaded is no error
systemctl start auditd.service  # does nothing where the unit's condition does not hold; its restart is refused (auditd(8))
# made here in any case: where the package came while /tmp was full, it has made none, without a word
augenrules
! systemctl --quiet is-active auditd.service || augenrules --load
