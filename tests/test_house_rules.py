"""The walls of the house, checked on the syntax trees alone: nothing is imported, so this runs in a second.

Direction of imports, sizes of modules and functions, the oldest syntax and library we support, names that are gone from
TensorFlow and NumPy, one unpickler, no evaluated code, docstrings, and no trace of a machine in a committed file.
"""

import ast
import collections
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ('dnnlib', 'training', 'metrics', 'generator', 'projector', 'export', 'translator', 'explorer', 'benchmarks',
            'tests')
MAY_IMPORT = {  # room -> rooms below it; entry points may import all but tests
    'dnnlib': (),
    'training': ('dnnlib',),
    'metrics': ('dnnlib', 'training'),
    'generator': ('dnnlib', 'training', 'metrics'),
    'projector': ('dnnlib', 'training', 'metrics', 'generator'),
    'translator': ('dnnlib', 'training', 'metrics', 'generator', 'projector'),
    'export': ('dnnlib', 'training', 'metrics', 'generator', 'translator'),
    'explorer': ('dnnlib', 'training', 'metrics', 'generator', 'projector', 'translator'),
    'benchmarks': ('dnnlib', 'training', 'metrics', 'projector', 'generator', 'export', 'translator', 'explorer'),
    'tests': PACKAGES,
}
TRAINING_ROOMS = collections.OrderedDict([  # room of training/ -> rooms that it may import: earlier ones only
    ('image_size', ()),
    ('rates', ()),
    ('schedule', ('rates',)),
    ('loss_names', ()),
    ('plot', ()),
    ('fields', ()),
    ('workers', ()),
    ('blocks', ('image_size',)),
    ('networks_*', ('image_size', 'blocks')),
    ('networks', ('image_size', 'blocks', 'networks_*')),
    ('torch_files', ('image_size',)),
    ('state/files', ()),
    ('state/network_files', ('state/files',)),
    ('pretrained', ('networks', 'state/network_files', 'torch_files')),
    ('data', ('image_size',)),
    ('dataset', ('image_size', 'data')),
    ('data/translation', ('data', 'dataset')),
    ('data/making', ('image_size', 'data', 'data/translation')),
    ('data/streams', ('data', 'dataset', 'data/translation')),
    ('terms', ()),
    ('loss', ('terms',)),
    ('adversarial', ('terms', 'loss', 'loss_names')),
    ('state', ('image_size', 'pretrained', 'state/files', 'state/network_files')),
    ('report', ('state/network_files', 'data', 'data/streams')),
    ('train_step', ('fields', 'state')),
    ('iteration', ('train_step',)),
    ('augment', ()),
    ('methods', ('image_size', 'loss_names', 'adversarial', 'blocks', 'networks', 'terms', 'report', 'train_step',
                 'augment')),
    ('misc', ('pretrained', 'report')),
    ('training_loop', ('schedule', 'data', 'dataset', 'data/streams', 'state', 'state/files', 'report', 'train_step',
                       'iteration', 'methods', 'misc', 'workers')),
    ('options', ('image_size', 'rates', 'schedule', 'loss_names', 'pretrained', 'data', 'dataset', 'data/translation',
                 'data/streams', 'terms', 'loss', 'state', 'state/files', 'state/network_files', 'report', 'train_step',
                 'iteration', 'methods', 'training_loop')),
])
MODULE_LINES, NETWORK_LINES, FUNCTION_LINES, ARGUMENTS = 300, 500, 60, 8
PUBLISHED_SIGNATURES = {  # more than 8 arguments, as in the original release
    'dnnlib/tflib/network.py:Network.run', 'dnnlib/tflib/optimizer.py:Optimizer.__init__',
    'dnnlib/tflib/ops/upfirdn_2d.py:upfirdn_2d', 'training/data/base.py:Dataset.__init__',
    'training/dataset.py:TFRecordDataset.__init__', 'training/loss.py:G_logistic_ns_pathreg',
    'training/loss.py:D_wgan_gp', 'training/loss.py:G_compared',
    'training/loss.py:D_compared', 'training/schedule.py:training_schedule',
    'training/schedule.py:translation_schedule', 'training/training_loop.py:training_loop',
}


def python_files():
    """All our Python files, relative to the project, with `/` between folders."""
    found = [name for name in os.listdir(ROOT) if name.endswith('.py')]
    for package in PACKAGES:
        for folder, folders, names in os.walk(os.path.join(ROOT, package)):
            folders[:] = [name for name in folders if name != '__pycache__']
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith('.py')]
    return sorted(name.replace(os.sep, '/') for name in found)


FILES = python_files()
TREES = {}
for _name in FILES:
    with open(os.path.join(ROOT, _name), encoding='utf-8') as _file:
        TREES[_name] = ast.parse(_file.read(), _name)
CODE = [name for name in FILES if not name.startswith('tests/')]  # the tests look for some of the forbidden things


def lines_of(name):
    """Lines of a file."""
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read().splitlines()


def imported(name):
    """(module, line) of every import, relative ones resolved."""
    package = name.split('/')[:-1]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = '.'.join(base + ([node.module] if node.module else []))
            yield module, node.lineno
            for alias in node.names:
                yield module + '.' + alias.name, node.lineno


def dotted(node):
    """'a.b.c' of a name or attribute node, else ''."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base + '.' + node.attr if base else ''
    return ''


def functions(tree, prefix=''):
    """(qualified name, node, is a method) of every function, nested ones included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node, isinstance(tree, ast.ClassDef)
            for item in functions(node, prefix + node.name + '.'):
                yield item
        else:
            inner = prefix + node.name + '.' if isinstance(node, ast.ClassDef) else prefix
            for item in functions(node, inner):
                yield item


def last_line(node):
    """Last line of a node, also under Python 3.6 and 3.7, which do not store it (there: of its last statement)."""
    return max(getattr(child, 'end_lineno', None) or getattr(child, 'lineno', 0) for child in ast.walk(node))


def body_lines(node):
    """Lines of a function without its signature and its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return last_line(node) - body[0].lineno + 1 if body else 0


def assert_none(violations):
    """Fails with one violation per line."""
    assert not violations, '\n' + '\n'.join(violations)


def test_files_are_found():
    assert len(CODE) > 20 and 'dnnlib/util.py' in FILES


def test_imports_point_down():
    bad = []
    for name in FILES:
        room = name.split('/')[0] if '/' in name else None
        allowed = PACKAGES[:-1] if room is None else MAY_IMPORT[room] + (room,)
        for module, line in imported(name):
            target = module.split('.')[0]
            entry_point = target + '.py' in FILES and target != 'environments'
            uses_programs = room in (None, 'tests', 'benchmarks')
            if (target in PACKAGES and target not in allowed) or (entry_point and not uses_programs):
                bad.append('%s:%d imports %s' % (name, line, module))
    assert_none(bad)


def test_rooms_of_dnnlib():
    bad = []
    for name in FILES:
        for module, line in imported(name):
            wrong = False
            if name.startswith('dnnlib/tflib/ops/'):  # ops know no network, no optimizer
                wrong = re.match(r'dnnlib\.tflib\.(network|optimizer|autosummary|tfutil)', module)
            elif name.startswith('dnnlib/') and not name.startswith('dnnlib/tflib/'):  # it must load before TensorFlow
                wrong = module.split('.')[0] == 'tensorflow'
            if wrong:
                bad.append('%s:%d imports %s' % (name, line, module))
    assert_none(bad)


def training_room(path):
    """Room of a path in `training/` without '.py': a key of TRAINING_ROOMS, 'training' for the package itself."""
    parts = path.split('/')[1:]
    for room in ('/'.join(parts[:2]), parts[0] if parts else 'training'):
        if room in TRAINING_ROOMS:
            return room
    return 'networks_*' if parts[0].startswith('networks_') else parts[0].replace('__init__', 'training')


def modules_of(name):
    """Paths without '.py' of the modules of `training/` that a file imports, with the line of the import.

    A package is none of them where only modules in it are imported.
    """
    found = list(imported(name))
    for module, line in found:
        if any(other.startswith(module + '.') and other.replace('.', '/') + '.py' in FILES
               for other, other_line in found if other_line == line):
            continue
        path = module.replace('.', '/')
        while path.startswith('training') and path + '.py' not in FILES and path + '/__init__.py' not in FILES:
            path = os.path.dirname(path)  # the name of a function or class
        if path.startswith('training/'):
            yield path, line


def test_rooms_of_training_import_the_rooms_below_them_only():
    bad = []
    for name in (name for name in FILES if name.startswith('training/')):
        room = training_room(name[:-len('.py')])
        if room not in TRAINING_ROOMS and room != 'training':
            bad.append('%s: which rooms may %s import? See TRAINING_ROOMS' % (name, room))
            continue
        allowed = TRAINING_ROOMS.get(room, ()) + (room,)
        bad += ['%s:%d imports %s, which is not below %s' % (name, line, path, room)
                for path, line in modules_of(name) if training_room(path) not in allowed]
    assert_none(bad)


def test_the_rooms_of_training_are_floors():
    rooms = list(TRAINING_ROOMS)
    assert_none(['%s does not stand above %s' % (room, below) for i, room in enumerate(rooms)
                 for below in TRAINING_ROOMS[room] if below not in rooms[:i]])


def test_entry_points_do_not_import_tensorflow_at_the_top():
    bad = []
    for name in (n for n in CODE if '/' not in n):
        for node in TREES[name].body:
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module] + ['%s.%s' % (node.module, alias.name) for alias in node.names]
            if any(m.split('.')[0] == 'tensorflow' or m.startswith('dnnlib.tflib') for m in modules):
                bad.append('%s:%d: import TensorFlow after the options are checked' % (name, node.lineno))
    assert_none(bad)


def test_modules_are_small():
    bad = []
    for name in FILES:
        limit = NETWORK_LINES if name.startswith(('training/networks_', 'tests/')) else MODULE_LINES
        count = len(lines_of(name))
        if count > limit:
            bad.append('%s: %d lines, at most %d' % (name, count, limit))
    assert_none(bad)


def test_functions_are_small():
    bad = []
    for name in FILES:
        for function, node, _ in functions(TREES[name]):
            count = body_lines(node)
            if count > FUNCTION_LINES and not is_build_function(name, function):
                bad.append('%s:%d %s: %d lines without signature and docstring, at most %d'
                           % (name, node.lineno, function, count, FUNCTION_LINES))
    assert_none(bad)


def is_build_function(name, function):
    """Is this one of the network build functions, whose options are one argument a line with a comment?"""
    return name.startswith(('training/networks_', 'training/networks/')) and re.match(
        r'[DEFGH]_\w+$', function) is not None


def test_functions_take_few_arguments():
    bad = []
    for name in CODE:
        for function, node, is_method in functions(TREES[name]):
            count = len(node.args.args) + len(node.args.kwonlyargs) - int(is_method)
            published = '%s:%s' % (name, function) in PUBLISHED_SIGNATURES
            if count > ARGUMENTS and not published and not is_build_function(name, function):
                bad.append('%s:%d %s: %d arguments, at most %d' % (name, node.lineno, function, count, ARGUMENTS))
    assert_none(bad)


def test_public_functions_have_docstrings():
    bad = []
    for name in CODE:
        if ast.get_docstring(TREES[name]) is None and lines_of(name):
            bad.append('%s: no module docstring' % name)
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.ClassDef) and not node.name.startswith('_') and ast.get_docstring(node) is None:
                bad.append('%s:%d class %s: no docstring' % (name, node.lineno, node.name))
        for function, node, _ in functions(TREES[name]):
            parts = function.split('.')
            nested = any(parent in [f for f, _, m in functions(TREES[name])]
                         for parent in ('.'.join(parts[:i]) for i in range(1, len(parts))))
            private = any(part.startswith('_') for part in parts)
            if not private and not nested and ast.get_docstring(node) is None:
                bad.append('%s:%d %s: no docstring' % (name, node.lineno, function))
    assert_none(bad)


NEW_NODES = {'NamedExpr': ':= (3.8)', 'Match': 'match (3.10)', 'TryStar': 'except* (3.11)', 'TypeAlias': 'type (3.12)'}
NEW_MODULES = {'dataclasses', 'contextvars', 'importlib.resources', 'importlib.metadata', 'zoneinfo', 'tomllib',
               'graphlib', '__future__.annotations', 'contextlib.nullcontext', 'functools.cached_property',
               'functools.cache', 'math.prod', 'typing.Literal', 'typing.Protocol', 'typing.Final',
               'typing.TypedDict', 'shlex.join'}
GONE_MODULES = {'distutils', 'imp', 'asynchat', 'asyncore', 'pkg_resources', 'cgi', 'crypt', 'imghdr', 'pipes'}
NEW_KEYWORDS = {'capture_output': 'run', 'text': 'run|Popen|check_output', 'dirs_exist_ok': 'copytree',
                'missing_ok': 'unlink', 'required': 'add_subparsers', 'strict': 'zip',
                'exit_on_error': 'ArgumentParser'}
NEW_ATTRIBUTES = {'removeprefix', 'removesuffix', 'time_ns', 'fromisoformat', 'BooleanOptionalAction', 'is_relative_to'}


def syntax_violations(name):
    """Constructs and library calls that Python 3.6 lacks, or 3.12 and later have dropped."""
    for node in ast.walk(TREES[name]):
        kind = type(node).__name__
        if kind in NEW_NODES:
            yield node.lineno, NEW_NODES[kind]
        if getattr(getattr(node, 'args', None), 'posonlyargs', None):
            yield node.lineno, 'positional-only arguments (3.8)'
        if isinstance(node, ast.Call):
            function = dotted(node.func).split('.')[-1]
            for keyword in node.keywords:
                if keyword.arg in NEW_KEYWORDS and re.match('(%s)$' % NEW_KEYWORDS[keyword.arg], function):
                    yield node.lineno, '%s(%s=)' % (function, keyword.arg)
        if isinstance(node, ast.Attribute) and (node.attr in NEW_ATTRIBUTES or dotted(node) in NEW_MODULES):
            yield node.lineno, dotted(node) or node.attr
        for annotation in (getattr(node, 'annotation', None), getattr(node, 'returns', None)):
            for inner in ast.walk(annotation) if annotation is not None else ():
                if isinstance(inner, ast.BinOp):
                    yield inner.lineno, 'X | Y as a type (3.10)'
                if isinstance(inner, ast.Subscript) and dotted(inner.value) in ('list', 'dict', 'tuple', 'set', 'type'):
                    yield inner.lineno, '%s[...] as a type (3.9)' % dotted(inner.value)


def test_oldest_python():
    bad = ['%s:%d %s' % ((name,) + item) for name in FILES for item in syntax_violations(name)]
    for name in FILES:
        for module, line in imported(name):
            if module in NEW_MODULES | GONE_MODULES or module.split('.')[0] in GONE_MODULES:
                bad.append('%s:%d imports %s' % (name, line, module))
        for number, line in enumerate(lines_of(name), 1):
            if re.search(r'\bf[\'"][^\'"]*\{\w+=\}', line):
                bad.append('%s:%d {name=} in an f-string (3.8)' % (name, number))
    assert_none(bad)


GONE_FROM_TENSORFLOW = r'tf\.(contrib|layers|keras|estimator|compat\.v1)(\.|$)'
GONE_FROM_NUMPY = (r'np\.(float|int|bool|object|str|complex|long|unicode|float_|complex_|NaN|NAN|Inf|Infinity|infty|'
                   r'PINF|NINF|product|cumproduct|sometrue|alltrue|asscalar|cast|find_common_type|in1d|trapz|row_stack|'
                   r'fromstring|msort)$')


def test_names_that_are_gone():
    bad = []
    for name in FILES:
        for node in ast.walk(TREES[name]):
            path = dotted(node)
            if re.match(GONE_FROM_TENSORFLOW, path) or re.match(GONE_FROM_NUMPY, path) or path == 'Image.ANTIALIAS':
                bad.append('%s:%d %s' % (name, node.lineno, path))
    assert_none(bad)


def test_tensorflow_is_imported_as_compat_v1():
    bad = []
    for name in FILES:
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    right = (alias.name, alias.asname) == ('tensorflow.compat.v1', 'tf')
                    if alias.name.startswith('tensorflow') and not right:
                        bad.append('%s:%d import %s as %s' % (name, node.lineno, alias.name, alias.asname))
            elif isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'tensorflow':
                if not node.module.startswith(('tensorflow.python.', 'tensorflow.core.')):
                    bad.append('%s:%d from %s' % (name, node.lineno, node.module))
    assert_none(bad)


def test_one_switch_to_version_1_behavior():
    users = [name for name in CODE for node in ast.walk(TREES[name]) if dotted(node) == 'tf.disable_v2_behavior']
    assert users == ['dnnlib/tflib/__init__.py']


def test_pickles_are_read_by_our_own_reader_only():
    bad = []
    for name in CODE:
        for node in ast.walk(TREES[name]):
            if re.match(r'(pickle|_pickle|cPickle|dill|joblib|marshal|shelve)\.(loads?|_loads?|_?Unpickler|open)$',
                        dotted(node)):
                bad.append('%s:%d %s: dnnlib.files.safe_pickle reads pickles' % (name, node.lineno, dotted(node)))
            if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] in ('pickle', 'dill', 'shelve'):
                bad.append('%s:%d from %s' % (name, node.lineno, node.module))
            if isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
                if getattr(node.value, 'value', None) is not False:
                    bad.append('%s: allow_pickle=' % name)
    assert_none(bad)


def test_no_evaluated_code():
    bad = []
    for name in CODE:
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.Call):
                called = dotted(node.func)
                if called in ('eval', 'exec', 'compile', 'globals', '__import__', 'os.system', 'os.popen'):
                    bad.append('%s:%d %s' % (name, node.lineno, called))
                for keyword in node.keywords:
                    if keyword.arg == 'shell' and getattr(keyword.value, 'value', None) is not False:
                        bad.append('%s:%d shell=' % (name, node.lineno))
    assert_none(bad)


def test_no_bare_except_and_nothing_unfinished():
    bad = []
    words = re.compile('|'.join(('TO' + 'DO', 'FIX' + 'ME', 'X' * 3)))
    for name in FILES:
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                bad.append('%s:%d bare except' % (name, node.lineno))
            if dotted(node) == 'NotImplementedError':
                bad.append('%s:%d NotImplementedError' % (name, node.lineno))
        for number, line in enumerate(lines_of(name), 1):
            if words.search(line) or re.match(r'\s*#\s*[-=#*]{4,}', line):
                bad.append('%s:%d %s' % (name, number, line.strip()))
    assert_none(bad)


TEXT = re.compile(r'(Makefile|Dockerfile|NOTICE|run|\.(py|md|txt|toml|cfg|yml|json|csv|log|gitignore|dockerignore))$')
FOREIGN = re.compile('|'.join((
    r'(?<![\w.])/(work|root|opt/pypi|tmp/w)\b/?(?!\w)', r'\b[A-Z]:\\Users', r'/home/(?!stylegan2)\w+', r'/Users/\w+',
    'py' + r'pi\.org', r'python' + r'hosted\.org', r'deb\.' + r'debian\.org', r'registry\.' + r'npmjs')))


def test_no_trace_of_a_machine():
    skipped = ('.git', '.venv', 'build', '__pycache__', '.stylegan2-cache', 'results', 'datasets', '.pytest_cache')
    bad = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in skipped]
        for name in (n for n in names if TEXT.search(n)):
            path = os.path.relpath(os.path.join(folder, name), ROOT).replace(os.sep, '/')
            if path == 'tests/test_house_rules.py':
                continue
            bad += ['%s:%d %s' % (path, number, line.strip())
                    for number, line in enumerate(lines_of(path), 1) if FOREIGN.search(line)]
    assert_none(bad)


AMERICAN = re.compile('|'.join((  # what an American would not write
    r'colour', r'\bgrey', r'GREY_', r'\bcentre', r'neighbour', r'behaviour', r'favour', r'licence', r'labelled',
    r'modelling', r'(?<!->Is)cancelled', r'catalogue', r'\btowards\b',
    r'(regular|normal|initial|optim|equal|serial|vector|factor|synchron|recogn|organ|summar|minim|maxim|quant|discret|'
    r'general|parallel|special)is(e|ed|es|ing|ation|er)s?\b',
    r'\bdata[ -]sets?\b', r'\banew\b', r'\bto be had\b', r'can(not)? be had\b', r'give (them|it) away\b',
    r'\btwice there\b', r'has another checksum', r'no value yet and were not asked')), re.IGNORECASE)
QUOTES = ('tests/',)  # of data and of messages of other programs


def test_spelling_is_american():
    bad = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name[0] != '.' and name not in ('results', 'datasets', 'build')]
        for name in (n for n in names if n.endswith(('.py', '.md', '.txt', '.cc', '.h', '.cu'))):
            path = os.path.relpath(os.path.join(folder, name), ROOT).replace(os.sep, '/')
            quotes = path in ('tests/test_house_rules.py', 'training/data/making/cats_layers.py')  # what is in a zip
            if not quotes and not path.startswith(QUOTES):
                bad += ['%s:%d %s' % (path, number, line.strip())
                        for number, line in enumerate(lines_of(path), 1) if AMERICAN.search(line)]
    assert_none(bad)


def test_packages_are_packages():
    folders = {name.rsplit('/', 1)[0] for name in FILES if '/' in name and not name.startswith('benchmarks/')}
    assert_none(['%s: no __init__.py' % folder for folder in sorted(folders) if folder + '/__init__.py' not in FILES])


@pytest.mark.parametrize('source, message', [
    ('def f(x):\n    return [y := x]\n', ':='),
    ('import subprocess\nsubprocess.run([], text=True)\n', 'text='),
    ('def f(x: list[int]): pass\n', 'list['),
])
def test_the_checks_can_fail(source, message, monkeypatch):
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return  # this Python does not know the construct: that finds it as well
    monkeypatch.setitem(TREES, 'sample.py', tree)
    assert any(message in text for _, text in syntax_violations('sample.py'))
