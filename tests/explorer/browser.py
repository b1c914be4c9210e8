"""Chromium for the tests of the page: where it is, and pages whose errors and requests are collected."""

import base64
import contextlib
import os
import shutil
import urllib.parse

FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
         '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1']
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
TIMEOUT = 20000  # milliseconds: the machines of the tests are busy


def find_chromium():
    """Path of Chromium or Chrome, or None; $STYLEGAN2_CHROMIUM goes first."""
    found = [os.environ.get('STYLEGAN2_CHROMIUM')] + [shutil.which(name) for name in NAMES]
    return next((path for path in found if path), None)


def missing():
    """Why there are no browser tests here, or None."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return 'no Playwright: python -m pip install -r requirements-browser.txt'
    return None if find_chromium() else 'no Chromium: apt-get install chromium'


@contextlib.contextmanager
def launched():
    """A browser without windows that reaches 127.0.0.1 alone."""
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, address, wait='#state.ready', width=1280, height=800, errors=(), **options):
    """A page of its own session; at the end, it must have had no error and asked nobody but 127.0.0.1.

    Args:
        browser: Of `launched`.
        address: Of the page, with its token.
        wait: Selector of what is there once the page is ready.
        width, height: Pixels of the window.
        errors: Parts of console messages that are expected.
        options: Of Playwright's new_context, such as color_scheme.
    """
    context = browser.new_context(viewport={'width': width, 'height': height}, **options)
    page, problems = context.new_page(), []
    page.set_default_timeout(TIMEOUT)
    page.on('pageerror', lambda error: problems.append('error: %s' % error))
    page.on('console', lambda message: problems.append('%s: %s' % (message.type, message.text))
            if message.type in ('error', 'warning') else None)
    page.on('request', lambda request: None if request.url.startswith(('http://127.0.0.1:', 'blob:http://127.0.0.1:'))
            else problems.append('foreign request: %s' % request.url))
    try:
        page.goto(address)
        if wait:
            page.wait_for_selector(wait)
        yield page
        problems = [text for text in problems if not any(part in text for part in errors)]
        assert problems == [], problems
    finally:
        context.close()


def pixels(page):
    """What the canvas of the picture holds, as a data URL."""
    return page.evaluate('document.getElementById("picture").toDataURL()')


def settled(page):
    """Waits until the picture of the view in the address is shown as it is at rest."""
    page.wait_for_function('''() => {
        const {view, rest} = document.getElementById("picture").dataset;
        const ours = location.hash.match(/^#(.*?)((&(?:grid|server|network)=.*)|$)/);
        return rest === "true" && ours && ours[1] === view && !document.querySelector(".dragging");
    }''')


def view(page):
    """The view that the address holds: {name: value}."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).fragment))


def drop(page, path, kind='image/png', target='#frame'):
    """Drops a file on an element, as from a folder of the desktop."""
    with open(path, 'rb') as f:
        content = base64.b64encode(f.read()).decode()
    data = page.evaluate_handle('''([content, name, type]) => {
        const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, {type}));
        return data;
    }''', [content, os.path.basename(str(path)), kind])
    page.dispatch_event(target, 'drop', {'dataTransfer': data})
