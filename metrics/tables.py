"""Results of metrics as a table for people."""

import os

import numpy as np


def make_table(records):
    """Table of results: a row per network, a column per result; several seeds become mean +- standard deviation.

    Args:
        records: List of what `MetricBase.get_record` returns, with `network_pkl`.
    Returns: Text in Markdown.
    """
    networks, columns, cells = [], [], {}
    for record in records:
        networks += [record['network_pkl']] if record['network_pkl'] not in networks else []
        for name, value in record['results'].items():
            columns += [name] if name not in columns else []
            cells.setdefault((record['network_pkl'], name), []).append(value)
    lines = ['| network | ' + ' | '.join(columns) + ' |', '|---|' + '---|' * len(columns)]
    short = [os.path.basename(os.path.normpath(network)) for network in networks]
    for network, name in zip(networks, short):
        row = [_cell(cells.get((network, column), [])) for column in columns]
        lines.append(f"| {name if short.count(name) == 1 else network} | {' | '.join(row)} |")
    return '\n'.join(lines)


def how_measured(records):
    """What each metric of a table was measured with: a line per metric and number of images.

    Args:
        records: See `make_table`.
    """
    lines = []
    for record in records:
        parts = [f'{record[key]} {what}' for key, what in (
            ('num_reals', 'reals'), ('num_fakes', 'fakes'), ('num_samples', 'samples')) if key in record]
        if isinstance(record.get('weights_sha256'), str):
            parts.append(f"{record['extractor']} ({record['weights']}, sha256 {record['weights_sha256'][:8]}...)")
        parts += ['resized: ' + record['resize']] if 'resize' in record else []
        line = f"{record['metric']}: {', '.join(parts)}"
        lines += [line] if parts and line not in lines else []
    return lines


def _cell(values):
    if not values:
        return ''
    return '{:.4g}'.format(np.mean(values)) + (' +- {:.2g}'.format(np.std(values, ddof=1)) if len(values) > 1 else '')
