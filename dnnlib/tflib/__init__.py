"""TensorFlow utilities: sessions, networks, optimizers, summaries. Importing it switches TensorFlow 2 to graph mode."""

import atexit
import gc
import os
import sys
import warnings

from dnnlib import needed
from dnnlib.run.logger import quiet_stderr

needed.check(('tensorflow',))
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # read when TensorFlow is loaded

# TensorFlow 2 loads Keras only to register optimizers that nothing here has, and SciPy and scikit-learn with it: nearly
# half of its time. It does without what cannot be imported; later, `tf.keras` is loaded as always.
_KERAS = 'keras.src.optimizers'
if _KERAS not in sys.modules:
    sys.modules[_KERAS] = None

with warnings.catch_warnings(), quiet_stderr():
    warnings.simplefilter('ignore', FutureWarning)  # TensorFlow 1.14 under a newer NumPy
    import tensorflow.compat.v1 as tf

if sys.modules[_KERAS] is None:
    del sys.modules[_KERAS]

from tensorflow.python.util import deprecation  # noqa: E402

deprecation._PRINT_DEPRECATION_WARNINGS = False  # else TensorFlow looks for them in every call, and prints none
tf.logging.set_verbosity(tf.logging.ERROR)  # TensorFlow deprecates the very switch below
tf.disable_v2_behavior()
if hasattr(gc, 'freeze'):  # Python 3.7. Graphs that are deleted as Python ends take time, and once in a while for ever
    atexit.register(gc.freeze)

from dnnlib.tflib import graph_building  # noqa: E402

graph_building.switch_on()

from dnnlib.tflib import autosummary, collectives, layout, network, optimizer, random, tfutil  # noqa: E402,F401
from dnnlib.tflib.network import Network  # noqa: E402,F401
from dnnlib.tflib.optimizer import Optimizer  # noqa: E402,F401
from dnnlib.tflib.tfutil import *  # noqa: E402,F401,F403
