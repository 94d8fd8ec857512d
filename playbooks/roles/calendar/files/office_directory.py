"""Radicale asks the office's directory: a login is right when an LDAP bind over TLS with its password is.

Set by the office's pack; changes here are overwritten.
"""

import hashlib
import hmac
import os
import re
import ssl
import time

import ldap3
from ldap3.core.exceptions import LDAPException
from radicale.auth import BaseAuth

SCHEMA = {"auth": {"directory": {"value": "", "type": str}, "domain": {"value": "", "type": str}}}
LOGIN = re.compile("[a-z]([a-z0-9._-]{0,18}[a-z0-9])?")
KEPT_S = 30  # a calendar program asks thirty times in a second; a closed account is out after this
KEPT = 200


class Auth(BaseAuth):
    """The plugin Radicale loads by `type = office_directory`."""

    def __init__(self, configuration):
        super().__init__(configuration.copy(SCHEMA))
        self._domain = self.configuration.get("auth", "domain")
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file="/etc/ssl/certs/ca-certificates.crt")
        self._server = ldap3.Server(
            self.configuration.get("auth", "directory"), port=636, use_ssl=True, tls=tls, connect_timeout=5, get_info=ldap3.NONE
        )
        self._salt = os.urandom(16)
        self._known = {}

    def _login(self, login, password):
        """The login as the dossier has it, or nothing.

        Raises:
            RuntimeError: the directory does not answer: the program at the desk keeps its password and asks later.
        """
        login = login.strip().lower()
        if login.endswith("@" + self._domain):
            login = login[: -len(self._domain) - 1]
        # An LDAP bind without a password always succeeds (RFC 4513 5.1.2).
        if not password or "\0" in password or not LOGIN.fullmatch(login):
            return ""
        proof = hashlib.scrypt(password.encode(), salt=self._salt, n=2, r=1, p=1)
        known = self._known.get(login)
        if known and known[1] > time.monotonic() and hmac.compare_digest(known[0], proof):
            return login
        if not self._binds(f"{login}@{self._domain}", password):
            return ""
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[login] = (proof, time.monotonic() + KEPT_S)
        return login

    def _binds(self, user, password):
        try:
            connection = ldap3.Connection(self._server, user, password, receive_timeout=5, raise_exceptions=False)
            try:
                return connection.bind()
            finally:
                connection.unbind()
        except LDAPException as error:
            raise RuntimeError(f"the directory does not answer: {error}") from error


if not hasattr(BaseAuth, "_login"):  # before Radicale 3.3
    Auth.login = Auth._login
