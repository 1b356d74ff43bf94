"""Record which public names CuPy has and which parameters they take, for machines without CuPy.

Run it with the CuPy to record, no GPU needed: ``python tests/gpu/record_surface.py``.

The file holds, per owner (a module, a class or a ufunc), ``callables``: name -> parameter names separated by spaces
(``*`` stands before keyword-only ones; null where CuPy does not say), and ``attributes``: the names that are no
callables. What a ufunc accepts is found by trying.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import types
from pathlib import Path

SURFACE = Path(__file__).with_name("cupy_surface.json")
MODULES = (
    "cupy",
    "cupy.cublas",
    "cupy.lib",
    "cupy.lib.stride_tricks",
    "cupy.linalg",
    "cupy.random",
    "cupy.cuda",
    "cupy.cuda.device",
    "cupy.cuda.runtime",
    "cupyx",
    "cupyx.scipy.sparse",
    "cupyx.scipy.special",
)
CLASSES = (
    "cupy.ndarray",
    "cupy.random.Generator",
    "cupyx.scipy.sparse.csr_matrix",
    "cupyx.scipy.sparse.csc_matrix",
    "cupyx.scipy.sparse.coo_matrix",
)
UFUNC_KEYWORDS = ("out", "where", "dtype", "casting", "order", "subok", "signature", "axis", "keepdims")


class _Unusable:
    """A stand-in operand: a supported ufunc method reaches for its attributes, an unsupported one never looks."""


def main() -> None:
    import cupy

    surface: dict = {"cupy": cupy.__version__, "callables": {}, "attributes": {}}
    for owner in (*MODULES, *CLASSES):
        module, _, name = owner.rpartition(".") if owner in CLASSES else (owner, "", "")
        thing = importlib.import_module(module)
        _record(surface, owner, getattr(thing, name) if name else thing)
    for name, ufunc in vars(cupy).items():
        if isinstance(ufunc, cupy.ufunc):
            surface["callables"][f"cupy.{name}"] = _ufunc_methods(ufunc)
    lines = json.dumps(surface, indent=0, sort_keys=True, ensure_ascii=False)
    SURFACE.write_text(lines + "\n", encoding="utf-8")
    print(f"{SURFACE}: cupy {cupy.__version__}, {SURFACE.stat().st_size / 1000:.0f} kB")


def _record(surface: dict, owner: str, thing: object) -> None:
    callables = surface["callables"].setdefault(owner, {})
    attributes = surface["attributes"].setdefault(owner, [])
    for name in sorted(dir(thing)):
        if name.startswith("_") or name == "annotations":
            continue
        value, path = getattr(thing, name), f"{owner}.{name}"
        if callable(value):
            callables[name] = _parameters(name, value)
        elif not isinstance(value, types.ModuleType) or any(f"{module}.".startswith(f"{path}.") for module in MODULES):
            attributes.append(name)


def _parameters(name: str, function: object) -> str | None:
    if type(function).__name__ == "ufunc":
        return " ".join(["*args", *filter(lambda keyword: _accepts(function, keyword), UFUNC_KEYWORDS)])
    try:
        return _spell(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return _from_docstring(name, inspect.getdoc(function) or "")


def _accepts(ufunc: object, keyword: str) -> bool:
    """A keyword that a ufunc does not know is refused before any device is needed."""
    try:
        ufunc(*[1] * ufunc.nin, **{keyword: None})
    except TypeError as error:
        return "Wrong arguments" not in str(error)
    except Exception:
        return True
    return True


def _spell(parameters: object) -> str:
    words, starred = [], False
    for parameter in parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        words.append(
            {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "") + parameter.name
        )
    return " ".join(words)


def _from_docstring(name: str, text: str) -> str | None:
    """Compiled functions carry their signature as the first line of their docstring, with C types."""
    match = re.match(rf"(?:\w+\.)?{name}\((.*?)\)(?:\s*->.*)?$", text.partition("\n")[0])
    if not match:
        return None
    words = [part.partition("=")[0].split()[-1] for part in re.split(r",\s*(?![^()]*\))", match[1]) if part.strip()]
    return " ".join(word for word in words if word not in ("self", "/"))


def _ufunc_methods(ufunc: object) -> dict[str, str]:
    """Every CuPy ufunc has the five methods; most raise NotImplementedError when called."""
    operand = _Unusable()
    arguments = {"reduce": 1, "accumulate": 1, "reduceat": 2, "at": 3}
    found = {"outer": "A B **kwargs"}
    for method, count in arguments.items():
        try:
            getattr(ufunc, method)(*[operand] * count)
        except NotImplementedError:
            continue
        except Exception:
            pass
        found[method] = _parameters(method, getattr(ufunc, method))
    return dict(sorted(found.items()))


if __name__ == "__main__":
    main()
