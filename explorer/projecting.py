"""Jobs that project a dropped picture, for a slot or for a verdict about it."""

import contextlib
import time

import numpy as np

from dnnlib.util import UserError
from explorer.errors import Refused
from explorer.stores import Slot
from projector import align, calibration, inputs, schedule
from projector.calibration import SCOPE, Calibration
from projector.session import Session, Settings

DISTANCES = 'lpips-vgg', 'lpips-alex', 'pixel'
ERROR_RATE = 0.05  # of verdicts, as the default of `detect`


class Sketch:
    """The projector of the last job, kept for the next one: building it takes longer than many a projection.

    All calls come from the thread of the jobs; when another network is opened it closes the projector, see `app`.
    """

    def __init__(self, running):
        self._running, self._key, self._open = running, None, None

    def get(self, file, settings, masked, say):
        """(Session, context manager in which to use it), of other settings if need be.

        Args:
            file: pretrained.NetworkFile.
            settings: session.Settings.
            masked: Will there be a mask?
            say: Function of a text about what is going on.
        """
        key = file, settings, masked
        if self._key != key:
            self.close()
            say('building the projector; that takes up to a minute')
            self._open = _open_session(file, settings, masked, self._running)
            self._key = key
        session, graph, tf_session = self._open
        return session, _inside(graph, tf_session)

    def close(self):
        """Gives the memory of the projector back."""
        if self._open is not None:
            _, graph, tf_session = self._open
            _forget(graph, tf_session)
            self._key = self._open = None


def _forget(graph, tf_session):
    from dnnlib.tflib import graphs
    tf_session.close()
    graphs.forget_graph(graph)


def _open_session(file, settings, masked, running):
    import tensorflow.compat.v1 as tf
    from dnnlib import tflib
    graph = tf.Graph()
    with graph.as_default():
        tf_session = tflib.create_session(running)
        try:
            with tf_session.as_default():
                session = Session(file, settings, running)
                session.prepare(1, masked=masked)
        except BaseException:
            _forget(graph, tf_session)
            raise
    return session, graph, tf_session


@contextlib.contextmanager
def _inside(graph, tf_session):
    with graph.as_default(), tf_session.as_default():
        yield


def settings_of(steps, space, distance, label, seed=0):
    """session.Settings of a projection that somebody waits for: the fast preset with other numbers.

    Args:
        steps: Optimization steps.
        space: 'w' or 'w+'.
        distance: One of DISTANCES.
        label: Class to begin at, None = none.
        seed: Of the projector's own random numbers.
    """
    return Settings(preset='fast', schedule=schedule.PRESETS['fast'], num_steps=steps, space=space, noise='optimize',
                    distance=distance, restarts=1, plateau=0, seed=seed, precision='float32', label=label, minibatch=1)


def best_distance(side):
    """The first of DISTANCES whose weights are here and that measures images of a side: (name, remark or '')."""
    from metrics import weights
    from projector import distances
    if side < distances.MIN_SIDES['lpips-vgg']:
        return 'pixel', ''
    try:
        weights.lpips_vgg16()
        return 'lpips-vgg', ''
    except (UserError, OSError):
        return 'pixel', ' (by pixels, as the LPIPS weights are not here: python -m metrics.weights fetches them)'


def _project(job, engine, session, fitted, num_steps):
    """The Projection of a Fitted picture; tells the job how far it is, and lets whoever drags go first."""
    job.tell(0.0, 'measuring the picture')

    def observe(projector, _restart):
        engine.wait_until_quiet(0.5)
        step = projector.get_cur_step()
        job.tell(step / num_steps, f'step {step} of {num_steps}, distance {projector.get_distances()[0]:.4f}' if (
            job.is_picture_due() or step == num_steps) else job.text)
        if job.is_picture_due():
            job.show(inputs.to_pixels(projector.get_images()[0]).transpose(1, 2, 0))

    masks = fitted.mask[np.newaxis] if session.projector.masked else None
    found, = session.project(inputs.to_target(fitted.pixels[np.newaxis]), 'picture', masks, observers=[observe])
    job.show(inputs.to_pixels(found.image).transpose(1, 2, 0))
    return found


def _slot(found):
    """Slot of a Projection."""
    return Slot(np.float32(found.dlatents), {f'noise{i}': np.float32(noise) for i, noise in enumerate(found.noises)})


def project(job, app, upload, options):
    """A job: projects a picture into the network that is shown.

    Args:
        job: jobs.Job.
        app: app.App.
        upload: uploads.Upload.
        options: {'fit', 'steps', 'space', 'distance', 'class'}.
    Returns: The `result` of the job.
    """
    begin, artist = time.time(), app.engine.artist
    remark, distance = '', options['distance']
    if distance == 'auto':
        distance, remark = best_distance(min(artist.image_shape[:2]))
    settings = settings_of(options['steps'], options['space'], distance, options['class'])
    session, inside = app.sketch.get(artist.file, settings, options['fit'] == 'pad', lambda text: job.tell(0, text))
    with inside:
        fitted = inputs.read_fitted(upload.picture, session.shape, options['fit'])
        job.show(fitted.pixels.transpose(1, 2, 0))
        found = _project(job, app.engine, session, fitted, options['steps'])
    slot = app.add_slot(artist, _slot(found))
    job.text = f'distance {found.distance:.4f}{remark}'
    return dict(slot=slot, distance=round(found.distance, 6), steps=found.steps, measure=distance,
                seconds=round(time.time() - begin, 1))


def detect(job, app, upload):
    """A job: was a picture made by the network that the calibration is for? Arguments as of `project`.

    Raises: UserError if the calibration doesn't fit its network.
    """
    made = Calibration.load(app.options.calibration)
    network, settings = made.find_network(), made.conditions.settings._replace(minibatch=1)
    rate = max(ERROR_RATE, made.smallest_error_rate())
    session, inside = app.sketch.get(network, settings, made.conditions.fit == 'pad', lambda text: job.tell(0, text))
    with inside:
        made.check_network(session.network_hash, network.name)
        aligner = align.FaceAligner() if made.conditions.align else None
        fitted = inputs.read_fitted(upload.picture, session.shape, made.conditions.fit, aligner)
        job.show(fitted.pixels.transpose(1, 2, 0))
        found = _project(job, app.engine, session, fitted, settings.num_steps * settings.restarts)
        distance = calibration.compared_distance(found.distance, fitted.mask)
        fine = calibration.fine_error(fitted.pixels, inputs.to_pixels(found.image), fitted.mask)
    verdict = made.judge(distance, rate, fine)
    try:
        artist = app.engine.artist
        slot = app.add_slot(artist, _slot(found)) if artist.hash == made.network_hash else None
    except Refused:  # another network was opened meanwhile; the verdict is as good
        slot = None
    return dict(verdict=verdict.verdict, distance=round(distance, 6), p_generated=verdict.p_generated,
                p_real=verdict.p_real, p_fine=verdict.p_fine, score=round(verdict.score, 2), error_rate=rate, slot=slot,
                scope=SCOPE)
