"""The stack machine that pickles are written for, without the instructions that could run anything of a file.

The instructions are those of Python's documentation of `pickletools`, protocols 0 to 5.
"""

import codecs
import pickle
import struct

from dnnlib.util import UserError

MAX_INSTRUCTIONS = 10 ** 6  # the published networks have fewer than 20 thousand
MAX_MARKS = 1000  # nested unfinished containers
MAX_INTEGER_BYTES = 64
MAX_LINE_BYTES = 1 << 26  # text instructions of protocol 0

_MARK = object()
_MAX_KEY = 1 << 32


def check_key(key):
    """Returns a key of a dictionary or item of a set; raises UserError for one that is costly to look up."""
    # hashing nested tuples would use up the stack of the processor; large numbers can be made to collide
    if not isinstance(key, (str, bytes, int, type(None))) or isinstance(key, int) and abs(key) >= _MAX_KEY:
        raise UserError('refused: a key of type {}'.format(type(key).__name__))
    return key


class Global:
    """Stands in for a class or function of a pickle.

    Args:
        name: Its full name, for messages.
        call: Function that makes the object from the pickled arguments, never the class itself.
    """

    def __init__(self, name, call):
        self.name, self.call = name, call


class Machine:
    """The stack, the memo and the position in one pickle."""

    def __init__(self, data, find_global, persistent_load, encoding, start=0):
        self._data, self._view, self._at = data, memoryview(data), start
        self._find_global, self._persistent_load = find_global, persistent_load
        self._encoding = encoding
        self._stack, self._marks, self._memo = [], 0, {}

    def run(self):
        """Executes instructions up to STOP."""
        for _ in range(MAX_INSTRUCTIONS):
            code = self._data[self._at:self._at + 1]
            self._at += 1
            if code == pickle.STOP:
                if len(self._stack) != 1 or self._stack[0] is _MARK:
                    raise UserError('corrupt: {} objects are left at the end'.format(len(self._stack)))
                return self._stack[0], self._at
            if code not in _INSTRUCTIONS:
                raise UserError('truncated' if not code else 'refused: instruction {!r}'.format(code))
            _INSTRUCTIONS[code](self)
        raise UserError('refused: more than {} instructions'.format(MAX_INSTRUCTIONS))

    def push(self, value):
        """Puts a value on the stack."""
        self._stack.append(value)

    def pop(self):
        """Takes a value from the stack; a mark is none."""
        value = self._stack.pop()
        if value is _MARK:
            raise UserError('corrupt: an object is missing')
        return value

    def top(self, kind):
        """The value on top of the stack, which must be a container of that type."""
        value = self._stack[-1]
        if not isinstance(value, kind):
            raise UserError('refused: items for a {}'.format(getattr(value, 'name', type(value).__name__)))
        return value

    def mark(self):
        """Begins a container."""
        self._marks += 1
        if self._marks > MAX_MARKS:
            raise UserError('refused: more than {} nested containers'.format(MAX_MARKS))
        self._stack.append(_MARK)

    def pop_items(self):
        """Takes the values down to the last mark from the stack, and the mark."""
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1:]
                del self._stack[index:]
                self._marks -= 1
                return items
        raise UserError('corrupt: a container has no start')

    def take(self, size):
        """The next bytes, as a memoryview; there must be so many."""
        if size < 0 or size > len(self._data) - self._at:
            raise UserError(f'corrupt or truncated: {size} bytes announced, {len(self._data) - self._at} left')
        self._at += size
        return self._view[self._at - size:self._at]

    def number(self, form):
        """The next number in the format of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self):
        """The next line of text without its end, bytes."""
        end = self._data.find(b'\n', self._at, self._at + MAX_LINE_BYTES)
        if end < 0:
            raise UserError('corrupt or truncated: a line does not end')
        line = self._data[self._at:end]
        self._at = end + 1
        return line

    def integer(self, text):
        """Number of a line, such as `12` or `12L`."""
        if len(text) > 2 * MAX_INTEGER_BYTES:
            raise UserError('refused: an integer of {} digits'.format(len(text)))
        return int(text.rstrip(b'L'))

    def long(self, size):
        """Number of the next bytes, two's complement."""
        if size > MAX_INTEGER_BYTES:
            raise UserError('refused: an integer of {} bytes'.format(size))
        return int.from_bytes(self.take(size), 'little', signed=True)

    def global_object(self, module, name):
        """Puts the stand-in of a global on the stack."""
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > 1000:
            raise UserError('corrupt: the name of a global is not text')
        full_name = module + '.' + name
        self.push(Global(full_name, self._find_global(full_name)))

    def reduce(self):
        """Calls the stand-in of a class or function."""
        args, target = self.pop(), self.pop()
        if not isinstance(target, Global) or not isinstance(args, tuple):
            raise UserError('refused: a call of a {}'.format(type(target).__name__))
        self.push(target.call(*args))

    def build(self):
        """Gives an object its state."""
        state, target = self.pop(), self._stack[-1]
        if not hasattr(target, 'set_state'):
            raise UserError('refused: a state for a {}'.format(
                target.name if isinstance(target, Global) else type(target).__name__))
        target.set_state(state)

    def extend(self, items):
        """Adds items to the list on top of the stack."""
        self.top(list).extend(items)

    def add_items(self, items):
        """Adds items to the set on top of the stack."""
        self.top(set).update(check_key(item) for item in items)

    def set_items(self, items):
        """Adds keys and values in turn to the dictionary on top of the stack."""
        target = self.top(dict)
        if len(items) % 2:
            raise UserError('corrupt: a key has no value')
        for key, value in zip(items[::2], items[1::2]):
            target[check_key(key)] = value

    def remember(self, key):
        """Keeps the top of the stack under a number."""
        if not self._stack or self._stack[-1] is _MARK or abs(key) >= _MAX_KEY:
            raise UserError('corrupt: nothing to remember')
        self._memo[key] = self._stack[-1]

    def recall(self, key):
        """Puts what was kept under a number on the stack."""
        if key not in self._memo:
            raise UserError('corrupt: object {} is missing'.format(key))
        self._stack.append(self._memo[key])

    def text(self, size):
        """The next bytes as a text of Python 3."""
        self.push(str(self.take(size), 'utf-8', 'surrogatepass'))

    def old_text(self, size):
        """The next bytes as a text of Python 2."""
        self.push(str(self.take(size), self._encoding))

    def data(self, size):
        """The next bytes, copied if they are short."""
        data = self.take(size)
        self.push(bytes(data) if size < 256 else data)

    def references(self, pid):
        """Puts an object that is outside of the pickle on the stack."""
        if self._persistent_load is None:
            raise UserError('refused: the file refers to an object outside of it ({})'.format(type(pid).__name__))
        self.push(self._persistent_load(pid))

    def quoted(self):
        """A line with the escapes of Python 2."""
        line = self.line().strip()
        if len(line) < 2 or line[:1] not in (b'"', b"'") or line[:1] != line[-1:]:
            raise UserError('corrupt: a text without quotes')
        self.push(str(codecs.escape_decode(line[1:-1])[0], self._encoding))

    def protocol(self):
        """Checks the version of the format."""
        if self.number('<B') > 5:
            raise UserError('refused: a pickle of protocol {}, at most 5 is known'.format(self._data[self._at - 1]))

    def bool_or_integer(self):
        """A line of protocol 0: 00 and 01 are no numbers."""
        line = self.line()
        self.push({b'00': False, b'01': True}[line] if line in (b'00', b'01') else self.integer(line))


def _tuple_of(count):
    def instruction(m):
        items = [m.pop() for _ in range(count)]
        m.push(tuple(reversed(items)))
    return instruction


def _dict(m):
    items = m.pop_items()
    m.push({})
    m.set_items(items)


def _stack_global(m):
    name, module = m.pop(), m.pop()
    m.global_object(module, name)


_INSTRUCTIONS = {
    pickle.PROTO: lambda m: m.protocol(),
    pickle.FRAME: lambda m: m.number('<Q'),  # only a hint for buffering
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.INT: lambda m: m.bool_or_integer(),
    pickle.LONG: lambda m: m.push(m.integer(m.line())),
    pickle.BININT: lambda m: m.push(m.number('<i')),
    pickle.BININT1: lambda m: m.push(m.number('<B')),
    pickle.BININT2: lambda m: m.push(m.number('<H')),
    pickle.LONG1: lambda m: m.push(m.long(m.number('<B'))),
    pickle.LONG4: lambda m: m.push(m.long(m.number('<i'))),
    pickle.FLOAT: lambda m: m.push(float(m.line())),
    pickle.BINFLOAT: lambda m: m.push(m.number('>d')),
    pickle.STRING: lambda m: m.quoted(),
    pickle.BINSTRING: lambda m: m.old_text(m.number('<i')),
    pickle.SHORT_BINSTRING: lambda m: m.old_text(m.number('<B')),
    pickle.UNICODE: lambda m: m.push(str(m.line(), 'raw-unicode-escape')),
    pickle.BINUNICODE: lambda m: m.text(m.number('<I')),
    pickle.SHORT_BINUNICODE: lambda m: m.text(m.number('<B')),
    pickle.BINUNICODE8: lambda m: m.text(m.number('<Q')),
    pickle.BINBYTES: lambda m: m.data(m.number('<I')),
    pickle.SHORT_BINBYTES: lambda m: m.data(m.number('<B')),
    pickle.BINBYTES8: lambda m: m.data(m.number('<Q')),
    b'\x96': lambda m: m.data(m.number('<Q')),  # BYTEARRAY8 of protocol 5
    pickle.MARK: lambda m: m.mark(),
    pickle.POP: lambda m: m.pop(),
    pickle.POP_MARK: lambda m: m.pop_items(),
    pickle.DUP: lambda m: m.push(m._stack[-1]),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE: lambda m: m.push(tuple(m.pop_items())),
    pickle.TUPLE1: _tuple_of(1),
    pickle.TUPLE2: _tuple_of(2),
    pickle.TUPLE3: _tuple_of(3),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.LIST: lambda m: m.push(m.pop_items()),
    pickle.APPEND: lambda m: m.extend([m.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.pop_items()),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.EMPTY_SET: lambda m: m.push(set()),
    pickle.ADDITEMS: lambda m: m.add_items(m.pop_items()),
    pickle.DICT: _dict,
    pickle.SETITEM: lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    pickle.SETITEMS: lambda m: m.set_items(m.pop_items()),
    pickle.GET: lambda m: m.recall(m.integer(m.line())),
    pickle.BINGET: lambda m: m.recall(m.number('<B')),
    pickle.LONG_BINGET: lambda m: m.recall(m.number('<I')),
    pickle.PUT: lambda m: m.remember(m.integer(m.line())),
    pickle.BINPUT: lambda m: m.remember(m.number('<B')),
    pickle.LONG_BINPUT: lambda m: m.remember(m.number('<I')),
    pickle.MEMOIZE: lambda m: m.remember(len(m._memo)),
    pickle.GLOBAL: lambda m: m.global_object(str(m.line(), 'utf-8'), str(m.line(), 'utf-8')),
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: lambda m: m.reduce(),
    pickle.NEWOBJ: lambda m: m.reduce(),  # a new object and a call are the same to a stand-in
    pickle.BUILD: lambda m: m.build(),
    pickle.BINPERSID: lambda m: m.references(m.pop()),
}
