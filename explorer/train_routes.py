"""The routes of the Train tab: runs, their statistics and pictures, steering and starting trainings."""

import os

from explorer import starting, values
from explorer.errors import Refused
from explorer.server import Reply, in_json
from training.report import steering


class TrainRoutes:
    """Answers requests about trainings.

    Args:
        app: app.App.
    """

    def __init__(self, app):
        self._app, self._runs, self._starter = app, app.runs, app.starter

    def table(self):
        """(method, pattern of the path, function of the request and the numbers in it) of each route."""
        return (('GET', '/api/runs', self.list), ('GET', '/api/runs/([0-9]{1,9})', self.details),
                ('GET', '/api/runs/([0-9]{1,9})/stats', self.stats),
                ('GET', '/api/runs/([0-9]{1,9})/picture', self.picture),
                ('GET', '/api/runs/([0-9]{1,9})/strip', self.strip),
                ('POST', '/api/runs/([0-9]{1,9})/control', self.control),
                ('GET', '/api/start', self.form), ('POST', '/api/start', self.start))

    def list(self, request):
        """`GET api/runs`."""
        values.of_query(request.query, {})
        return in_json({'runs': self._runs.list()})

    def details(self, request, number):
        """`GET api/runs/NUMBER`."""
        values.of_query(request.query, {})
        return in_json(self._runs.details(number))

    def stats(self, request, number):
        """`GET api/runs/NUMBER/stats`."""
        fields = values.of_query(request.query, {'from': values.whole(0, 2 ** 53), 'file': values.whole(0, 2 ** 63)})
        return in_json(self._runs.stats(number, fields.get('from', 0), fields.get('file', 0)))

    def picture(self, request, number):
        """`GET api/runs/NUMBER/picture`."""
        fields = values.of_query(request.query, {'number': values.whole(0, 10 ** 9), 'size': values.whole(0, 4096)})
        if 'number' not in fields or 0 < fields.get('size', 1024) < 64:
            raise Refused('give the number of a picture, and a size of 0 or 64 to 4096')
        return Reply(*self._runs.picture(number, fields['number'], fields.get('size', 1024)))

    def strip(self, request, number):
        """`GET api/runs/NUMBER/strip`."""
        fields = values.of_query(request.query, {'cell': values.whole(0, 10 ** 6), 'count': values.whole(2, 24),
                                                 'size': values.whole(16, 512)})
        data, kimg = self._runs.strip(number, fields.get('cell', 0), fields.get('count', 12), fields.get('size', 128))
        return Reply(data, 'image/jpeg', headers=(('X-Kimg', ','.join(map(str, kimg))),))

    def control(self, request, number):
        """`POST api/runs/NUMBER/control`."""
        fields = values.of_body(request.body, {'command': values.choice(*steering.COMMANDS)}, ['command'])
        return in_json({'waiting': self._runs.control(number, fields['command'])})

    def form(self, request):
        """`GET api/start`."""
        values.of_query(request.query, {})
        return in_json(self._starter.form())

    def start(self, request):
        """`POST api/start`."""
        known = {'dataset': values.whole(0, 10 ** 6), 'config': _text, 'name': _text, 'options': _dictionary,
                 'dry_run': values.yes_or_no, 'tried': values.whole(1, 10 ** 9)}
        fields = values.of_body(request.body, known, ['dataset', 'config', 'name', 'options', 'dry_run'])
        if os.name != 'posix':
            raise Refused('trainings are started from a terminal on this system', 409)
        is_dry, tried = fields.pop('dry_run'), fields.pop('tried', None)
        wanted, starter = starting.check(fields), self._starter
        command = starter.command(wanted)
        if is_dry:
            return in_json({'job': self._app.jobs.add('dry-run', lambda job: starter.dry_run(job, wanted)).number})
        job = None if tried is None else self._app.jobs.get(tried)
        if job is None or job.tried != command or (job.result or {}).get('code') != 0:
            raise Refused('try it first: a dry run of exactly this must have ended well', 409)
        return in_json({'job': self._app.jobs.add('start', lambda job: starter.start(job, wanted)).number})


def _text(name, value):
    if not isinstance(value, str) or len(value) > 100:
        raise Refused(f'{name} must be a text of at most 100 letters')
    return value


def _dictionary(name, value):
    if not isinstance(value, dict) or len(value) > 50:
        raise Refused(f'{name} must be an object')
    return value
