"""The small networks of the tests of generator/."""

from tests.generator.conftest import generator, graph, networks  # noqa: F401
