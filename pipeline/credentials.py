"""Secrets in addresses: refused where a table's address goes into files and runs, masked where an address is shown."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus, urlsplit

from pipeline.errors import UserError, shortened

MASK = "***"

# Of the names of a query's values, without case and punctuation: X-Amz-Signature, api_key, sslpassword, AWSAccessKeyId.
_SECRET_PARTS = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "signature", "credential", "odbcconnect"),
    *("apikey", "accesskey", "accountkey", "privatekey", "accessid", "authorization"),
)
_SECRET_NAMES = ("sig", "key", "pass", "sas", "auth", "jwt", "bearer", "pat", "hmac", "otp", "session", "sessionid")

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://")
# Looked at from every sign that may begin a name: what one parser takes for the end of a value is another's name.
_VALUE = re.compile(r"[?&;#](?=([^=&;#?\s]+)=([^&\s]*))")

# Schemes of files on this machine: nobody logs in, so an @ is part of a name.
_LOCAL = ("sqlite", "file", "local", "memory")


def refuse(address: str) -> None:
    """Check that the address of a table, which stands in params.yaml, dvc.lock and runs, holds no secret.

    A user's name alone is one for http only, where it is mostly a token.
    Raises: UserError that shows the address without it, and names the places for secrets.
    """
    if "://" not in address or not (_has_password(address) or any(_secret_values(address))):
        return
    raise UserError(
        f"{shortened(masked(address))}: expected an address without user names, passwords, keys and signatures, which "
        "would stand in dvc.lock and in runs; give them in environment variables (AWS_ACCESS_KEY_ID, ...) or in "
        "fsspec's configuration, ~/.config/fsspec/*.json"
    )


def _has_password(address: str) -> bool:
    for match in _ADDRESS.finditer(address):
        rest = address[match.end() :]
        if "@" not in rest:
            continue
        try:
            parts = urlsplit(f"//{rest}")
            user, password, port = parts.username, parts.password, parts.port
        except ValueError:  # a port that is no number: the start of a password with a / in it
            return True
        if password is not None or (user and match["scheme"].lower() in ("http", "https")):
            return True
        # `user:12/34@host` reads like a port; an @ in the path of a server with a port can be written as %40.
        if port is not None:
            return True
    return False


def _secret_values(text: str) -> Iterator[tuple[int, int]]:
    """The places of a query's values with secret names."""
    for match in _VALUE.finditer(text):
        name = re.sub(r"[\W_]", "", unquote_plus(match[1])).lower()
        if match[2] and (name in _SECRET_NAMES or any(part in name for part in _SECRET_PARTS)):
            yield match.span(2)


def masked(text: str) -> str:
    """The address, or any text with addresses in it, without user names, passwords and other secrets.

    Parsers of addresses stop at the first / or @ of a password that holds one, and leave the rest to be seen: so all
    is masked up to the last @ of an address, at the price of a server's name where an @ stands further behind.
    """
    words = [text] if _ADDRESS.match(text) else re.split(r"(\s+)", text)
    return "".join(_masked_word(word) if "://" in word else word for word in words)


def _masked_word(word: str) -> str:
    spans = [*_users(word), *_secret_values(word)]
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not pieces:
            pieces += [word[end:start], MASK]
        end = max(end, stop)
    return "".join([*pieces, word[end:]])


def _users(word: str) -> Iterator[tuple[int, int]]:
    last = word.rfind("@")
    for match in _ADDRESS.finditer(word):
        if match.end() < last and match["scheme"].lower().partition("+")[0] not in _LOCAL:
            yield match.end(), last
