"""Fetches files from the network: retries, limits, redirections to https only; used by `util.open_url`."""

import http.client
import io
import time
import urllib.error
import urllib.parse
import urllib.request

import tqdm

from dnnlib.util import check_protocol, format_time, public_url, UserError


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to https only."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """The request for the new location."""
        check_protocol(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url, num_attempts, verbose, max_bytes, max_seconds):
    """Fetches a URL; arguments and errors are those of `util.open_url`. Returns: (file name, contents)."""
    for attempt in range(1, num_attempts + 1):
        try:
            return _download_once(url, verbose, max_bytes, max_seconds)
        except urllib.error.HTTPError as error:
            reason, final = f'HTTP status {error.code}', error.code < 500
        except (OSError, http.client.HTTPException) as error:
            final = isinstance(error, http.client.InvalidURL)  # its text may show a password
            reason = 'bad address' if final else str(getattr(error, 'reason', error))
        if final or attempt == num_attempts:
            raise OSError('cannot download {}: {} (attempt {}); download it yourself and pass its path instead'.format(
                public_url(url), reason, attempt))


def _download_once(url, verbose, max_bytes, max_seconds):
    deadline = time.time() + max_seconds
    request = urllib.request.Request(url, headers={'User-Agent': 'stylegan2'})
    with urllib.request.build_opener(_Redirects).open(request, timeout=60) as response:
        if response.headers.get_content_type() == 'text/html':
            raise UserError(f'{public_url(url)} is a web page, not a file; download it yourself and pass its path')
        name = response.headers.get_filename() or urllib.parse.urlsplit(url).path.split('/')[-1]
        size = int(response.headers.get('Content-Length') or 0)
        contents = io.BytesIO()
        with tqdm.tqdm(total=size or None, unit='B', unit_scale=True, desc=name,
                       disable=None if verbose else True) as progress:  # None = shown on a terminal only
            for block in iter(lambda: response.read1(1 << 18), b''):
                contents.write(block)
                progress.update(len(block))
                if max(size, contents.tell()) > max_bytes:
                    raise UserError('{} is larger than {:,} bytes; download it yourself and pass its path'.format(
                        public_url(url), max_bytes))
                if time.time() > deadline:
                    raise OSError(f'incomplete after {format_time(max_seconds)}')
    if not contents.tell() or contents.tell() < size:
        raise OSError(f"got {contents.tell()} of {size or 'some'} bytes")
    return name, contents.getvalue()
