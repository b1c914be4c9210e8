"""Which pictures of several sources belong together: those of one name, or one place."""

from typing import NamedTuple

from dnnlib.util import UserError


class Pairs(NamedTuple):
    """What belongs together in some sources."""
    found: list   # a tuple for each pair: the place in each source
    single: list  # (number of the source, place in it) of what lacks a partner in another source


def find(sources):
    """Pairs of sources, in the order of the first.

    Args:
        sources: List of pictures.PictureFiles or pictures.Images.
    Returns: Pairs.
    Raises: UserError naming two files of one source that would belong to the same pair.
    """
    places = []
    for source in sources:
        known = {}
        for place, key in enumerate(source.keys()):
            if key in known:
                raise UserError(f'{source.where(place)}: its partner is unclear, as {source.where(known[key])} has the '
                                'same name but for its ending; remove one')
            known[key] = place
        places.append(known)
    common = [key for key in places[0] if all(key in known for known in places[1:])]
    paired = set(common)
    return Pairs([tuple(known[key] for known in places) for key in common],
                 [(number, place) for number, known in enumerate(places) for key, place in known.items()
                  if key not in paired])


def size_text(header):
    """Size of a picture as people write it, of its (mode, (width, height))."""
    return '{}x{}'.format(*header[1])


def join(datasets, skips_bad=False):
    """Makes paired datasets agree about which images there are, and in which order; others are left alone.

    Args:
        datasets: Those of all streams, just opened.
        skips_bad: Leave out pictures without a partner, instead of raising an error?
    Raises: UserError naming a picture without a partner, or a pair of different sizes, or if no test pair is usable.
    """
    paired = [data for data in datasets if getattr(data, 'paired', False)]
    if len(paired) < 2:
        return
    pairs = find_checked([data.source for data in paired], skips_bad)
    _check_sizes(paired, pairs)
    tests = []
    if all(data.test_source is not None for data in paired):
        tests = [pair for pair in find_checked([data.test_source for data in paired], skips_bad)
                 if all(place in data.test_numbers for data, place in zip(paired, pair))]
        if not tests:
            raise UserError(f'{paired[0].test_source.where(0)}: of no pair to test with can both pictures be used')
    for number, data in enumerate(paired):
        data.select([pair[number] for pair in pairs], [pair[number] for pair in tests] or None)
        data.join([other for other in paired if other is not data], paired[0].seed)


def find_checked(sources, skips_bad):
    """The pairs of sources, see Pairs.found; prints what is left out.

    Raises: UserError if there are none, or one lacks a partner and that is not skipped.
    """
    pairs = find(sources)
    if not pairs.found:
        raise UserError(f'{sources[0].where(0)}: no picture has a partner of the same name, such as '
                        f'{sources[1].where(0)}; name the files of a pair alike')
    if pairs.single:
        number, place = pairs.single[0]
        others = f' ({len(pairs.single)} of {sum(len(source.names) for source in sources)} pictures have none)'
        text = f'{sources[number].where(place)}: no partner of the same name on the other side{others}'
        if not skips_bad:
            raise UserError(f'{text}; add it, remove this one, or skip such pictures by --bad=skip')
        print(f'Left out: {text}')
    return pairs.found


def _check_sizes(datasets, pairs):
    """Raises UserError naming the first pair whose sizes differ."""
    different = []
    for pair in pairs:
        headers = [data.headers[place] for data, place in zip(datasets, pair)]
        sizes = {header[1] for header in headers if header is not None}
        if len(sizes) > 1:
            different.append((pair, headers))
    if different:
        pair, headers = different[0]
        texts = [f'{data.source.where(place)} is {size_text(header)}' for data, place, header in zip(
            datasets, pair, headers) if header is not None]
        raise UserError(f'{" but ".join(texts)} pixels ({len(different)} of {len(pairs)} pairs differ); scale both to '
                        'one size')
