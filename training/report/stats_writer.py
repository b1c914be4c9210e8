"""Writes the statistics of a training: TensorBoard and `stats.jsonl`."""

import collections
import json
import math
import os

import tensorflow.compat.v1 as tf

from dnnlib import disk
from dnnlib.tflib import autosummary
from dnnlib.util import atomic_path
from training.report.alarms import Alarms

EVENT_BYTES = 100000  # of one report


class StatsWriter:
    """Writes one report per tick to TensorBoard and to `stats.jsonl`, after looking for alarms.

    Args:
        run_dir: Folder of both.
        start_nimg: Images shown at the start. Later reports that an interrupted run left behind are taken out.
        should_stop: See `disk.write_patiently`.
        logits: See `Alarms`.
    """

    def __init__(self, run_dir, start_nimg, should_stop=None, logits=True):
        self._should_stop = should_stop
        self._path = os.path.join(run_dir, 'stats.jsonl')
        self._writer = tf.summary.FileWriter(run_dir)
        lines = []
        if start_nimg > 0:  # TensorBoard forgets what an earlier process reported beyond this step
            start = tf.SessionLog(status=tf.SessionLog.START)
            self._writer.add_session_log(start, start_nimg)
        if os.path.exists(self._path):
            with open(self._path) as f:
                lines = [line for line in f if _nimg_of(line) <= start_nimg]
            with atomic_path(self._path) as temp_path:
                with open(temp_path, 'w') as f:
                    f.writelines(lines)
        self._alarms = Alarms(logits, [json.loads(line) for line in lines])

    def write(self, stats, nimg):
        """Reports `stats` (dictionary by tag) and the mean of every autosummary since the last report.

        Returns: {name of an alarm: sentence} of those that fire; in `stats.jsonl` that is `alarms`.
        """
        folder = os.path.dirname(self._path)
        # TensorBoard's writer can't try again after an error, so it does not begin on a full disk.
        disk.write_patiently(lambda: None, folder, EVENT_BYTES, self._should_stop)
        values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in stats.items()]
        self._writer.add_summary(tf.Summary(value=values), nimg)
        line = collections.OrderedDict(stats, nimg=int(nimg))
        line.update(autosummary.save_summaries(self._writer, nimg))
        self._writer.flush()
        line = collections.OrderedDict((tag, _finite(value)) for tag, value in line.items())
        alarms = self._alarms.look(line)
        if alarms:
            line['alarms'] = alarms
        disk.write_patiently(lambda: disk.append_line(self._path, json.dumps(line)), folder,
                             should_stop=self._should_stop)
        return alarms

    def add_graph(self, graph):
        """Shows the graph in TensorBoard."""
        self._writer.add_graph(graph)

    def close(self):
        """Closes the TensorBoard file."""
        self._writer.close()


def _nimg_of(line):
    """Images shown at a line of `stats.jsonl`; infinite for the broken last line of a killed process."""
    try:
        return json.loads(line)['nimg']
    except (ValueError, KeyError, TypeError):
        return math.inf


def _finite(value):
    """JSON knows no NaN: tags without a value in this tick are null."""
    return value if math.isfinite(value) else None
