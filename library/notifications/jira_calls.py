"""Calls to one JIRA: who logs in, what is repeated and when, and each failure as one sentence."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jira import JIRAError
from oauthlib.oauth1 import SIGNATURE_RSA  # type: ignore[import-untyped]
from requests.exceptions import ChunkedEncodingError, SSLError
from requests.exceptions import ConnectionError as RequestsConnectionError

from library.errors import CredentialsError, TicketError
from library.messages import Message
from library.notifications import jira_errors
from library.notifications.http_limits import AnswerTooLarge
from library.notifications.jira_client import Endless, JiraClient, Unproven
from library.notifications.jira_errors import Refused, Unanswered
from library.notifications.jira_people import identity
from library.notifications.patience import Patience
from library.text import is_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# OAuth's libraries write tokens and signatures to their logs at DEBUG.
for _name in ("oauthlib", "requests_oauthlib"):
    logging.getLogger(_name).setLevel(logging.INFO)

T = TypeVar("T")

ANSWER_SECONDS = 30.0
# Where Cloud takes scoped tokens.
_GATEWAY = "api.atlassian.com"
# One call is made at most once more than there are waits.
_WAITS_SECONDS = (0.5, 1.0, 2.0)
# A server that asks for a longer wait is left alone until the next run.
_LONGEST_WAIT_SECONDS = 30
_PASSING = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def address_for_people(server: str) -> str:
    """Where people open a JIRA that programs find at `server`; empty if it is Atlassian's gateway for programs."""
    return "" if urlsplit(server).hostname == _GATEWAY else server


class JiraCalls:
    """Makes calls with the `jira` client; JIRA is contacted by the first of them. Several threads may share it.

    `credentials` is `{"token": …}`, `{"basic": {"username", "password"}}` or `{"oauth": {"access_token",
    "access_token_secret", "consumer_key", "key_cert"}}`, where `key_cert` is a private key in PEM. An empty
    `ca_bundle` means the CAs that the system trusts. `sleep` waits for a number of seconds. Raises CredentialsError
    for credentials that cannot be valid.
    """

    # Locks are taken in this order only, so that no two threads wait for each other: _address_lock, _login_lock,
    # _limited.

    def __init__(
        self,
        *,
        server: str,
        credentials: Mapping[str, Any],
        ca_bundle: str = "",
        browse_url: str = "",
        answer_seconds: float = ANSWER_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server.rstrip("/")
        self._address, self._asked_for_address = browse_url, False
        self._address_lock = threading.Lock()
        self._login = _login(credentials)
        self._verify: str | bool = ca_bundle or True
        self._answer_seconds = answer_seconds
        self._sleep = sleep
        # A session of requests is not made for several threads.
        self._own = threading.local()
        self._login_lock = threading.Lock()
        self._deployment: str | None = None
        self._me: Mapping[str, Any] = {}
        # Held by the thread that waits because of a rate limit; reentrant, as that thread may look before it repeats.
        self._limited = threading.RLock()
        # Apart, as a search that is answered says nothing of a creation that is not.
        self._reading, self._writing = Patience(), Patience()

    @property
    def browse_url(self) -> str:
        """Where people open JIRA: as configured, else what JIRA says, which is contacted for it if it was not yet.

        Where it cannot be asked, what `address_for_people` makes of `server`.
        """
        with self._address_lock:
            if not self._address and not self._asked_for_address:
                self._asked_for_address = True
                with suppress(TicketError):
                    self._client()
        return self._address or address_for_people(self.server)

    @property
    def is_cloud(self) -> bool:
        """Whether this is JIRA Cloud, not Server; raises TicketError if nobody can log in."""
        self._client()
        return self._deployment == "Cloud"

    @property
    def me(self) -> Mapping[str, Any]:
        """Who is logged in, as JIRA describes a user; raises TicketError if nobody can log in."""
        self._client()
        return self._me

    def read(self, doing: str, call: Callable[[JiraClient], T]) -> T:
        """Make a call that changes nothing, and repeat it if it fails in passing.

        `doing` completes `JIRA did not …` in the text of the TicketError that is raised if the call fails.
        """
        return self._made(doing, call, None, is_read=True)

    def change(
        self, doing: str, call: Callable[[JiraClient], T], look_first: Callable[[], T | None] | None = None
    ) -> T:
        """Make a call that changes something; it is only repeated if JIRA refused it because of a rate limit.

        If `look_first` then finds what the call was to make, that is the result. `doing` as in `read`.
        """
        return self._made(doing, call, look_first, is_read=False)

    def _made(
        self, doing: str, call: Callable[[JiraClient], T], look_first: Callable[[], T | None] | None, *, is_read: bool
    ) -> T:
        client = self._client()
        patience = self._reading if is_read else self._writing
        with self._explained(doing, patience):
            result = self._repeated(lambda: call(client), look_first, is_read=is_read)
        # Logging in does not count: the client of a further thread is made without asking JIRA anything.
        patience.answered()
        return result

    def _give_up(self, cause: str) -> None:
        for patience in (self._reading, self._writing):
            patience.give_up(cause)

    def _client(self) -> JiraClient:
        """The client of this thread."""
        client: JiraClient | None = getattr(self._own, "client", None)
        if client is None:
            # One thread after the other: JIRA locks out a user whose wrong credentials are tried again and again.
            with self._login_lock:
                try:
                    with self._explained("log in", self._reading):
                        client = self._repeated(self._connect, None, is_read=True)
                except Refused as error:
                    # This is not about any ticket.
                    self._give_up(str(error))
                    raise TicketError(str(error), id=error.id) from None
            self._own.client = client
        return client

    def _connect(self) -> JiraClient:
        client = JiraClient(self.server, self._login, verify=self._verify, answer_seconds=self._answer_seconds)
        if self._deployment is None:
            info = client.server_info()
            # With wrong credentials Cloud shows an empty JIRA instead of refusing: no ticket would be found.
            self._me = client.myself()
            if identity(self._me) is None:
                raise ValueError("JIRA does not say who is logged in")
            self._deployment = str(info["deploymentType"])
            if not self._address and str(info.get("baseUrl", "")).startswith(("https://", "http://")):
                self._address = str(info["baseUrl"]).rstrip("/")
        client.deploymentType = self._deployment
        return client

    def _repeated(self, call: Callable[[], T], look_first: Callable[[], T | None] | None, *, is_read: bool) -> T:
        """Make a call, and again after a wait if that does no harm and may help.

        A call that JIRA refuses because of a rate limit did nothing. The limit is that of the user, so all threads
        keep still for as long as JIRA asks; those that were refused as well go on one after the other.
        """
        with self._limited:
            pass
        with ExitStack() as alone:
            for usual_wait in _WAITS_SECONDS:
                try:
                    return call()
                except (JIRAError, RequestsConnectionError, ChunkedEncodingError) as error:
                    limited = isinstance(error, JIRAError) and error.status_code == HTTPStatus.TOO_MANY_REQUESTS
                    asked = jira_errors.retry_after(error)
                    wait = usual_wait if asked is None else asked
                    if not (limited or (is_read and _is_passing(error))) or wait > _LONGEST_WAIT_SECONDS:
                        raise
                    over = time.monotonic() + wait
                if limited:
                    alone.enter_context(self._limited)
                self._sleep(max(0.0, over - time.monotonic()))
                found = look_first() if limited and look_first is not None else None
                if found is not None:
                    return found
            return call()

    @contextmanager
    def _explained(self, doing: str, patience: Patience) -> Iterator[None]:
        """Turn whatever a call may end with into a TicketError of one sentence.

        The client's own error is not shown with it, as its text has the headers of the answer, with JIRA's cookies.
        """
        if patience.given_up:
            raise TicketError(
                f"JIRA did not {doing}: not tried, as this run has given it up ({patience.given_up})",
                id=Message.JIRA_GIVEN_UP,
            )
        began = time.monotonic()
        failure: TicketError
        try:
            yield
        except JIRAError as error:
            failure = jira_errors.answered(doing, error)
            limited = error.status_code == HTTPStatus.TOO_MANY_REQUESTS
            too_long = limited and (jira_errors.retry_after(error) or 0) > _LONGEST_WAIT_SECONDS
            if too_long or error.status_code == HTTPStatus.UNAUTHORIZED:
                # Every other call of this run would be told the same.
                self._give_up(str(failure))
        except Unproven as error:
            failure = jira_errors.unproven(doing, error)
        except (AnswerTooLarge, Endless) as error:
            failure = Unanswered(f"JIRA did not {doing}: {error}", id=Message.NOT_JIRA)
        except OSError as error:
            failure = jira_errors.unreachable(doing, error, self._answer_seconds)
        except (ValueError, LookupError, TypeError, AttributeError, NotImplementedError):
            # Valid HTTP, but not in the form that JIRA answers in: a proxy's page, for example.
            failure = Unanswered(
                f"JIRA did not {doing}: what answered at its address is not JIRA", id=Message.NOT_JIRA
            )
        else:
            return
        if isinstance(failure, Refused) and failure.status != HTTPStatus.UNAUTHORIZED:
            patience.answered()
        else:
            patience.failed(began, str(failure))
        raise failure from None


def _login(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The client's arguments, checked so that no error of a library below can quote them."""
    match credentials:
        case {"token": str(token)}:
            if not is_token(token):
                raise CredentialsError("the JIRA token is empty or has a character that no token has")
            return {"token_auth": token}
        case {"basic": {"username": str(username), "password": str(password)}}:
            # JIRA reads UTF-8, requests writes Latin-1.
            return {"basic_auth": tuple(each.encode().decode("latin-1") for each in (username, password))}
        case {
            "oauth": {
                "access_token": str(),
                "access_token_secret": str(),
                "consumer_key": str(),
                "key_cert": str(key),
            } as oauth
        }:
            try:
                load_pem_private_key(key.encode(), password=None)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                raise CredentialsError(
                    "the JIRA credentials' oauth.key_cert is not a private key in PEM without a passphrase"
                ) from None
            return {
                "oauth1": {
                    "client_key": oauth["consumer_key"],
                    "rsa_key": key,
                    # The library's own default is HMAC, which JIRA does not take.
                    "signature_method": SIGNATURE_RSA,
                    "resource_owner_key": oauth["access_token"],
                    "resource_owner_secret": oauth["access_token_secret"],
                }
            }
    raise CredentialsError(
        "the JIRA credentials have none of token, basic (username, password) "
        "and oauth (access_token, access_token_secret, consumer_key, key_cert)"
    )


def _is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed in a moment."""
    if isinstance(error, JIRAError):
        return error.status_code in _PASSING
    return not isinstance(error, SSLError)
