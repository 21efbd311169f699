"""The stack machine of pickles, restricted to the instructions that create plain values.

Every instruction takes time and memory in proportion to its own bytes. A budget limits instructions that can refer to
the same bytes repeatedly.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, TypeAlias

from teachmatters.datasets.pickles.arrays import CALLS, MOST_WORDS, Array, Budget, Call, Type, refuse

MOST_STEPS = 2**21  # the official files need fifty thousand; a million takes a second
MOST_TIMES = 4  # an array's bytes are text first, then bytes, then a list
MOST_KEY = 2**31  # hash collisions of larger numbers can make a dict very slow


class Name(NamedTuple):
    """A name of CALLS on the stack."""

    call: Call


class Machine:
    """Interpreter of one pickle.

    Args:
        data: the pickle, of any protocol.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.budget = Budget(MOST_TIMES * len(data))

    def run(self) -> Any:
        """Run the pickle and return its value.

        Raises:
            UnpicklingError: an instruction is not allowed, or the result is too large for the file's size.
            Exception: the data are not a pickle.
        """
        for _ in range(MOST_STEPS):
            code = self.take(1)
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in STEPS:
                refuse(f"the instruction {code!r}, which no plain value needs")
            STEPS[code](self)
        raise pickle.UnpicklingError(f"more than {MOST_STEPS:,} instructions")

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise pickle.UnpicklingError("it ends too early")
        return self.data[start : self.at]

    def number(self, form: str) -> Any:
        """Return the next number, in a format of ``struct``."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Return the rest of the line."""
        return self.take(self.data.index(b"\n", self.at) + 1 - self.at)[:-1]

    def marked(self) -> list[Any]:
        """Pop and return the values since the last mark."""
        found, self.stack = self.stack, self.below.pop()
        return found

    def remember(self, place: int) -> None:
        """Store the top of the stack in the memo."""
        if not 0 <= place < len(self.data):
            refuse(f"a memo of {place} entries")
        self.memo[place] = self.stack[-1]


Step: TypeAlias = Callable[[Machine], object]


def _push(read: Callable[[Machine], Any]) -> Step:
    def step(machine: Machine) -> None:
        value = read(machine)  # first, because it may replace the stack
        machine.stack.append(value)

    return step


def _sized(form: str, made: Callable[[bytes], Any]) -> Step:
    """Make an instruction that reads bytes after their count."""
    return _push(lambda machine: made(machine.take(machine.number(form))))


def _top(count: int) -> Step:
    """Make an instruction that replaces the top values by a tuple."""

    def step(machine: Machine) -> None:
        made = tuple(machine.stack[-count:])
        if len(made) < count:
            refuse("fewer values on its stack than it takes")
        machine.stack[-count:] = [made]

    return step


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _latin(raw: bytes) -> str:
    return raw.decode("latin1")  # texts and arrays by Python 2


def _long(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _int_line(machine: Machine) -> int | bool:
    line = machine.line()
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _string_line(machine: Machine) -> str:
    quoted = machine.line()
    if len(quoted) < 2 or quoted[:1] != quoted[-1:] or quoted[:1] not in (b"'", b'"'):
        refuse("a text without quotes")
    return quoted[1:-1].decode("unicode_escape")  # latin1, with the escapes of Python 2


# ---------------------------------------------------------------- containers
def _mark(machine: Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _add(machine: Machine, values: list[Any]) -> None:
    into = machine.stack[-1]
    if type(into) is not list:
        refuse("list items for an object that is not a list")
    into.extend(values)


def _items(pairs: list[Any]) -> dict[Any, Any]:
    for key in pairs[::2]:
        if not (isinstance(key, str | bytes) or (isinstance(key, int) and abs(key) < MOST_KEY)):
            refuse(f"a key that is a {type(key).__name__} and no text or small number")
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _set(machine: Machine, pairs: list[Any]) -> None:
    into = machine.stack[-1]
    if type(into) is not dict:
        refuse("dict items for an object that is not a dict")
    into.update(_items(pairs))


def _last(machine: Machine, count: int) -> list[Any]:
    return [machine.stack.pop() for _ in range(count)][::-1]


# ---------------------------------------------------------------- names
def _name(module: str, name: str) -> Name:
    try:
        return Name(CALLS[module.replace("numpy._core", "numpy.core"), name])
    except KeyError:
        _unwelcome(f"{module}.{name}")


def _unwelcome(name: str) -> NoReturn:
    raise pickle.UnpicklingError(f"it wants to use {name[:MOST_WORDS]}")


def _global(machine: Machine) -> Name:
    return _name(_text(machine.line()), _text(machine.line()))


def _stack_global(machine: Machine) -> None:
    module, name = _last(machine, 2)
    machine.stack.append(_name(str(module), str(name)))


def _reduce(machine: Machine) -> None:
    name, arguments = _last(machine, 2)
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        refuse("a call of something that is not a function")
    machine.stack.append(name.call(machine.budget, *arguments))


def _build(machine: Machine) -> None:
    state, made = machine.stack.pop(), machine.stack[-1]
    if not isinstance(made, Array | Type) or not isinstance(state, tuple):
        refuse(f"a state for a {type(made).__name__}")
    made.build(machine.budget, state)


STEPS: Mapping[bytes, Step] = {
    pickle.PROTO: lambda machine: machine.take(1),
    pickle.FRAME: lambda machine: machine.take(8),
    pickle.NONE: _push(lambda _: None),
    pickle.NEWTRUE: _push(lambda _: True),
    pickle.NEWFALSE: _push(lambda _: False),
    pickle.INT: _push(_int_line),
    pickle.BININT: _push(lambda machine: machine.number("<i")),
    pickle.BININT1: _push(lambda machine: machine.number("<B")),
    pickle.BININT2: _push(lambda machine: machine.number("<H")),
    pickle.LONG: _push(lambda machine: int(machine.line().removesuffix(b"L"))),
    pickle.LONG1: _sized("<B", _long),
    pickle.LONG4: _sized("<I", _long),
    pickle.FLOAT: _push(lambda machine: float(machine.line())),
    pickle.BINFLOAT: _push(lambda machine: machine.number(">d")),
    pickle.STRING: _push(_string_line),
    pickle.BINSTRING: _sized("<I", _latin),
    pickle.SHORT_BINSTRING: _sized("<B", _latin),
    pickle.UNICODE: _push(lambda machine: machine.line().decode("raw-unicode-escape")),
    pickle.BINUNICODE: _sized("<I", _text),
    pickle.SHORT_BINUNICODE: _sized("<B", _text),
    pickle.BINUNICODE8: _sized("<Q", _text),
    pickle.BINBYTES: _sized("<I", bytes),
    pickle.SHORT_BINBYTES: _sized("<B", bytes),
    pickle.BINBYTES8: _sized("<Q", bytes),
    pickle.BYTEARRAY8: _sized("<Q", bytes),
    pickle.MARK: _mark,
    pickle.POP: lambda machine: machine.stack.pop() if machine.stack else machine.marked(),
    pickle.POP_MARK: Machine.marked,
    pickle.DUP: _push(lambda machine: machine.stack[-1]),
    pickle.EMPTY_LIST: _push(lambda _: []),
    pickle.LIST: _push(lambda machine: machine.marked()),
    pickle.APPEND: lambda machine: _add(machine, _last(machine, 1)),
    pickle.APPENDS: lambda machine: _add(machine, machine.marked()),
    pickle.EMPTY_DICT: _push(lambda _: {}),
    pickle.DICT: _push(lambda machine: _items(machine.marked())),
    pickle.SETITEM: lambda machine: _set(machine, _last(machine, 2)),
    pickle.SETITEMS: lambda machine: _set(machine, machine.marked()),
    pickle.EMPTY_TUPLE: _push(lambda _: ()),
    pickle.TUPLE: _push(lambda machine: tuple(machine.marked())),
    pickle.TUPLE1: _top(1),
    pickle.TUPLE2: _top(2),
    pickle.TUPLE3: _top(3),
    pickle.GET: _push(lambda machine: machine.memo[int(machine.line())]),
    pickle.BINGET: _push(lambda machine: machine.memo[machine.number("<B")]),
    pickle.LONG_BINGET: _push(lambda machine: machine.memo[machine.number("<I")]),
    pickle.PUT: lambda machine: machine.remember(int(machine.line())),
    pickle.BINPUT: lambda machine: machine.remember(machine.number("<B")),
    pickle.LONG_BINPUT: lambda machine: machine.remember(machine.number("<I")),
    pickle.MEMOIZE: lambda machine: machine.remember(len(machine.memo)),
    pickle.GLOBAL: _push(_global),
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: _reduce,
    pickle.BUILD: _build,
}
