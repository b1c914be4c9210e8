"""Builds the package `stylegan2`, for `pip install .` and `pip wheel .`; what pip needs to know is in setup.cfg.

All packages and programs of this folder become parts of one package, so that none of their names can meet another's:
`from training import loss` becomes `from stylegan2.training import loss`. Names in strings and files stay as they are;
`dnnlib/names.py` finds what they stand for.
"""

import ast
import fnmatch
import os
import re
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = os.path.dirname(os.path.abspath(__file__))
PACKAGE = 'stylegan2'
PROGRAMS = {'run_training': 'train', 'run_generator': 'generate', 'run_projector': 'project', 'run_metrics': 'metrics',
            'run_translator': 'translate', 'run_explorer': 'explore', 'dataset_tool': 'dataset'}
FOLDERS = ('dnnlib', 'explorer', 'export', 'generator', 'metrics', 'networks', 'projector', 'training', 'translator')
DATA = {'networks': ('cats64.pkl',), 'explorer/page': ('*.html', '*.css', '*.js', '*.svg', '*.png', '*.ico'),
        'training/data': ('cats_layers.zip',),
        'dnnlib/tflib/ops/src': ('*.cc', '*.cu', '*.h')}
STARTER = f'"""`python -m {PACKAGE}`."""\n\nfrom {PACKAGE} import main\n\nmain()\n'


def shipped():
    """{file in the package: file of this folder}, relative, with `/` between folders; nothing that only lies there."""
    found = {'__init__.py': PACKAGE + '.py', 'LICENSE': 'LICENSE', 'NOTICE': 'NOTICE'}
    found.update((name + '.py', name + '.py') for name in PROGRAMS)
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = [name for name in folders if os.path.exists(os.path.join(folder, name, '__init__.py'))
                          or os.path.relpath(os.path.join(folder, name), ROOT).replace(os.sep, '/') in DATA]
            inside = os.path.relpath(folder, ROOT).replace(os.sep, '/')
            kinds = DATA.get(inside, ()) + (() if inside == 'networks' else ('*.py',))
            found.update((f'{inside}/{name}',) * 2 for name in names if any(fnmatch.fnmatch(name, k) for k in kinds))
    return found


def rewrite(source):
    """The text of a module as a part of the package: imports, and commands in messages; lines keep their numbers."""
    own = set(FOLDERS) | set(PROGRAMS)
    lines = source.splitlines(True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.split('.')[0] in own:
            old, new = 'from ' + node.module, f'from {PACKAGE}.{node.module}'
        elif isinstance(node, ast.Import) and {alias.name.split('.')[0] for alias in node.names} & own:
            alias, name = node.names[0], node.names[0].name
            parent, _, last = f'{PACKAGE}.{name}'.rpartition('.')
            if len(node.names) > 1 or ('.' in name and not alias.asname):
                raise SyntaxError(f'import one module of ours at a time, and under a name without dots: {name}')
            old, new = 'import ' + name, f'from {parent} import {last}'
        else:
            continue
        line = lines[node.lineno - 1]
        start, rest = line[:node.col_offset], line[node.col_offset:]
        if not rest.startswith(old):
            raise SyntaxError(f'expected {old!r}, not {rest!r}')
        lines[node.lineno - 1] = start + new + rest[len(old):]
    text = re.sub(r'python -m (%s)\b' % '|'.join(FOLDERS), rf'python -m {PACKAGE}.\1', ''.join(lines))
    return re.sub(r'(python )?\b(%s)\.py\b' % '|'.join(PROGRAMS), lambda m: f'{PACKAGE} {PROGRAMS[m.group(2)]}', text)


class BuildPackage(build_py):
    """Writes the package to the folder that wheels are made of."""

    def run(self):
        """Copies all files, rewrites the modules."""
        if getattr(self, 'editable_mode', False):
            raise SystemExit('pip install -e is not supported: a checkout works without installing, see docs/api.md')
        shutil.rmtree(os.path.join(self.build_lib, PACKAGE), ignore_errors=True)  # of an older version
        for target, source in shipped().items():
            path = self._path(target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not source.endswith('.py'):
                shutil.copyfile(os.path.join(ROOT, source), path)
                continue
            with open(os.path.join(ROOT, source), encoding='utf-8') as f:
                text = rewrite(f.read())
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
        with open(self._path('__main__.py'), 'w', encoding='utf-8') as f:
            f.write(STARTER)

    def _path(self, target):
        return os.path.join(self.build_lib, PACKAGE, *target.split('/'))

    def get_outputs(self, include_bytecode=1):
        """Paths of all files that `run` writes."""
        return [self._path(target) for target in ['__main__.py'] + list(shipped())]

    def get_source_files(self):
        """What a source distribution holds besides setup.cfg and this file."""
        return sorted(shipped().values()) + ['requirements-base.txt', 'README.md', 'pyproject.toml']


def read(name):
    """Text of a file of this folder."""
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


if __name__ == '__main__':
    setup(
        version=re.search(r"^__version__ = '(.+)'$", read(PACKAGE + '.py'), re.MULTILINE).group(1),
        packages=[PACKAGE],
        cmdclass={'build_py': BuildPackage},
        # The packages that are called tensorflow, not tensorflow-cpu: next to one of the others they would break it.
        install_requires=[line for line in read('requirements-base.txt').splitlines() if not line.startswith('#')] + [
            'tensorflow==1.14.0; python_version < "3.8"', 'tensorflow>=2.12; python_version >= "3.8"'],
    )
