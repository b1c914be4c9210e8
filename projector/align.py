"""Alignment of faces as in the FFHQ dataset (Karras et al. 2019, appendix A): 68 landmarks to a turned square crop."""

import json
import os

import numpy as np
from PIL import Image

from dnnlib.util import UserError

LANDMARKS_SUFFIX = '.landmarks.json'  # file beside a picture: 68 pairs of x and y in pixels
MODEL_VARIABLE = 'STYLEGAN2_FACE_LANDMARKS'  # environment variable: file of dlib's model
NO_BACKEND = (
    '--align=ffhq needs the 68 landmarks of each face, and no landmark detector is installed: pip install '
    'face-alignment (which installs PyTorch), or pip install dlib and set the environment variable {} to the path of '
    'its shape_predictor_68_face_landmarks.dat, or put the landmarks into files such as photo.jpg{}').format(
        MODEL_VARIABLE, LANDMARKS_SUFFIX)
LEFT_EYE, RIGHT_EYE, MOUTH = slice(36, 42), slice(42, 48), (48, 54)  # of the 68 points, in the picture's left and right
MAX_SIDE = 1024  # of the aligned picture, pixels


class _Dlib:
    """Landmarks by dlib, whose model file the user brings."""

    name = 'dlib'

    def __init__(self):
        import dlib
        path = os.environ.get(MODEL_VARIABLE)
        if not path or not os.path.isfile(path):
            raise UserError('dlib needs its model file shape_predictor_68_face_landmarks.dat; set the environment '
                            f'variable {MODEL_VARIABLE} to its path')
        self._detect, self._predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(path)

    def find(self, pixels):
        """Landmarks of each face in uint8 [H, W, 3]: list of [68, 2]."""
        shapes = [self._predict(pixels, box) for box in self._detect(pixels, 1)]
        return [np.array([[point.x, point.y] for point in shape.parts()], np.float64) for shape in shapes]


class _FaceAlignment:
    """Landmarks by the package face-alignment."""

    name = 'face-alignment'

    def __init__(self):
        import face_alignment
        kinds = face_alignment.LandmarksType
        kind = kinds.TWO_D if hasattr(kinds, 'TWO_D') else kinds._2D  # renamed in version 1.4
        self._finder = face_alignment.FaceAlignment(kind, device='cpu')

    def find(self, pixels):
        """Landmarks of each face in uint8 [H, W, 3]: list of [68, 2]."""
        return [np.asarray(points, np.float64)[:, :2] for points in self._finder.get_landmarks(pixels) or []]


BACKENDS = (_FaceAlignment, _Dlib)


def load_backend():
    """The first landmark detector that is installed, None if there is none.

    Raises: UserError if one is installed but lacks its model.
    """
    for backend in BACKENDS:
        try:
            return backend()
        except ImportError:
            continue
    return None


class FaceAligner:
    """Turns and crops pictures so that eyes and mouth are where they are in FFHQ.

    Landmarks come from a file beside the picture if there is one, else from the detector that is installed. Of several
    faces the largest is used.
    """

    def __init__(self):
        self._backend, self._loaded = None, False

    def align(self, image, file):
        """The aligned face.

        Args:
            image: PIL.Image.
            file: Name of its file.
        Returns: PIL.Image, square, mode RGB.
        Raises: UserError if there is no face or no landmark detector.
        """
        image = image.convert('RGB')
        landmarks = self._landmarks(image, file)
        corners = ffhq_corners(landmarks)
        side = int(np.clip(np.rint(np.hypot(*(corners[3] - corners[0]))), 64, MAX_SIDE))
        return Image.fromarray(warp(np.asarray(image), corners, side))

    def _landmarks(self, image, file):
        path = file + LANDMARKS_SUFFIX
        if os.path.isfile(path):
            return _read_landmarks(path)
        if not self._loaded:
            self._backend, self._loaded = load_backend(), True
        if self._backend is None:
            raise UserError(NO_BACKEND)
        faces = self._backend.find(np.asarray(image))
        if not faces:
            raise UserError(f'{file}: {self._backend.name} finds no face; leave out --align or replace the picture')
        return max(faces, key=lambda points: np.prod(np.ptp(points, axis=0)))


def _read_landmarks(path):
    try:
        with open(path, encoding='utf-8') as file:
            landmarks = np.array(json.load(file), np.float64)
    except (ValueError, TypeError):
        landmarks = np.zeros(0)
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
        raise UserError(f'{path}: expected a JSON list of 68 pairs of x and y')
    return landmarks


def ffhq_corners(landmarks):
    """Square of the FFHQ crop of a face.

    Args:
        landmarks: [68, 2], x and y in pixels.
    Returns: float64 [4, 2]: upper left, lower left, lower right, upper right corner, as seen in the crop.
    Raises: UserError if the points don't make a face.
    """
    left_eye, right_eye = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    eyes, between = (left_eye + right_eye) / 2, right_eye - left_eye
    to_mouth = landmarks[list(MOUTH)].mean(axis=0) - eyes
    right = between + np.array([to_mouth[1], -to_mouth[0]])  # eyes' direction and the mouth's turned by a quarter
    length = np.hypot(*right)
    if length < 1e-6:
        raise UserError('the landmarks are not those of a face')
    right *= max(2.0 * np.hypot(*between), 1.8 * np.hypot(*to_mouth)) / length  # half a side
    down = np.array([-right[1], right[0]])
    center = eyes + 0.1 * to_mouth
    return np.stack([center - right - down, center - right + down, center + right + down, center + right - down])


def warp(pixels, corners, side):
    """Samples a turned square of a picture; beyond the edges the picture is mirrored.

    Args:
        pixels: uint8 [H, W, C].
        corners: As `ffhq_corners` returns them.
        side: Of the result, pixels. Where that is smaller than the square, the picture is averaged down first.
    Returns: uint8 [side, side, C].
    """
    shrink = int(np.hypot(*(corners[3] - corners[0])) / side)
    if shrink > 1:
        height, width = [max(1, size // shrink) for size in pixels.shape[:2]]
        scale = np.array([width / pixels.shape[1], height / pixels.shape[0]])
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.LANCZOS))
        corners = corners * scale
    across = ((np.arange(side) + 0.5) / side)[np.newaxis, :, np.newaxis]
    along = across.transpose(1, 0, 2)
    points = corners[0] + (corners[3] - corners[0]) * across + (corners[1] - corners[0]) * along - 0.5
    return np.uint8(np.clip(np.rint(_sample(np.float32(pixels), points[..., 0], points[..., 1])), 0, 255))


def _sample(pixels, x, y):
    """Bilinear values of a picture [H, W, C] at points, mirrored at its edges."""
    total = 0.0
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            rows, columns = _mirrored(top + dy, pixels.shape[0]), _mirrored(left + dx, pixels.shape[1])
            total = total + weight[..., np.newaxis] * pixels[rows, columns]
    return total


def _mirrored(index, size):
    """Indices beyond 0 to size - 1 reflected into that range."""
    index = np.mod(index, 2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)

