"""The two sparse products in compiled code: loops over rows, and their inner loops in vector instructions.

The inner loops run along the batch. Numba's compiler would keep a row's sums in memory and add to them there, or add up
eight partial sums only to throw most of them away; here the sums stay in registers. A vector is 32 bytes, eight numbers
in float32; LLVM cuts it to what a processor has. Rows of activity are asked for some synapses ahead: they lie scattered
in a cache that is too far away to wait for. All of it is in one file, because that is what Numba looks at to tell
whether the code that it has cached on disk is up to date.

Whether a processor computes with denormal numbers or takes them for 0 is a setting of each thread. While a kernel runs,
its threads take over the setting of the one that called (`threads.flush_to_zero`), and afterwards get back their own.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiled import compiled

BYTES, LINE = 32, 64
"""Of a vector, of a line of the cache."""
AHEAD = 8
"""How many synapses ahead a row of activity is asked for: at the end of a row, of those of the next row."""
OPTIONS = {"parallel": True, "nogil": True, "error_model": "numpy"}
SERIAL = {**OPTIONS, "parallel": False}
ROWS = 8
"""Rows that a thread takes at a time."""
SUMS = {**OPTIONS, "fastmath": {"reassoc", "contract", "arcp"}}
"""How loops are compiled; never with all of fastmath: then isnan would lie."""
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_X86, _ARM = platform.machine() in ("x86_64", "AMD64"), platform.machine() in ("aarch64", "arm64")
_FUSED = ("contract",)


@intrinsic(prefer_literal=True)
def add_rows(typing: Any, o: Any, first: Any, vectors: Any, more: Any, values: Any, indices: Any, start: Any, end: Any,
             x: Any) -> tuple:  # fmt: skip
    """Add ``values[k] * x[indices[k]]`` to o for all k from `start` to `end`, in some columns from `first` on.

    These are `vectors` full ones and `more` columns, both written as numbers. Most processors have 16 vector registers:
    twelve vectors, a part of one and the value fit. All arrays have one dtype and no gaps.
    """
    signature = types.void(o, first, vectors, more, values, indices, start, end, x)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size, whole = _types(context, signature.args[8])
        shapes = [whole] * vectors.literal_value
        if more.literal_value:
            shapes.append(ir.VectorType(whole.element, more.literal_value))
        sums_of, numbers = (_data(context, builder, signature, args, n) for n in (0, 4))
        first, start, end = args[1], args[6], args[7]
        width = sum(shape.count for shape in shapes)
        places = [builder.add(first, first.type(place * whole.count)) for place in range(len(shapes))]
        sums = [
            cgutils.alloca_once_value(builder, _load(builder, sums_of, place, shape, size))
            for place, shape in zip(places, shapes, strict=True)
        ]
        with cgutils.for_range_slice(builder, start, end, start.type(1), inc=True) as (k, _):
            row = _row(context, builder, signature, args, 8, 5, k)
            later = _row(context, builder, signature, args, 8, 5, _later(context, builder, signature, args, 5, k))
            later = builder.gep(later, [first])
            for place in sorted({*range(0, width, LINE // size), width - 1}):
                _ask_for(builder, later, first.type(place))
            value = builder.insert_element(whole(ir.Undefined), builder.load(builder.gep(numbers, [k])), _I32(0))
            spread = {shape: _picked(builder, value, value, [0] * shape.count) for shape in dict.fromkeys(shapes)}
            for place, shape, total in zip(places, shapes, sums, strict=True):
                x = _load(builder, row, place, shape, size)
                builder.store(_multiply_add(builder, spread[shape], x, builder.load(total)), total)
        for place, total in zip(places, sums, strict=True):
            _store(builder, builder.load(total), sums_of, place, size)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_dots(typing: Any, out: Any, k: Any, d: Any, indices: Any, x: Any) -> tuple:
    """Add the products of d with four rows of x to four entries: ``out[k + j] += d · x[indices[k + j]]``, j = 0 .. 3.

    Each keeps a vector of partial sums; at the end the four vectors are added up together, across. All arrays have one
    dtype and no gaps.
    """
    signature = types.void(out, k, d, indices, x)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size, whole = _types(context, signature.args[4])
        four = ir.VectorType(whole.element, 4)
        outs, row = (_data(context, builder, signature, args, n) for n in (0, 2))
        k, number = args[1], args[1].type
        synapses = [builder.add(k, number(j)) for j in range(4)]
        rows = [_row(context, builder, signature, args, 4, 3, each) for each in synapses]
        later = [_later(context, builder, signature, args, 3, each) for each in synapses]
        later = [_row(context, builder, signature, args, 4, 3, each) for each in later]
        batch = builder.extract_value(context.make_array(signature.args[4])(context, builder, args[4]).shape, 1)

        with cgutils.for_range_slice(builder, number(0), batch, number(LINE // size), inc=True) as (place, _):
            for x in later:
                _ask_for(builder, x, place)

        def add(place: Any, shape: Any, sums: list) -> None:
            d = _load(builder, row, place, shape, size)
            for x, total in zip(rows, sums, strict=True):
                x = _load(builder, x, place, shape, size)
                builder.store(_multiply_add(builder, d, x, builder.load(total)), total)

        sums = [cgutils.alloca_once_value(builder, whole([0.0] * whole.count)) for _ in rows]
        done = builder.and_(batch, number(-whole.count))
        with cgutils.for_range_slice(builder, number(0), done, number(whole.count), inc=True) as (place, _):
            add(place, whole, sums)
        halves = [builder.load(total) for total in sums]
        if whole.count == 8:
            halves = [
                builder.fadd(_picked(builder, a, a, [0, 1, 2, 3]), _picked(builder, a, a, [4, 5, 6, 7])) for a in halves
            ]
        sums = [cgutils.alloca_once_value(builder, half) for half in halves]
        with builder.if_then(builder.icmp_signed("<=", builder.add(done, number(4)), batch)):
            add(done, four, sums)

        a, b, c, e = (builder.load(total) for total in sums)
        low, high = (
            builder.fadd(_picked(builder, u, v, [0, 4, 1, 5]), _picked(builder, u, v, [2, 6, 3, 7]))
            for u, v in ((a, b), (c, e))
        )
        across = builder.fadd(
            _picked(builder, low, high, [0, 1, 4, 5]), _picked(builder, low, high, [2, 3, 6, 7])
        )  # one entry for each row
        totals = cgutils.alloca_once_value(builder, across)
        with cgutils.for_range_slice(
            builder, builder.and_(batch, number(-4)), batch, number(1), inc=True
        ) as (place, _):  # fmt: skip
            left, right = four(ir.Undefined), four(ir.Undefined)
            d = builder.load(builder.gep(row, [place]))
            for j, x in enumerate(rows):
                left = builder.insert_element(left, d, _I32(j))
                right = builder.insert_element(right, builder.load(builder.gep(x, [place])), _I32(j))
            builder.store(_multiply_add(builder, left, right, builder.load(totals)), totals)
        before = _load(builder, outs, k, four, size)
        _store(builder, builder.fadd(before, builder.load(totals)), outs, k, size)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def float_setting(typing: Any) -> tuple:
    """Return the word that says how this thread computes with floats: MXCSR, FPCR, or 0 on other processors."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _read_setting(builder)

    return types.uint64(), generate


@intrinsic
def take_over(typing: Any, setting: Any) -> tuple:
    """Have this thread compute with floats as a word says; returns the word that it had."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before = _read_setting(builder)
        if _X86:
            _control(builder, "ldmxcsr", cgutils.alloca_once_value(builder, builder.trunc(args[0], _I32)))
        elif _ARM:
            builder.asm(ir.FunctionType(ir.VoidType(), [_I64]), "msr fpcr, $0", "r", [args[0]], True)
        return before

    return types.uint64(types.uint64), generate


def _read_setting(builder: Any) -> Any:
    if _X86:
        place = cgutils.alloca_once(builder, _I32)
        _control(builder, "stmxcsr", place)
        return builder.zext(builder.load(place), _I64)
    return builder.asm(ir.FunctionType(_I64, []), "mrs $0, fpcr", "=r", [], True) if _ARM else _I64(0)


def _control(builder: Any, name: str, place: Any) -> None:
    """Store or load MXCSR."""
    place = builder.bitcast(place, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}"), [place])


def _types(context: Any, array: Any) -> tuple:
    """Return the bytes of an array's number, and the type of a vector of them."""
    size = array.dtype.bitwidth // 8
    return size, ir.VectorType(context.get_data_type(array.dtype), BYTES // size)


def _data(context: Any, builder: Any, signature: Any, args: Any, n: int) -> Any:
    """Return the pointer to the numbers of the n-th argument."""
    return context.make_array(signature.args[n])(context, builder, args[n]).data


def _row(context: Any, builder: Any, signature: Any, args: Any, n: int, m: int, k: Any) -> Any:
    """Return the pointer to the row of the n-th argument that entry k of the m-th names."""
    x, indices = (context.make_array(signature.args[i])(context, builder, args[i]) for i in (n, m))
    index = builder.zext(builder.load(builder.gep(indices.data, [k])), k.type)
    return builder.gep(x.data, [builder.mul(index, builder.extract_value(x.shape, 1))])


def _later(context: Any, builder: Any, signature: Any, args: Any, m: int, k: Any) -> Any:
    """Return k + `AHEAD`, or the place of the m-th argument's last entry if that comes first: it will be read."""
    indices = context.make_array(signature.args[m])(context, builder, args[m])
    k, last = (builder.add(a, a.type(b)) for a, b in ((k, AHEAD), (builder.extract_value(indices.shape, 0), -1)))
    return builder.select(builder.icmp_signed("<", k, last), k, last)


def _ask_for(builder: Any, data: Any, place: Any) -> None:
    """Have the line of a place brought into the nearest cache."""
    data = builder.bitcast(builder.gep(data, [place]), ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [data.type, _I32, _I32, _I32])
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [data.type], kind)
    builder.call(prefetch, [data, _I32(0), _I32(3), _I32(1)])  # to be read, kept near, data


def _load(builder: Any, data: Any, place: Any, shape: Any, size: int) -> Any:
    pointer = builder.bitcast(builder.gep(data, [place]), shape.as_pointer())
    return builder.load(pointer, align=size)


def _store(builder: Any, value: Any, data: Any, place: Any, size: int) -> None:
    pointer = builder.bitcast(builder.gep(data, [place]), value.type.as_pointer())
    builder.store(value, pointer, align=size)


def _picked(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    """Return a vector of entries of a, then b, by place."""
    return builder.shuffle_vector(a, b, ir.VectorType(_I32, len(places))(places))


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, in one instruction where there is one."""
    return builder.fadd(c, builder.fmul(a, b, flags=_FUSED), flags=_FUSED)


@compiled(**SERIAL)
def write_rows(indptr, indices, values, x, plus, out, first, last):
    """Write some rows of W x + plus to out."""
    lanes = BYTES // x.itemsize
    for i in range(first, last):
        o, start, end = out[i], indptr[i], indptr[i + 1]
        for b in range(o.size):
            o[b] = plus[i, b] if len(plus) else 0
        b, left = 0, o.size
        if lanes == 8 and left == 10:
            add_rows(o, b, 1, 2, values, indices, start, end, x)
            left = 0
        while left >= 12 * lanes:
            if lanes == 8 and 100 <= left < 104:
                add_rows(o, b, 12, 4, values, indices, start, end, x)
                b += 100
            else:
                add_rows(o, b, 12, 0, values, indices, start, end, x)
                b += 12 * lanes
            left = o.size - b
        if left & (8 * lanes):
            add_rows(o, b, 8, 0, values, indices, start, end, x)
            b += 8 * lanes
        if left & (4 * lanes):
            add_rows(o, b, 4, 0, values, indices, start, end, x)
            b += 4 * lanes
        if left & (2 * lanes):
            add_rows(o, b, 2, 0, values, indices, start, end, x)
            b += 2 * lanes
        if left & lanes:
            add_rows(o, b, 1, 0, values, indices, start, end, x)
            b += lanes
        if left & 4 & (lanes - 1):
            add_rows(o, b, 0, 4, values, indices, start, end, x)
            b += 4
        if left & 2:
            add_rows(o, b, 0, 2, values, indices, start, end, x)
            b += 2
        if left & 1:
            add_rows(o, b, 0, 1, values, indices, start, end, x)


@compiled(**OPTIONS)
def write_product(indptr, indices, values, x, plus, out):
    """Write W x + plus to out, row by row; plus has no rows if there is nothing to add."""
    setting = float_setting()
    for task in prange((len(out) + ROWS - 1) // ROWS):
        own = take_over(setting)
        write_rows(indptr, indices, values, x, plus, out, task * ROWS, min((task + 1) * ROWS, len(out)))
        take_over(own)


@compiled(**{**SUMS, "parallel": False})
def add_rows_of_samples(indptr, indices, dy, x, out, first, last):
    """Add the entries of some rows of dy xᵀ to out."""
    for t in range(len(dy)):
        for i in range(first, last):
            d, k, end = dy[t, i], indptr[i], indptr[i + 1]
            while k + 4 <= end:
                add_dots(out, k, d, indices, x[t])
                k += 4
            for rest in range(np.uint64(k), np.uint64(end)):
                row, s = x[t, indices[rest]], out.dtype.type(0)
                for b in range(d.size):
                    s += d[b] * row[b]
                out[rest] += s


@compiled(**SUMS)
def add_samples(indptr, indices, dy, x, out, height):
    """Add the entries of dy xᵀ to out; a task is so many rows, which go through the time steps one after another."""
    setting = float_setting()
    for task in prange((dy.shape[1] + height - 1) // height):
        own = take_over(setting)
        add_rows_of_samples(indptr, indices, dy, x, out, task * height, min((task + 1) * height, dy.shape[1]))
        take_over(own)
