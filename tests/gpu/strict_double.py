"""A stand-in for CuPy that computes with NumPy and forgives less: ``minisparse.use(strict_double.cupy)``.

It has the names and keywords of the recorded CuPy and no others. It refuses NumPy arrays and lists as operands and
implicit conversion, as CuPy does, and also what CuPy lets pass and gets wrong: an index out of range, a place named
twice in an assignment, an in-place operation between overlapping views, memory read before it was written (it is nan).
Every move between host and device is counted.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import operator
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SURFACE = json.loads(Path(__file__).with_name("cupy_surface.json").read_text(encoding="utf-8"))
CREATORS = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
SEQUENCES_OF_ARRAYS = ("tup", "arrays")
"""Parameters that take a list or tuple of arrays."""
SETTINGS = frozenset(
    (
        "axes",
        "axis",
        "destination",
        "dims",
        "dtype",
        "newshape",
        "pad_width",
        "reps",
        "shape",
        "shift",
        "size",
        "source",
        "strides",
    )
)
"""Parameters where a list or tuple of numbers is no operand."""
WAITS = frozenset(
    ("argwhere", "compress", "dump", "dumps", "extract", "flatnonzero", "nonzero", "tobytes", "tofile", "unique")
)
"""Functions that bring numbers to the host, be it only the size of their result."""
NUMBER_IN_NUMPY = ("allclose", "array_equal", "array_equiv", "count_nonzero")
"""Functions that give a Python number in NumPy and an array in CuPy."""
TYPES = (np.generic, np.dtype, np.finfo, np.iinfo)
ONLY_SHAPES = (np.shape, np.ndim)
"""NumPy functions that answer for a device array without reading it."""

transfers: Counter[str] = Counter()


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the moves "to_host" and "to_device" inside a ``with`` block."""
    before, moved = transfers.copy(), Counter()
    yield moved
    moved.update({way: transfers[way] - before[way] for way in ("to_host", "to_device")})


class _Flags:
    """What a CuPy array says of its layout; nothing can be set, and there is no ``writeable``."""

    def __init__(self, flags: Any):
        self.__dict__.update({name: getattr(flags, name) for name in ("c_contiguous", "f_contiguous", "owndata")})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"flag {name!r} of a CuPy array cannot be set")

    def __getitem__(self, name: str) -> bool:
        return getattr(self, name.lower())


class ndarray:
    """An array that only its own methods and this module's functions can work with."""

    __slots__ = ("_a",)
    __hash__ = None
    __array_ufunc__ = None

    def __init__(self, *args: object):
        raise TypeError("make arrays with asarray, zeros, ...")

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise TypeError("implicit conversion to a NumPy array is not allowed; use .get()")

    def __array_function__(self, function: Callable, kinds: object, args: tuple, kwargs: dict) -> Any:
        if function in ONLY_SHAPES:
            return function(*[x._a if isinstance(x, ndarray) else x for x in args])
        raise TypeError(f"numpy.{function.__name__} was called on a device array; use the array's own module")

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: _Flags(self._a.flags))
    T = property(lambda self: _wrap(self._a.T))
    mT = property(lambda self: _wrap(self._a.mT))

    def get(self) -> np.ndarray:
        return self._on_host().copy()

    def item(self) -> Any:
        return self._on_host().item()

    def tolist(self) -> list:
        return self._on_host().tolist()

    def _on_host(self) -> np.ndarray:
        transfers["to_host"] += 1
        return self._a

    def __float__(self) -> float:
        return float(self._on_host())

    def __int__(self) -> int:
        return int(self._on_host())

    def __bool__(self) -> bool:
        return bool(self._on_host())

    def __repr__(self) -> str:
        return f"device {self._on_host()!r}"

    def __format__(self, spec: str) -> str:
        return format(self._on_host(), spec)

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator[ndarray]:
        if self.ndim < 2:
            raise TypeError("a loop over numbers starts the GPU for each of them; write one operation on the array")
        return (_wrap(part) for part in self._a)

    def __getitem__(self, key: Any) -> ndarray:
        key, by_mask = _key(key)
        transfers["to_host"] += by_mask
        return _wrap(self._a[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        (key, by_mask), source = _key(key), _operand(value)
        if isinstance(source, np.ndarray):
            transfers["to_host"] += by_mask
            if any(isinstance(part, np.ndarray) for part in key):
                _refuse_repeats(self.shape, key)
            else:
                _refuse_race(self._a[key], source)
        self._a[key] = source


def _wrap(result: Any) -> Any:
    """Put NumPy's result on the device; what is no array stays as it is."""
    if isinstance(result, (tuple, list)):
        return tuple(map(_wrap, result))
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    array = object.__new__(ndarray)
    array._a = np.asarray(result)
    return array


def _key(key: Any) -> tuple[tuple, bool]:
    """Return NumPy's index for a view or copy that is always an array, and whether a mask decides its size."""
    parts = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (list, np.ndarray)):
            raise TypeError(f"the index is a {type(part).__name__}, but the array is on the device; use asarray")
        parts.append(part._a if isinstance(part, ndarray) else part)
    by_mask = any(isinstance(part, np.ndarray) and part.dtype == bool for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    return tuple(parts), by_mask


def _operand(x: Any) -> Any:
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, (bool, int, float, complex, np.generic)):
        return x
    raise TypeError(f"unsupported operand of type {type(x).__module__}.{type(x).__name__} beside a device array")


def _refuse_repeats(shape: tuple, key: tuple) -> None:
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[key]
    if np.unique(places).size < places.size:
        raise ValueError("the index names a place twice; which value stays there is undefined on a GPU")


def _refuse_race(target: np.ndarray, *sources: Any) -> None:
    """A thread may read what another has already overwritten, unless each reads just the place it writes."""
    for source in sources:
        if isinstance(source, np.ndarray) and np.shares_memory(target, source):
            here, there = ((a.ctypes.data, a.shape, a.strides) for a in (target, source))
            if here != there:
                raise ValueError("source and target overlap in memory; copy the source first")


def _operator(function: Callable) -> Callable:
    return lambda self, *other: _wrap(function(self._a, *map(_operand, other)))


def _reflected(function: Callable) -> Callable:
    return lambda self, other: _wrap(function(_operand(other), self._a))


def _in_place(function: Callable) -> Callable:
    def method(self: ndarray, other: Any) -> ndarray:
        other = _operand(other)
        _refuse_race(self._a, other)
        function(self._a, other)
        return self

    return method


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift", "matmul")
for _name in (*BINARY, "lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{_name}__", _operator(getattr(operator, f"__{_name}__")))
for _name in BINARY:
    setattr(ndarray, f"__r{_name}__", _reflected(getattr(operator, f"__{_name}__")))
for _name in BINARY[:-1]:  # CuPy has no __imatmul__
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"__i{_name}__")))


def _signature(spelling: str) -> inspect.Signature:
    """Read a recorded line of parameter names (CuPy's defaults are NumPy's, so none is kept)."""
    kind, parameters = inspect.Parameter.POSITIONAL_OR_KEYWORD, []
    for word in spelling.split():
        if word.startswith("**"):
            parameters.append(inspect.Parameter(word[2:], inspect.Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            kind = inspect.Parameter.KEYWORD_ONLY
            if word != "*":
                parameters.append(inspect.Parameter(word[1:], inspect.Parameter.VAR_POSITIONAL))
        else:
            parameters.append(inspect.Parameter(word, kind, default=None))
    return inspect.Signature(parameters)


def _unwrap(parameter: str, value: Any) -> Any:
    """Return NumPy's form of an argument, if CuPy takes it there."""
    if isinstance(value, ndarray):
        if parameter == "repeats":
            raise TypeError("an array of repeats makes CuPy wait for the GPU; repeat on the host")
        return value._a
    if isinstance(value, (list, tuple)) and parameter in SEQUENCES_OF_ARRAYS:
        return [_unwrap(parameter, part) for part in value]
    if isinstance(value, np.ndarray) or (isinstance(value, (list, tuple)) and parameter not in SETTINGS):
        raise TypeError(f"{parameter} is a {type(value).__module__}.{type(value).__name__}, not a device array")
    return value


def _checked(name: str, spelling: str, function: Callable) -> Callable:
    """Give a NumPy function CuPy's parameters; device arrays go in and come out."""
    signature = _signature(spelling)
    names = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        host_args = [_unwrap(names[min(i, len(names) - 1)], value) for i, value in enumerate(args)]
        host_kwargs = {key: _unwrap(key, value) for key, value in kwargs.items()}
        out = kwargs.get("out")
        if out is not None:
            _refuse_race(out._a, *host_args, *(value for key, value in host_kwargs.items() if key != "out"))
        transfers["to_host"] += name in WAITS or (name == "where" and len(args) == 1)
        result = function(*host_args, **host_kwargs)
        if out is not None:
            return out
        return _wrap(np.asarray(result) if name in NUMBER_IN_NUMPY else result)

    return call


for _name, _spelling in SURFACE["callables"]["cupy.ndarray"].items():
    if hasattr(np.ndarray, _name) and _name not in vars(ndarray):
        setattr(ndarray, _name, _checked(_name, f"self {_spelling}", getattr(np.ndarray, _name)))


class _Ufunc:
    """A ufunc with the keywords and the methods that CuPy's has."""

    def __init__(self, name: str, function: np.ufunc):
        self._name, self._function = name, function
        self._call = _checked(name, SURFACE["callables"]["cupy"][name], function)

    def __call__(self, *args: Any, **kwargs: Any) -> ndarray:
        return self._call(*args, **kwargs)

    def __getattr__(self, method: str) -> Callable:
        if method.startswith("_"):
            raise AttributeError(method)
        spelling = SURFACE["callables"].get(f"cupy.{self._name}", {}).get(method)
        if spelling is None:
            raise NotImplementedError(f"cupy.{self._name}.{method} is not supported")
        if method != "at":
            return _checked(f"{self._name}.{method}", spelling, getattr(self._function, method))
        return lambda a, indices, b=None: self._function.at(a._a, _key(indices)[0], _operand(b))


class _Module(types.ModuleType):
    """NumPy seen through CuPy's recorded names."""

    def __init__(self, name: str, owner: str, numpy: types.ModuleType):
        super().__init__(name)
        self._owner, self._numpy = owner, numpy

    def __getattr__(self, name: str) -> Any:
        callables = SURFACE["callables"][self._owner]
        if name not in callables and name not in SURFACE["attributes"][self._owner]:
            raise AttributeError(f"module {self._owner!r} has no attribute {name!r} in CuPy {SURFACE['cupy']}")
        value = getattr(self._numpy, name, None)
        if name in ("lib", "linalg", "stride_tricks"):
            value = _Module(f"{self.__name__}.{name}", f"{self._owner}.{name}", getattr(self._numpy, name))
        elif isinstance(value, np.ufunc) and self._owner == "cupy":
            value = _Ufunc(name, value)
        elif callable(value) and not isinstance(value, type):
            value = _checked(name, callables[name] or "*args **kwargs", value)
        elif (
            not isinstance(value, float)
            and name != "newaxis"
            and not (isinstance(value, type) and issubclass(value, TYPES))
        ):
            raise AttributeError(f"the double does not imitate {self._owner}.{name}")
        setattr(self, name, value)
        return value


def _create(name: str) -> Callable:
    """Functions that may bring numbers from the host."""
    function, signature = getattr(np, name), _signature(SURFACE["callables"]["cupy"][name])

    def create(x: Any, *args: Any, **kwargs: Any) -> ndarray:
        signature.bind(x, *args, **kwargs)
        if isinstance(x, ndarray):
            result = function(x._a, *args, **kwargs)
            return x if result is x._a else _wrap(result)
        transfers["to_device"] += 1
        return _wrap(np.array(function(x, *args, **kwargs)))

    return create


def _empty(function: Callable) -> Callable:
    """Memory nobody has written to yet: reading it shows as nan."""

    def empty(*args: Any, **kwargs: Any) -> ndarray:
        array = function(*args, **kwargs)
        array._a.fill(np.nan if array.dtype.kind in "fc" else 77)
        return array

    return empty


cupy = _Module("strict_double", "cupy", np)
cupy.__version__ = SURFACE["cupy"]
cupy.ndarray = ndarray
cupy.asnumpy = lambda a: a.get() if isinstance(a, ndarray) else np.asarray(a)
for _name in CREATORS:
    setattr(cupy, _name, _create(_name))
for _name in ("empty", "empty_like"):
    setattr(cupy, _name, _empty(getattr(cupy, _name)))
