"""What `calibrate` and `detect` print and write for people and programs."""

import os
import re

import numpy as np

from projector import calibration, results


def summary(made):
    """Lines about a calibration: how far the classes are apart, thresholds, changed pictures."""
    low, high = made.interval()
    lines = [f'AUC {made.auc():.4f}, 95% interval {low:.4f} to {high:.4f}: {len(made.generated)} generated pictures '
             f'(median distance {np.median(made.generated):.4f}), {len(made.reals)} real ones '
             f'({np.median(made.reals):.4f})']
    lines += ['at {:g}% error: generated up to a distance of {:.4f}, not from {:.4f}'.format(
        100 * row['error_rate'], row['generated_up_to'], row['not_from']) for row in made.thresholds()]
    robustness = made.content.robustness
    if robustness:
        lines.append('change        AUC     95% interval      generated: called so, related, not   real: the same')
    for row in robustness:
        shares = ['{:4.0f}%'.format(100 * row[f'{kind}_called_{name}'])
                  for kind in ('generated', 'real') for name in ('generated', 'related', 'not')]
        lines.append('{:<12} {:.4f}  {:.4f} to {:.4f}        {}  {}  {}               {}  {}  {}'.format(
            row['change'], row['auc'], *(row['auc_interval'] + shares)))
    return '\n'.join(lines + [calibration.SCOPE])


def write(folder, pictures, loaded, judged, error_rate):
    """Prints the verdicts and writes them to `detections.csv`, `.jsonl` and `report.txt`.

    Args:
        folder: Where the files go.
        pictures: List of inputs.Picture.
        loaded: List of Calibration.
        judged: For each of them a dictionary: key of a picture to (row with `distance` and `fine_error`, Verdict).
        error_rate: Share of wrong verdicts that is accepted, of each class.
    """
    rows, lines, together = [], [], 0
    for picture in pictures:
        found = calibration.attribute([verdicts[picture.key][1] for verdicts in judged])
        for number, (made, verdicts) in enumerate(zip(loaded, judged)):
            measured, verdict = verdicts[picture.key]
            rows.append(dict(
                _row(picture, made, measured, verdict), error_rate=error_rate, verdict=verdict.verdict,
                nearest=found.nearest == number, made_by_this=found.maker == number,
                margin=None if found.margin is None else round(found.margin, 2)))
            lines.append(_line(picture, measured, verdict, made if len(loaded) > 1 else None))
        if len(loaded) > 1:
            lines.append(f'{picture.file}: {_attribution(found, loaded)}')
            together += len(found.alike) > 1
    counts = ['{} {}'.format(sum(row['verdict'] == verdict for row in rows), verdict)
              for verdict in calibration.VERDICTS]
    lines.append('{} at an error rate of {:g}'.format(', '.join(counts), error_rate))
    if together:
        lines.append(f'{together} of {len(pictures)} pictures would be claimed by several of these calibrations, each '
                     'by itself: the networks are relatives, and only the margin between the scores tells them apart')
    lines.append(calibration.SCOPE)
    for made in loaded:
        fields = made.conditions.for_file()
        fields.update(fields.pop('schedule'))
        settings = [f'{key}={value}' for key, value in sorted(fields.items()) if value is not None]
        if made.content.changes:
            settings.append(f'calibrated for pictures changed by {made.content.changes}')
        if not len(made.fine_errors):
            settings.append('calibrated by an older version, without fine errors: "related" is not told')
        lines.append('Network {}, {}'.format(_name(made), ', '.join(settings)))
    results.Table(folder, 'detections').replace(rows)
    results.write_lines(os.path.join(folder, 'report.txt'), lines)


def _row(picture, made, measured, verdict):
    p_fine = None if verdict.p_fine is None else round(verdict.p_fine, 4)
    return dict(
        picture=picture.key, file=picture.file, network=made.network, network_hash=made.network_hash,
        distance=round(measured['distance'], 6), fine_error=measured['fine_error'],
        p_generated=round(verdict.p_generated, 4), p_real=round(verdict.p_real, 4), p_fine=p_fine,
        score=round(verdict.score, 2))


def _line(picture, measured, verdict, made):
    """One verdict; `made` = None: there is only one calibration."""
    numbers = 'distance {:.4f}, p {:.3f} if generated, {:.3f} if not'.format(
        measured['distance'], verdict.p_generated, verdict.p_real)
    if verdict.p_fine is not None:
        numbers += f', {verdict.p_fine:.3f} of the fine error if generated'
    if made is not None:
        numbers += ', ' + os.path.basename(made.network)
    return f'{picture.file}: {verdict.verdict} ({numbers})'


def _attribution(found, loaded):
    """Which of several networks made a picture, as text."""
    text = 'made by {}' if found.maker is not None else (
        'closest to {}, but not as its own' if found.alike else 'made by none of these networks, closest to {}')
    text = text.format(_name(loaded[found.nearest])) + f', margin {found.margin:.1f}'
    others = [os.path.basename(loaded[i].network) for i in found.alike if i != found.nearest]
    if others:
        text += '; by itself the calibration of {} does not tell it from its own'.format(' or '.join(others))
    return text


def _name(made):
    return '{} ({})'.format(re.sub(r'.*[/\\]', '', made.network), made.network_hash)
