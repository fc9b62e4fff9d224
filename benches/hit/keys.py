"""Caller keys, as src/callers/key.rs has them."""

import hashlib
import secrets
import string
import zlib

BASE_36 = string.digits + string.ascii_lowercase
BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def drawn(digits, length):
    return "".join(secrets.choice(digits) for _ in range(length))


def checksum(text):
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE_62[digit] + digits
    return digits


class Key:
    def __init__(self, client):
        self.client = client
        self.id = drawn(BASE_36, 8)
        text = f"d7b_{self.id}_{drawn(BASE_62, 32)}"
        self.text = text + checksum(text)

    def record(self):
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return f'[[keys]]\nclient = "{self.client}"\nid = "{self.id}"\nsha256 = "{digest}"\n'


def made(count, clients):
    """So many keys, which belong to so many clients in turn."""
    return [Key(f"client-{number % clients}") for number in range(count)]


def write(path, keys):
    """The service's key file."""
    path.write_text("\n".join(key.record() for key in keys))
    path.chmod(0o600)


def write_map(path, keys):
    """The same for nginx."""
    path.write_text("".join(f'"Bearer {key.text}" {key.client};\n' for key in keys))


def write_list(path, keys):
    """What wrk presents."""
    path.write_text("".join(f"{key.text}\n" for key in keys))
