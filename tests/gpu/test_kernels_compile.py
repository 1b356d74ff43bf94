"""The raw GPU kernels compile to PTX with NVIDIA's run-time compiler, which needs no GPU and no CuPy."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

from minisparse.activations import ACTIVATIONS
from minisparse.kernels import with_cupy

pytestmark = pytest.mark.nvrtc


class CompileError(Exception):
    pass


class Nvrtc:
    """The few calls of libnvrtc that turn a source into PTX."""

    def __init__(self, library: Path):
        self._library = ctypes.CDLL(str(library))

    def _call(self, name: str, *args: object) -> int:
        return getattr(self._library, f"nvrtc{name}")(*args)

    def ptx(self, source: str, options: list[str]) -> str:
        program = ctypes.c_void_p()
        assert self._call("CreateProgram", ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None) == 0
        try:
            given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
            if self._call("CompileProgram", program, len(options), given) != 0:
                raise CompileError(self._text("ProgramLog", program))
            return self._text("PTX", program)
        finally:
            self._call("DestroyProgram", ctypes.byref(program))

    def _text(self, what: str, program: ctypes.c_void_p) -> str:
        size = ctypes.c_size_t()
        assert self._call(f"Get{what}Size", program, ctypes.byref(size)) == 0
        text = ctypes.create_string_buffer(size.value)
        assert self._call(f"Get{what}", program, text) == 0
        return text.value.decode()


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    spec = importlib.util.find_spec("nvidia")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [p for folder in folders for p in Path(folder).glob("*/lib/libnvrtc.so*") if "alt" not in p.name]
    if not found:
        pytest.skip("no libnvrtc is installed; run: pip install nvidia-cuda-nvrtc-cu12 (or nvidia-cuda-nvrtc)")
    return Nvrtc(max(found))


@pytest.fixture(params=["float32", "float64"])
def kernel(request, monkeypatch) -> tuple[str, str, tuple[str, ...]]:
    """What the library hands to CuPy for one dtype: source, entry point and options."""
    recorder = types.SimpleNamespace(RawKernel=lambda code, name, options=(): (code, name, options))
    monkeypatch.setitem(sys.modules, "cupy", recorder)
    return with_cupy._sddmm_kernel.__wrapped__(request.param)


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_each_entry_point_is_in_the_ptx(nvrtc, kernel, architecture) -> None:
    source, name, options = kernel
    assert source == with_cupy.SDDMM_SOURCE
    ptx = nvrtc.ptx(source, [*options, f"--gpu-architecture={architecture}"])
    assert f".entry {name}(" in ptx
    assert f".target {architecture.replace('compute', 'sm')}" in ptx


KERNELS = {
    "adam": lambda: with_cupy._adam_kernel.__wrapped__(),
    "sgd": lambda: with_cupy._sgd_kernel.__wrapped__(False),
    "sgd with momentum": lambda: with_cupy._sgd_kernel.__wrapped__(True),
    "entries": lambda: with_cupy._entries.__wrapped__(),
    **{
        f"slope of {name}": lambda phi=phi: with_cupy._times_slope.__wrapped__(phi.slope)
        for name, phi in ACTIVATIONS.items()
    },
}


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize("name", KERNELS)
def test_what_an_elementwise_kernel_does_compiles(nvrtc, monkeypatch, name, dtype) -> None:
    recorder = types.SimpleNamespace(ElementwiseKernel=lambda *given: given)
    monkeypatch.setitem(sys.modules, "cupy", recorder)
    inputs, outputs, body, _ = KERNELS[name]()
    inputs = re.sub(r"raw (\w+) (\w+)", r"const \1* \2", inputs)
    arguments = ", ".join([inputs, *(f"T& {each.split()[-1]}" for each in outputs.split(","))])
    source = (
        f"typedef {dtype} T; typedef int int32; typedef long long int64;\n__device__ void f({arguments}) {{ {body}; }}"
    )
    nvrtc.ptx(source, ["--gpu-architecture=compute_80"])
    with pytest.raises(CompileError):
        nvrtc.ptx(source.replace(body, f"{body} +"), ["--gpu-architecture=compute_80"])


def test_nothing_but_the_two_entry_points_is_compiled(nvrtc) -> None:
    ptx = nvrtc.ptx(with_cupy.SDDMM_SOURCE, ["--gpu-architecture=compute_80"])
    assert re.findall(r"\.entry (\w+)\(", ptx) == ["sddmm_float32", "sddmm_float64"]


@pytest.mark.parametrize("old", ["number sum = 0;", "0xffffffffu, ", "const number* x"])
def test_a_broken_source_fails_with_the_compilers_words(nvrtc, old) -> None:
    with pytest.raises(CompileError, match="error"):
        nvrtc.ptx(with_cupy.SDDMM_SOURCE.replace(old, "", 1), ["--gpu-architecture=compute_80"])
