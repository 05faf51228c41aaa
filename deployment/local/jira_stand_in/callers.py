"""Who calls: whether the credentials of a call are right."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

DEFAULT_TOKEN = "jira-stand-in-token"
DEFAULT_USERNAME = "hammer@example.com"
DEFAULT_PASSWORD = "jira-stand-in-password"
DEFAULT_CONSUMER_KEY = "hammer-consumer"
DEFAULT_ACCESS_TOKEN = "jira-stand-in-access-token"

_OAUTH = {
    "oauth_consumer_key": DEFAULT_CONSUMER_KEY,
    "oauth_token": DEFAULT_ACCESS_TOKEN,
    "oauth_signature_method": "RSA-SHA1",
}


def is_known(method: str, url: str, authorization: str, public_key: RSAPublicKey | None) -> bool:
    """Whether a call is authorized; with `public_key` the signature of an OAuth call is verified."""
    kind, _, value = authorization.partition(" ")
    if kind == "Basic":
        return base64.b64decode(value).decode() == f"{DEFAULT_USERNAME}:{DEFAULT_PASSWORD}"
    if kind == "OAuth":
        return _is_signed(method, url, value, public_key)
    return authorization == f"Bearer {DEFAULT_TOKEN}"


def encoded(value: str) -> str:
    """Percent-encoded as RFC 3986 has it, slashes included."""
    return quote(value, safe="~")


def _is_signed(method: str, url: str, header: str, public_key: RSAPublicKey | None) -> bool:
    """As RFC 5849 has it for RSA-SHA1, the only method that JIRA's application links take."""
    sent = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
    if not _OAUTH.items() <= sent.items():
        return False
    if public_key is None:
        return True
    signature = base64.b64decode(sent.pop("oauth_signature"))
    address = urlsplit(url)
    pairs = [*sent.items(), *parse_qsl(address.query, keep_blank_values=True)]
    parameters = "&".join("=".join(pair) for pair in sorted((encoded(name), encoded(value)) for name, value in pairs))
    place = f"{address.scheme}://{address.netloc}{address.path}"
    signed = "&".join((method, encoded(place), encoded(parameters)))
    try:
        public_key.verify(signature, signed.encode(), PKCS1v15(), SHA1())
    except InvalidSignature:
        return False
    return True
