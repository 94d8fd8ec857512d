"""The file format of ansible-vault 1.2, as `ansible-vault view --vault-id` reads it, without importing Ansible (0.2 s).

Source of the format: Ansible's user guide, "Format of files encrypted with Ansible Vault"; AES-256 in CTR mode, PKCS#7
padding, HMAC-SHA256 over the cipher text, keys from PBKDF2-HMAC-SHA256 with 10,000 rounds and a salt of 32 bytes.
"""

import binascii
import hashlib
import hmac
import os

from provisioner.errors import BadInput

_ROUNDS = 10_000
_BLOCK = 16
_WIDTH = 80


class WrongPassword(BadInput):
    """The password does not open this, or the file was changed without it."""


def encrypt(text: str, password: str, vault_id: str) -> str:
    """`text` as an ansible-vault file, its vault id in the first line."""
    salt = os.urandom(32)
    key, check, start = _keys(password, salt)
    content = text.encode()
    pad = _BLOCK - len(content) % _BLOCK
    cipher = _aes(key, start, content + bytes([pad]) * pad)
    seal = hmac.new(check, cipher, hashlib.sha256).hexdigest()
    body = binascii.hexlify(b"\n".join([binascii.hexlify(salt), seal.encode(), binascii.hexlify(cipher)])).decode()
    lines = [body[at : at + _WIDTH] for at in range(0, len(body), _WIDTH)]
    return "\n".join([f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}", *lines]) + "\n"


def decrypt(vault: str, password: str) -> str:
    """The text of an ansible-vault file (1.1 or 1.2).

    Raises:
        BadInput: it is not one.
        WrongPassword: another password, or somebody changed the file.
    """
    head, _, body = vault.strip().partition("\n")
    try:
        if head.split(";")[:3] not in (["$ANSIBLE_VAULT", "1.2", "AES256"], ["$ANSIBLE_VAULT", "1.1", "AES256"]):
            raise ValueError
        salt, seal, cipher = (binascii.unhexlify(part) for part in binascii.unhexlify("".join(body.split())).split(b"\n"))
    except ValueError:
        raise BadInput("this is not an ansible-vault file", hint="the file's last good version in git") from None
    key, check, start = _keys(password, salt)
    if not hmac.compare_digest(hmac.digest(check, cipher, "sha256"), seal):
        raise WrongPassword("the password does not open this vault")
    padded = _aes(key, start, cipher)
    return padded[: -padded[-1]].decode()


def _keys(password: str, salt: bytes) -> tuple[bytes, bytes, bytes]:
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS, 2 * 32 + _BLOCK)
    return derived[:32], derived[32:64], derived[64:]


def _aes(key: bytes, start: bytes, content: bytes) -> bytes:
    """AES-256-CTR, the same both ways."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    run = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
    return run.update(content) + run.finalize()
