"""The routes of the server, which docs/explorer-routes.md describes: from a Request to a Reply."""

import os
import re
import time
import urllib.parse

import numpy as np

from dnnlib import shell, video
from explorer import app as apps
from explorer import animating, artists, encoding, projecting, train_routes, uploads, values, views
from explorer.errors import Refused
from explorer.server import Reply, in_json

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'page')
KINDS = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml',
         '.js': 'text/javascript; charset=utf-8', '.png': 'image/png', '.ico': 'image/x-icon'}
JSON_BYTES = 64 << 10
LIMITS = dict(frames=animating.MAX_FRAMES, tiles=36, steps=1000, moves=views.MOVES, picture_bytes=uploads.MAX_BYTES)
_ASKED = {'n': values.whole(0, 2 ** 53), 'client': values.whole(0, 2 ** 31 - 1), 'format': values.choice('png', 'jpeg')}


def body_limit(method, path):
    """Largest body of a request in bytes, by its method and path."""
    if method != 'POST':
        return 0
    return uploads.MAX_BYTES if path == '/api/pictures' else JSON_BYTES


class Routes:
    """Answers requests.

    Args:
        app: app.App.
        version: Of the program, str.
    """

    def __init__(self, app, version):
        self._app, self._version = app, version
        self._train = train_routes.TrainRoutes(app)
        self._routes = [(method, re.compile(pattern), function) for method, pattern, function in (
            ('GET', '/api/info', self.info), ('GET', '/api/networks', self.networks),
            ('POST', '/api/network', self.open_network), ('GET', '/api/image', self.image),
            ('GET', '/api/grid', self.grid), ('GET', '/api/command', self.command), ('POST', '/api/save', self.save),
            ('GET', '/api/directions', self.directions), ('POST', '/api/pictures', self.add_picture),
            ('GET', '/api/pictures/([0-9]{1,9})', self.picture), ('POST', '/api/project', self.project),
            ('POST', '/api/detect', self.detect), ('POST', '/api/animation', self.animation),
            ('GET', '/api/jobs', self.jobs), ('GET', '/api/jobs/([0-9]{1,9})', self.job),
            ('GET', '/api/jobs/([0-9]{1,9})/picture', self.job_picture),
            ('GET', '/api/jobs/([0-9]{1,9})/file', self.job_file),
            ('POST', '/api/jobs/([0-9]{1,9})/cancel', self.cancel)) + self._train.table()]

    def __call__(self, request):
        """The Reply to a Request; raises Refused."""
        if not request.path.startswith('/api/'):
            return page_file(request)
        is_known = False
        for method, pattern, function in self._routes:
            match = pattern.fullmatch(request.path)
            if match is not None:
                is_known = True
                if method == request.method:
                    if method == 'POST' and request.path != '/api/pictures' and request.kind != 'application/json':
                        raise Refused('send Content-Type: application/json')
                    return function(request, *map(int, match.groups()))
        raise Refused('this route takes another method', 405) if is_known else Refused('there is no such route', 404)

    def info(self, request):
        """`GET api/info`."""
        values.of_query(request.query, {})
        engine, options = self._app.engine, self._app.options
        found = dict(state=engine.state, text=engine.text, server=self._app.server, version=self._version,
                     limits=LIMITS, mp4=video.load_ffmpeg() is not None, network=None, calibration=None,
                     can=dict(save=True, train=True, start=os.name == 'posix', networks=True))
        if options.calibration is not None:
            found['calibration'] = dict(name=os.path.basename(options.calibration), error_rate=projecting.ERROR_RATE)
        if engine.state != 'ready':
            return in_json(found)
        artist = engine.artist
        height, width, channels = artist.image_shape
        found.update(network=dict(number=engine.number, name=artist.name, hash=artist.hash), kind=artist.kind,
                     height=height, width=width, channels=channels, domains=[], labels=[], styles=False, layer_sizes=[],
                     translations=[], pictures=self._app.can_project())
        return in_json(dict(found, **artist.info()))

    def networks(self, request):
        """`GET api/networks`."""
        values.of_query(request.query, {})
        first = self._app.options.network
        found = [] if first is None else [dict(number=0, name=shell.short(first.name), run=None, kimg=None)]
        return in_json({'networks': found + self._app.runs.networks()})

    def open_network(self, request):
        """`POST api/network`."""
        fields = values.of_body(request.body, {'number': values.whole(0, 10 ** 9)}, ['number'])
        self._app.network_file(fields['number'])
        self._app.engine.open(fields['number'])
        return in_json({'state': 'loading'})

    def image(self, request):
        """`GET api/image`."""
        view, asked = views.parse(request.query, dict(
            _ASKED, lane=values.choice('main', 'compare'), size=values.whole(0, 2048)))
        if 0 < asked.get('size', 0) < 16:
            raise Refused('size must be 0, or 16 to 2048')
        rank = apps.FIRST if asked.get('lane', 'main') == 'main' else apps.COMPARED
        return self._draw(rank, view, asked, lambda artist: artist.draw(view))

    def grid(self, request):
        """`GET api/grid`."""
        side = values.whole(2, 6)
        view, asked = views.parse(request.query, dict(_ASKED, columns=side, rows=side, step=values.number(0.1, 100),
                                                      size=values.whole(0, 4096)))
        columns, rows, step = asked.get('columns', 4), asked.get('rows', 4), asked.get('step', 1.0)

        def draw(artist):
            if 'x' not in artist.wants or view.slot is not None:
                raise Refused('there is no seed plane here, so nothing has neighbors', 409)
            lines = []
            for row in range(rows):
                line = []
                for column in range(columns):
                    self._app.engine.serve(apps.TILES)
                    line.append(artist.draw(view._replace(x=view.x + (column - (columns - 1) // 2) * step,
                                                          y=view.y + (row - (rows - 1) // 2) * step)))
                lines.append(np.concatenate(line, axis=1))
            return np.concatenate(lines)
        return self._draw(apps.TILES, view, asked, draw)

    def _draw(self, rank, view, asked, draw):
        """The Reply with what a function of the artist draws; 204 if a newer request took its place."""
        def timed(artist):
            begin = time.monotonic()
            pixels = draw(artist)
            words, is_whole = artist.command(view)
            return pixels, time.monotonic() - begin, words, is_whole

        found = self._app.engine.ask((rank, asked.get('client', 0)), asked.get('n'), timed)
        headers = [('X-Request', asked.get('n', 0))]
        if found is None:
            return Reply(status=204, headers=tuple(headers))
        pixels, seconds, words, is_whole = found
        headers += [('X-Milliseconds', f'{1000 * seconds:.1f}'), ('X-Command', urllib.parse.quote(
            shell.line(words), errors='replace'))]  # a path may hold any bytes
        headers += [] if is_whole else [('X-Saved', 'needed')]
        if asked.get('format') == 'jpeg':
            return Reply(encoding.jpeg(pixels, asked.get('size', 0)), 'image/jpeg', headers=tuple(headers))
        return Reply(encoding.png(pixels), 'image/png', headers=tuple(headers))

    def command(self, request):
        """`GET api/command`."""
        view, _ = views.parse(request.query)
        words, is_whole = self._app.engine.artist.command(view)
        return in_json({'command': shell.line(words), 'saved': is_whole})

    def save(self, request):
        """`POST api/save`."""
        view = values.of_body(request.body, {'view': views.in_json}, ['view'])['view']
        artist = self._app.engine.artist
        pixels, arrays = self._app.asker(artist, (apps.COMPARED, object()))(
            lambda current: (current.draw(view), current.arrays(view)))
        return in_json(self._app.files.save(artist, view, pixels, arrays))

    def directions(self, request):
        """`GET api/directions`."""
        fields = values.of_query(request.query, {'method': values.choice(*views.METHODS)})
        return in_json(self._app.finder.find(fields.get('method', views.METHODS[0])))

    def add_picture(self, request):
        """`POST api/pictures`."""
        number, upload = self._app.uploads.add(request.body, request.kind)
        return in_json({'picture': number, 'width': upload.size[0], 'height': upload.size[1]})

    def picture(self, request, number):
        """`GET api/pictures/NUMBER`."""
        values.of_query(request.query, {})
        return Reply(_png_of(self._app.uploads.preview(number)), 'image/png')

    def project(self, request):
        """`POST api/project`."""
        known = {'picture': values.whole(1, 10 ** 9), 'fit': values.choice('crop', 'pad', 'stretch'),
                 'steps': values.whole(1, LIMITS['steps']), 'space': values.choice('w', 'w+'),
                 'distance': values.choice('auto', *projecting.DISTANCES), 'class': values.whole(0, 10 ** 6)}
        fields = dict({'fit': 'crop', 'steps': 150, 'space': 'w', 'distance': 'auto', 'class': None},
                      **values.of_body(request.body, known, ['picture']))
        if 'project' not in self._app.can_project():
            raise Refused('this network has no W to project into', 409)
        artist = self._app.engine.artist
        artist.check(views.View(label=fields['class']))
        fields['class'] = artists.class_text(artist.generator, fields['class'])
        upload = self._app.uploads.get(fields['picture'])
        return self._add('project', lambda job: projecting.project(job, self._app, upload, fields))

    def detect(self, request):
        """`POST api/detect`."""
        fields = values.of_body(request.body, {'picture': values.whole(1, 10 ** 9)}, ['picture'])
        if self._app.options.calibration is None:
            raise Refused('start run_explorer.py with --calibration=FILE, which run_projector.py calibrate writes', 409)
        upload = self._app.uploads.get(fields['picture'])
        return self._add('detect', lambda job: projecting.detect(job, self._app, upload))

    def animation(self, request):
        """`POST api/animation`."""
        known = {'views': _view_list, 'frames': values.whole(1, 240), 'fps': values.whole(1, 60),
                 'loop': values.yes_or_no, 'kind': values.choice(*animating.KINDS),
                 'curve': values.choice('linear', 'spherical')}
        fields = dict({'frames': 30, 'fps': 30, 'loop': True, 'kind': 'gif', 'curve': 'linear'},
                      **values.of_body(request.body, known, ['views']))
        chosen = fields.pop('views')
        animating.check(self._app.engine.artist, chosen, fields['frames'], fields['kind'])
        return self._add('animation', lambda job: animating.animate(job, self._app, chosen, fields))

    def _add(self, kind, run):
        return in_json({'job': self._app.jobs.add(kind, run).number})

    def jobs(self, request):
        """`GET api/jobs`."""
        values.of_query(request.query, {})
        return in_json({'jobs': [job.describe() for job in self._app.jobs.list()]})

    def job(self, request, number):
        """`GET api/jobs/NUMBER`."""
        values.of_query(request.query, {})
        return in_json(self._app.jobs.get(number).describe())

    def job_picture(self, request, number):
        """`GET api/jobs/NUMBER/picture`."""
        values.of_query(request.query, {})
        job = self._app.jobs.get(number)
        if job.pixels is None:
            raise Refused('this job has no picture yet', 409)
        if job.state == 'running':
            return Reply(encoding.jpeg(job.pixels), 'image/jpeg')
        return Reply(encoding.png(job.pixels), 'image/png')

    def job_file(self, request, number):
        """`GET api/jobs/NUMBER/file`."""
        values.of_query(request.query, {})
        path = self._app.jobs.get(number).file
        if path is None or not os.path.isfile(path):
            raise Refused('this job has no file', 409)
        with open(path, 'rb') as f:
            return Reply(f.read(), 'image/gif' if path.endswith('.gif') else 'video/mp4', headers=(
                ('Content-Disposition', f'attachment; filename="{os.path.basename(path)}"'),))

    def cancel(self, request, number):
        """`POST api/jobs/NUMBER/cancel`."""
        values.of_body(request.body, {})
        job = self._app.jobs.get(number)
        job.cancel()
        return in_json({'state': job.state})


def _view_list(name, value):
    if not isinstance(value, list) or not 2 <= len(value) <= 10:
        raise Refused(f'{name} must be 2 to 10 views')
    return [views.in_json(name, item) for item in value]


def _png_of(image):
    return encoding.png(np.atleast_3d(np.asarray(image.convert('RGBA' if image.mode == 'RGBA' else 'RGB'))))


def page_file(request):
    """A file of the page; only those in its folder have a route."""
    if request.method != 'GET':
        raise Refused('the page is only read', 405)
    name = 'index.html' if request.path == '/' else request.path[len('/page/'):]
    is_name = request.path == '/' or re.fullmatch('/page/[A-Za-z0-9_-]+[.][a-z]+', request.path)
    kind, path = KINDS.get(os.path.splitext(name)[1]), os.path.join(PAGE, name)
    if not is_name or kind is None or not os.path.isfile(path):
        raise Refused('there is no such page', 404)
    with open(path, 'rb') as f:
        return Reply(f.read(), kind)
