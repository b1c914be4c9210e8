"""How the page looks and is reached: sizes, colors, names of controls, the keyboard alone."""

import itertools
import re

import pytest

from tests.explorer import browser as chromium

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))]

CONTRAST = '''() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => numbers(color).slice(0, 3).map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (numbers(color).length < 4 || numbers(color)[3] > 0.9) { return color; }
        }
        return 'rgb(255, 255, 255)';
    };
    const bad = [];
    for (const element of document.body.querySelectorAll('*')) {
        const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        const field = element.matches('input[type=number], input[type=text]');
        if (!(text || field) || element.closest(':disabled')
            || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) {
            continue;
        }
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) { bad.push([element.outerHTML.slice(0, 80), ratio]); }
    }
    return bad;
}'''
NAMES = '''() => [...document.querySelectorAll(
    'button, input, select, textarea, progress, dialog, [role=img], [role=group]')]
    .filter((e) => e.checkVisibility() && !e.ariaLabel && !e.textContent.trim() && !(e.labels && e.labels.length)
        && !e.getAttribute('aria-labelledby')).map((e) => e.outerHTML.slice(0, 100))'''


@pytest.mark.parametrize('width,scheme', list(itertools.product((360, 1920), ('dark', 'light'))))
def test_sizes_and_colors(browser, server, width, scheme):
    """No scrolling sideways, contrast of 4.5:1, a name for every control, in both tabs."""
    with chromium.opened(browser, server.address, width=width, color_scheme=scheme, has_touch=width == 360) as page:
        chromium.settled(page)
        page.keyboard.press('Shift+Digit1')
        page.click('[data-layers=middle]')
        page.click('#find')
        page.wait_for_selector('#move-sefa-7')
        for tab in ('explore', 'train'):
            if tab == 'train':
                page.evaluate('document.getElementById("tab-train").click()')
                page.wait_for_selector('#strip figure')
            assert page.evaluate('document.documentElement.scrollWidth') <= width
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate(NAMES) == []
        color = page.evaluate('getComputedStyle(document.body).backgroundColor')
        dark = sum(int(value) for value in re.findall(r'\d+', color)[:3])
        assert (dark < 200) == (scheme == 'dark')


def test_everything_can_be_reached_by_the_keyboard(page):
    """Tab visits all visible controls, in their order, and each shows that it has the focus."""
    wanted = page.evaluate('''() => [...document.querySelectorAll('button, input, select, [tabindex="0"]')].filter(
        (e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && (e.type !== "radio" || e.checked))
        .map((e) => e.id || e.textContent)''')
    seen = []
    page.evaluate('document.activeElement.blur()')
    for _ in range(len(wanted)):
        page.keyboard.press('Tab')
        seen.append(page.evaluate('document.activeElement.id || document.activeElement.textContent'))
        assert page.evaluate('''() => {
            const e = document.activeElement;
            const style = getComputedStyle(e.matches(".layers input, .segments input") ? e.nextSibling : e);
            return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
        }'''), seen[-1]
    assert seen == wanted
    page.focus('#layer-3')
    page.keyboard.press('Space')
    chromium.settled(page)
    view = chromium.view(page)
    assert view['mixed'] == '3' and view['x'] == '0'  # Space ticked, and drew no other seed
