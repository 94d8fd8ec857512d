"""Files carried to a host: SFTP by fabric over the pinned key; the only room that imports fabric."""

import base64
import errno
from typing import IO

from provisioner.errors import HostFailed, HostKeyChanged, ProvisionerError, Unreachable
from provisioner.hosts.access import CONNECT_TIMEOUT_S, PORT, SshAccess
from provisioner.hosts.first_contact import private
from provisioner.hosts.pins import pinned


def put(access: SshAccess, host: str, address: str, content: IO[bytes], name: str) -> None:
    """Write a file into the home folder of our login on a host.

    Fabric by itself would take any host key (`AutoAddPolicy`) and read the laptop's own ssh configuration: neither is let.

    Raises:
        HostKeyChanged: the host shows another key than the pinned one; nothing was sent.
        Unreachable: no connection, no login, or it broke.
        HostFailed: the host has no room.
    """
    import fabric
    import paramiko

    settings = fabric.Config(overrides={"load_ssh_configs": False}, lazy=True)
    given = {"pkey": private(access.key), "look_for_keys": False, "allow_agent": False}
    with fabric.Connection(
        address, user=access.user, port=PORT, config=settings, connect_timeout=CONNECT_TIMEOUT_S, connect_kwargs=given
    ) as connection:
        client = connection.client
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        known = client.get_host_keys()
        for line in pinned(access.target).get(host, ()):
            kind, text = line.split()[:2]
            key = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
            known.add(address if PORT == 22 else f"[{address}]:{PORT}", kind, key)
        try:
            connection.put(content, remote=name)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _said(error, access, host, address) from error


def _said(error: Exception, access: SshAccess, host: str, address: str) -> ProvisionerError:
    import paramiko

    words = access.target.words
    if isinstance(error, paramiko.BadHostKeyException) or "not found in known_hosts" in str(error):
        return HostKeyChanged(
            f"{host} ({address}) shows another host key than the pinned one; nothing was sent to it",
            hint=f"look at the machine itself; if it was reinstalled: provisioner adopt {words} {host} --replace-key",
        )
    # SFTP has one word for every write that fails (draft-ietf-secsh-filexfer-02, SSH_FX_FAILURE): as a rule the disk is full
    if getattr(error, "errno", None) == errno.ENOSPC or str(error) == "Failure" or "size mismatch" in str(error):
        return HostFailed(f"{host} has no room for the upload", hint=f"provisioner ssh {words} {host} -- df -h")
    return Unreachable(f"{host} ({address}) does not take the file: {error or 'no word'}", hint="the same command again")
