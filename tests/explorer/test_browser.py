"""The page in headless Chromium, before a server with made-up pictures: `python -m pytest -m browser`."""

import io
import time

import numpy as np
import PIL.Image
import pytest

from tests.explorer import browser as chromium
from tests.explorer.fake_server import KINDS, FakeServer, draw

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))]
GONE = ('Failed to load resource', 'net::ERR')  # what Chromium says of a server that has ended


def images(server, form=None):
    """Queries of the pictures that were asked for."""
    asked = [path for _, path in server.requests if path.startswith('/api/image')]
    return [path for path in asked if form is None or 'format=' + form in path]


def shown_pixels(page):
    """The pixels [H, W, 3] of the canvas."""
    content = page.evaluate('''async () => {
        const blob = await new Promise((resolve) => document.getElementById("picture").toBlob(resolve));
        return [...new Uint8Array(await blob.arrayBuffer())];
    }''')
    return np.asarray(PIL.Image.open(io.BytesIO(bytes(content))).convert('RGB'))


def drag(page, dx, dy=0):
    """Drags from the middle of the picture, in ten steps."""
    box = page.locator('#frame').bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=10)
    page.mouse.up()


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_page_of_every_kind_of_network_loads_without_errors(browser, kind):
    server = FakeServer(kind)
    with chromium.opened(browser, server.address) as page:
        if kind in ('translator', 'domains'):
            page.wait_for_selector('#cover >> text=Drop a picture here')
        else:
            chromium.settled(page)
        info = server.info()
        assert page.is_visible('#mixing') == (info['layers'] > 0) and page.is_visible('#truncation') == info['psi']
        assert page.is_visible('#class-row') == bool(info['classes'])
        assert page.is_visible('#domain-row') == bool(info['domains'])
    assert 'token' not in page.url and not any('0123456789abcdef' in path for _, path in server.requests)
    server.close()


def test_pixels_are_those_of_the_server_at_rest(page):
    assert (shown_pixels(page) == draw('x=0&psi=0.5')).all()
    factor = page.evaluate('document.getElementById("picture").clientWidth') / 64
    assert factor == int(factor) > 4 and page.evaluate(
        'getComputedStyle(document.getElementById("picture")).imageRendering') == 'pixelated'


def test_dragging_moves_in_the_seed_plane_and_back_undoes_it(page, server):
    first = chromium.pixels(page)
    drag(page, 180, -60)
    chromium.settled(page)
    moved = chromium.view(page)
    assert float(moved['x']) == pytest.approx(1.5, abs=0.1) and float(moved['y']) == pytest.approx(0.5, abs=0.1)
    dragged = chromium.pixels(page)
    assert dragged != first and images(server, 'jpeg')
    assert any('x=' + moved['x'] in path for path in images(server, 'png'))
    page.reload()
    chromium.settled(page)
    assert chromium.pixels(page) == dragged and chromium.view(page) == moved
    page.go_back()
    chromium.settled(page)
    assert chromium.pixels(page) == first


def test_shift_drags_ten_times_slower(page):
    page.keyboard.down('Shift')
    drag(page, 120)
    page.keyboard.up('Shift')
    chromium.settled(page)
    assert float(chromium.view(page)['x']) == pytest.approx(0.1, abs=0.02)


def test_keys(page, server):
    def after(key):
        page.keyboard.press(key)
        chromium.settled(page)
        return chromium.view(page)
    assert after('ArrowRight')['x'] == '1' and after('ArrowUp')['y'] == '1' and page.input_value('#seed') == '101'
    assert after('ArrowDown').get('y') is None and after('ArrowLeft')['x'] == '0'
    assert after('n')['noise'] == 'const' and after('n')['noise'] == 'random'
    assert after('g')['grid'] == '1' and 'grid' not in after('g')
    assert int(after('Space')['x']) > 100
    page.keyboard.press('Shift+Digit3')
    stored = chromium.view(page)
    after('ArrowRight')
    assert after('Digit3') == stored
    assert 'noise' not in after('r') and chromium.view(page)['x'] == stored['x']
    page.keyboard.press('s')
    page.wait_for_selector('.toast >> text=Saved explorer/00012.png and explorer/00012.npz')
    assert '--dlatents=results/explorer/00012.npz' in page.text_content('#command')
    page.focus('#seed')
    page.keyboard.press('a')  # a field has the focus: no key acts
    page.keyboard.press('ArrowUp')
    page.keyboard.press('Enter')
    chromium.settled(page)
    assert page.get_attribute('#animate', 'aria-pressed') == 'false'
    assert int(chromium.view(page)['x']) == int(stored['x']) + 1


def test_wheel_turns_psi_and_zooms(page):
    page.hover('#frame')
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    chromium.settled(page)
    page.wait_for_function('() => location.hash.includes("psi=0.6")')
    before = page.text_content('#zoom-text')
    page.keyboard.down('Control')
    page.mouse.wheel(0, 100)
    page.keyboard.up('Control')
    page.wait_for_function('(before) => document.getElementById("zoom-text").textContent !== before', arg=before)
    assert int(page.text_content('#zoom-text')[:-1]) == int(before[:-1]) - 1
    page.keyboard.press('f')
    page.wait_for_function('(before) => document.getElementById("zoom-text").textContent === before', arg=before)


def test_the_newest_request_wins(page, server):
    server.delay = 0.4
    asked = len(images(server))
    for _ in range(20):
        page.keyboard.press('ArrowRight')
    page.wait_for_selector('#computing', state='visible')
    chromium.settled(page)
    assert chromium.view(page)['x'] == '20' and (shown_pixels(page) == draw('x=20&psi=0.5')).all()
    assert len(images(server)) - asked <= 8 and not page.is_visible('#computing')


def test_layers_of_another_seed(page):
    page.fill('#mix-seed', '7')
    page.click('label[for=layer-2]')
    page.click('label[for=layer-5]', modifiers=['Shift'])
    chromium.settled(page)
    assert chromium.view(page)['mix'] == '7' and chromium.view(page)['mixed'] == '2-5'
    assert page.is_checked('#layer-4') and 'Save' in page.text_content('#command-note')
    page.click('[data-layers=none]')
    chromium.settled(page)
    assert 'mixed' not in chromium.view(page)


def test_directions_are_found_and_restored(page):
    page.click('#find')
    page.fill('#move-sefa-1-number', '2.5')
    page.keyboard.press('Enter')
    page.select_option('#move-sefa-1-last', '3')
    chromium.settled(page)
    assert chromium.view(page)['move'] == 'sefa.1:2.5:0-3'
    moved = chromium.pixels(page)
    page.reload()
    chromium.settled(page)
    assert chromium.pixels(page) == moved and page.input_value('#move-sefa-1') == '2.5'
    page.keyboard.down('c')
    page.wait_for_function('(moved) => document.getElementById("picture").toDataURL() !== moved', arg=moved)
    page.keyboard.up('c')
    page.wait_for_function('(moved) => document.getElementById("picture").toDataURL() === moved', arg=moved)
    page.click('#zero')
    chromium.settled(page)
    assert 'move' not in chromium.view(page)


def test_the_grid_leads_to_a_neighbor(page):
    page.click('#grid')
    chromium.settled(page)
    page.click('#cells button[aria-label="seed 102"]')  # two to the right, one up
    chromium.settled(page)
    view = chromium.view(page)
    assert view['x'] == '2' and view['y'] == '1' and 'grid' not in view


def test_a_photograph_is_projected(page, server, photo):
    chromium.drop(page, photo)
    page.wait_for_selector('#dropped-facts >> text=300 × 200 pixels')
    page.evaluate('''() => {
        const size = document.getElementById("crop-size");
        size.value = 0.5;
        size.dispatchEvent(new Event("input"));
    }''')
    page.click('#choices >> text=Project')
    page.wait_for_selector('.job >> text=/step .* of 150/')
    page.wait_for_selector('.job >> text=/Distance 0.190/')
    chromium.settled(page)
    assert chromium.view(page)['slot'] == '2' and chromium.view(page)['psi'] == '1'
    sent, = [body for path, body in server.bodies if path == '/api/pictures']
    assert PIL.Image.open(io.BytesIO(sent)).size == (100, 100)  # half of the middle square
    assert page.get_attribute('#slots button', 'aria-label') == 'Slot 1'
    page.reload()
    chromium.settled(page)
    assert chromium.view(page)['slot'] == '2'
    drag(page, 60)
    chromium.settled(page)
    assert 'slot' not in chromium.view(page)


def test_escape_cancels_a_projection(page, server, photo):
    chromium.drop(page, photo)
    page.click('#choices >> text=Project')
    page.wait_for_selector('.job >> text=/step/')
    page.focus('#frame')
    page.keyboard.press('Escape')
    page.wait_for_selector('.job >> text=canceled')
    sent = [body for path, body in server.bodies if path == '/api/pictures']
    assert sent == [photo.read_bytes()]  # all of it, as it was


def test_files_that_are_no_pictures_are_not_sent(page, server, tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    (tmp_path / 'text.txt').write_bytes(b'text')
    chromium.drop(page, tmp_path / 'bad.png')
    page.wait_for_selector('.toast >> text=bad.png is not a PNG, JPEG or WebP picture')
    chromium.drop(page, tmp_path / 'text.txt', 'text/plain')
    page.wait_for_selector('.toast >> text=text.txt is not a PNG, JPEG or WebP picture')
    assert not page.is_visible('#dropped') and server.uploads == 0


def test_a_suspect_picture_is_tested(page, server, photo):
    chromium.drop(page, photo)
    page.click('#choices >> text=Detect')
    page.wait_for_selector('.job >> text=Made by this network')
    assert 'were not measured' in page.text_content('.job table')
    server.calibrated = False
    page.reload()
    chromium.settled(page)
    chromium.drop(page, photo)
    page.wait_for_selector('#choices >> text=Needs a calibration')
    assert page.is_disabled('#choices button >> text=Detect')


def test_walk_between_slots(page, server):
    page.keyboard.press('Shift+Digit1')
    page.keyboard.press('ArrowRight')
    chromium.settled(page)
    page.keyboard.press('Shift+Digit2')
    page.click('#walk-open')
    page.select_option('#walk-format', 'gif')
    page.fill('#walk-slots', '1, 5')
    page.click('#walk-make')
    page.wait_for_selector('#walk-error >> text=Give two to ten filled slots')
    page.fill('#walk-slots', '2, 1')
    page.click('#walk-make')
    page.wait_for_selector('.job img')
    sent, = [body for path, body in server.bodies if path == '/api/animation']
    assert sent == {'views': ['x=1&psi=0.5', 'x=0&psi=0.5'], 'frames': 60, 'fps': 30, 'loop': True, 'kind': 'gif'}


def test_animation_and_reduced_motion(browser, server):
    with chromium.opened(browser, server.address) as page:
        chromium.settled(page)
        page.keyboard.press('a')
        page.wait_for_function('() => document.getElementById("plane-x").valueAsNumber > 0.1')
        page.keyboard.press('a')
        chromium.settled(page)
        assert page.get_attribute('#animate', 'aria-pressed') == 'false'
    with chromium.opened(browser, server.address, reduced_motion='reduce') as page:
        chromium.settled(page)
        page.keyboard.press('a')
        page.wait_for_selector('.toast >> text=reduced motion')
        assert page.get_attribute('#animate', 'aria-pressed') == 'false'


def test_a_picture_is_translated(browser, photo):
    server = FakeServer('domains')
    with chromium.opened(browser, server.address) as page:
        chromium.drop(page, photo)
        chromium.settled(page)
        assert chromium.view(page)['picture'] == '1' and chromium.view(page)['domain'] == '0'
        page.select_option('#domain', '2')
        chromium.settled(page)
        assert chromium.view(page)['domain'] == '2'
        drag(page, 60)
        chromium.settled(page)
        assert float(chromium.view(page)['x']) > 0.3  # the style
    server.close()


def test_fingers(browser, server):
    with chromium.opened(browser, server.address, width=360, height=740, has_touch=True) as page:
        chromium.settled(page)
        box = page.locator('#frame').bounding_box()
        x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
        session = page.context.new_cdp_session(page)

        def touch(kind, *points):
            session.send('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': [
                {'x': x + dx, 'y': y + dy, 'id': i} for i, (dx, dy) in enumerate(points)]})
        touch('touchStart', (0, 0))
        for dx in range(10, 70, 10):
            touch('touchMove', (dx, 0))
        touch('touchEnd')
        chromium.settled(page)
        assert float(chromium.view(page)['x']) == pytest.approx(0.5, abs=0.15)
        before = int(page.text_content('#zoom-text')[:-1])
        touch('touchStart', (-20, 0))
        touch('touchStart', (-20, 0), (20, 0))
        for d in range(25, 60, 5):
            touch('touchMove', (-d, 0), (d, 0))
        touch('touchEnd')
        assert int(page.text_content('#zoom-text')[:-1]) > before


def test_loading_failing_and_no_network(browser, server):
    server.state = 'loading'
    with chromium.opened(browser, server.address, wait='#state.busy') as page:
        page.wait_for_selector('#cover >> text=Loading cats64')
        assert page.is_disabled('#psi')
        server.state = 'failed'
        page.wait_for_selector('#cover.failed >> text=cats64.pkl: not a network file')
        server.state = 'none'
        page.wait_for_selector('#cover >> text=No network is open')
        server.state = 'ready'
        chromium.settled(page)
        assert page.is_enabled('#psi')


def test_server_that_ends_and_comes_back(browser):
    server = FakeServer()
    with chromium.opened(browser, server.address, errors=GONE) as page:
        chromium.settled(page)
        server.close()
        page.keyboard.press('ArrowRight')
        page.wait_for_selector('#banner >> text=The server does not answer')
        again = FakeServer(port=server.server_port)
        page.wait_for_selector('#banner', state='hidden')
        chromium.settled(page)
        assert chromium.view(page)['x'] == '1' and (shown_pixels(page) == draw('x=1&psi=0.5')).all()
        again.close()


def test_the_token_is_asked_for(browser, server):
    address, token = server.address.split('#token=')
    with chromium.opened(browser, address, wait=None, errors=('401',)) as page:
        page.fill('#token', 'f' * 32)
        page.keyboard.press('Enter')
        page.wait_for_selector('#token-error >> text=does not know this token')
        page.fill('#token', server.address)
        page.keyboard.press('Enter')
        chromium.settled(page)
        assert not page.is_visible('#ask-token')


def test_watching_a_training(browser, server):
    with chromium.opened(browser, server.address) as page:
        page.click('#tab-train')
        page.wait_for_selector('#run-name >> text=00003-stylegan2-ada-cats-1gpu-small')
        page.wait_for_selector('.chart >> text=Loss/scores')
        assert 'tab=train&run=00003' in page.url and page.text_content('#run-facts').count('120') == 1
        scores = page.get_attribute('.chart canvas', 'aria-label')
        server.ticks += 10
        page.wait_for_function('(old) => document.querySelector(".chart canvas").ariaLabel !== old', arg=scores)
        page.wait_for_selector('#run-facts >> text=140')
        page.check('#compare-1')
        page.wait_for_selector('#legend >> text=00002-stylegan2-cats-1gpu-config-f')
        page.check('#log-axis')
        page.select_option('#chart-set', 'Timing/')
        page.wait_for_selector('.chart >> text=Timing/total_sec')
        assert page.text_content('#scrub-text') == '140 kimg'
        page.evaluate('const s = document.getElementById("scrub"); s.value = 2; s.dispatchEvent(new Event("input"))')
        page.wait_for_selector('#scrub-text >> text=40 kimg')
        page.select_option('#which-sheet', label='reals')
        page.wait_for_selector('#fakes[aria-label=reals]')
        assert page.is_disabled('#scrub')
        page.select_option('#which-sheet', label='fakes')
        page.click('#fakes', position={'x': 5, 'y': 5})
        page.wait_for_selector('#strip figure:nth-child(8) >> text=140 kimg')
        page.click('#run-0')
        page.wait_for_selector('#alarms >> text=diversity of the fakes is 0.21')
        page.click('#run-1')
        page.wait_for_selector('#resume-command >> text=run_training.py')
        page.go_back()
        page.wait_for_selector('#run-name >> text=my_flowers')


def test_steering_a_training(browser, server):
    with chromium.opened(browser, server.address + '&tab=train') as page:
        page.click('[data-action=snapshot]')
        page.click('[data-action=pause]')
        page.wait_for_selector('#run-status >> text=pause: waits for the end of the iteration')
        server.run_state = 'paused'
        page.click('[data-action=continue]')
        page.click('[data-action=stop]')
        page.wait_for_selector('text=Click again to stop')
        assert server.commands == ['snapshot', 'pause', 'continue']
        page.click('[data-action=stop]')
        page.wait_for_function('() => !document.querySelector("[data-action=stop]").classList.contains("armed")')
        page.wait_for_selector('#run-status >> text=stop: waits')
        assert server.commands == ['snapshot', 'pause', 'continue', 'stop']


def test_starting_a_training(browser, server):
    with chromium.opened(browser, server.address + '&tab=train') as page:
        page.click('#new-training')
        page.wait_for_selector('#option-total_kimg')
        assert page.locator('#option-mirror').count() == 0
        page.select_option('#start-config', 'config-f')
        page.fill('#start-name', 'my_cats')
        page.fill('#option-total_kimg', '10')
        page.check('#option-mirror')
        page.click('#start-dry')
        page.wait_for_selector('#start-output >> text=one step: 1.9 s')
        page.wait_for_function('() => !document.getElementById("start-go").disabled')
        page.click('#start-go')
        page.wait_for_selector('#start', state='hidden')
        dry, real = server.started
        assert dry['dry_run'] and not real['dry_run'] and real['tried'] == 1
        assert real['options'] == {'resolution': '', 'total_kimg': 10, 'mirror': True} and real['name'] == 'my_cats'


def test_changes_do_not_pile_up(page, server):
    """Hundreds of changes: few requests travel at a time, and the page keeps only the last picture."""
    began, asked = time.time(), len(images(server))
    page.evaluate('''async () => {
        const psi = document.getElementById("psi");
        for (let i = 0; i < 300; i++) {
            psi.value = (i % 100) / 100;
            psi.dispatchEvent(new Event("input"));
            await new Promise((resolve) => setTimeout(resolve, 2));
        }
        psi.dispatchEvent(new Event("change"));
    }''')
    chromium.settled(page)
    assert 2 < len(images(server)) - asked <= 301 and time.time() - began < 30
    assert (shown_pixels(page) == draw('x=0&psi=0.99')).all()
