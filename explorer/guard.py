"""Who may ask: the token, the name in `Host`, the page in `Origin`; and the headers of every reply."""

import hmac
import re
import secrets

from explorer.errors import Refused

LOOPBACK = ('127.0.0.1', 'localhost', '::1')
HEADERS = (
    ('Content-Security-Policy', "default-src 'none'; img-src 'self' blob:; media-src 'self' blob:; script-src 'self'; "
     "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ('X-Content-Type-Options', 'nosniff'), ('Cache-Control', 'no-store'), ('Referrer-Policy', 'no-referrer'),
    ('Cross-Origin-Resource-Policy', 'same-origin'), ('Cross-Origin-Opener-Policy', 'same-origin'))
_HOST = re.compile(r'(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253})(?::([0-9]{1,5}))?')


class Guard:
    """Decides about each request before anything else is looked at.

    Args:
        allowed: Further names of this server, list of str; one that begins with a dot stands for all that end so.
        token: Text; None = a new one of 128 bits.
    Attributes:
        token: As given.
    """

    def __init__(self, allowed=(), token=None):
        self._allowed = [name.lower().strip('[]') for name in allowed]
        self.token = secrets.token_hex(16) if token is None else token

    def check_host(self, headers):
        """Raises Refused unless `Host` and, if there is one, `Origin` are this server's own.

        A name that an attacker's server resolves to this machine would otherwise make the page his (DNS rebinding).

        Args:
            headers: Of the request, as `http.client.HTTPMessage`.
        """
        hosts, origins = headers.get_all('Host') or [], headers.get_all('Origin') or []
        host = _HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else None
        if host is None or not self._is_own(host.group(1)):
            raise Refused('this server answers to its own names only; give others by --allow-host', 421)
        if not origins:
            return
        scheme, _, name = origins[0].strip().partition('://')
        origin = _HOST.fullmatch(name) if len(origins) == 1 and scheme in ('http', 'https') else None
        if origin is None or not self._is_own(origin.group(1)):
            raise Refused('requests of other pages are refused', 403)
        if _name(origin.group(1)) in LOOPBACK and origin.groups() != host.groups():
            raise Refused('requests of other pages are refused', 403)

    def check_token(self, headers):
        """Raises Refused without the token."""
        given = headers.get_all('X-Token') or ['']
        if len(given) != 1 or not hmac.compare_digest(given[0].encode('utf-8', 'replace'), self.token.encode()):
            raise Refused('the token is missing or wrong; open the address that the server printed', 401)

    def _is_own(self, name):
        name = _name(name)
        return name in LOOPBACK or any(name == own or own[:1] == '.' and name.endswith(own) for own in self._allowed)


def _name(text):
    return text.lower().strip('[]').rstrip('.')
