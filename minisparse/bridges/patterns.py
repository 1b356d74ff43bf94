"""Patterns and weights from and to SciPy, NumPy and NetworkX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Array, to_numpy
from ..connectivity import Pattern
from ..errors import InputError
from ..protocols import Weights
from .needed import needed


def pattern_from(source: Any) -> tuple[Pattern, np.ndarray]:
    """Return the pattern of a SciPy matrix, a NumPy mask or matrix, or a NetworkX graph, and its weights.

    Parameters
    ----------
    source
        A SciPy sparse matrix or array (post, pre): what is stored is a synapse, a stored 0 too. A NumPy matrix: what is
        not 0 is a synapse. A NetworkX graph: an edge u -> v is a synapse from u to v, with its "weight", 1 if it has
        none; an undirected edge is one each way. Neurons are in the order of the nodes; where these have the attribute
        "bipartite" those with 0 send and those with 1 receive, else all do both.

    Returns
    -------
    pattern : Pattern
    values : (nnz,)
        In pattern order: ``weights.from_values(values)`` packs them.

    Examples
    --------
    >>> minisparse.bridges.pattern_from(numpy.array([[0, 2.5], [0, 0]]))
    (Pattern(2 x 2, 1 synapses, density 0.25), array([2.5]))
    """
    from scipy.sparse import coo_array, csr_array, issparse

    if hasattr(source, "edges") and hasattr(source, "nodes"):
        source = _matrix_of_graph(source)
    if not issparse(source):
        matrix = np.asarray(source)
        if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
            raise InputError(f"a mask must be a matrix (post, pre) of numbers, got shape {matrix.shape}")
        post, pre = np.nonzero(matrix)
        source = coo_array((matrix[post, pre], (post, pre)), matrix.shape)
    matrix = csr_array(source, copy=True)  # coo_array adds repeated places up
    matrix.sum_duplicates()
    values = matrix.data.astype(float) if matrix.data.dtype.kind != "f" else matrix.data
    return Pattern(matrix.indptr, matrix.indices, matrix.shape), values


def to_scipy(weights: Weights | Pattern, w: Array | None = None) -> Any:
    """Return a layer as a SciPy `csr_array` (post, pre), every synapse stored.

    Parameters
    ----------
    weights : storage or Pattern
    w : array, optional
        Packed weights; ones if omitted.

    Examples
    --------
    >>> minisparse.bridges.to_scipy(minisparse.full(1, 2)).toarray()
    array([[1., 1.]])
    """
    from scipy.sparse import csr_array

    pattern, values = _values(weights, w)
    return csr_array((values, pattern.indices, pattern.indptr), pattern.shape)


def to_networkx(weights: Weights | Pattern, w: Array | None = None, recurrent: bool | None = None) -> Any:
    """Return a layer as a NetworkX `DiGraph`: an edge from the sending to the receiving neuron, with its "weight".

    Parameters
    ----------
    weights : storage or Pattern
    w : array, optional
        Packed weights; ones if omitted.
    recurrent : bool, optional
        Whether neurons send and receive: nodes 0..n-1. Else nodes are ("pre", j) and ("post", i), with the attribute
        "bipartite" 0 and 1. If omitted, a square layer is recurrent.

    Examples
    --------
    >>> pattern = minisparse.full(1, 2)
    >>> list(minisparse.bridges.to_networkx(pattern).edges(data="weight"))  # doctest: +SKIP
    [(('pre', 0), ('post', 0), 1.0), (('pre', 1), ('post', 0), 1.0)]
    """
    networkx = needed("networkx")
    pattern, values = _values(weights, w)
    n_post, n_pre = pattern.shape
    recurrent = n_post == n_pre if recurrent is None else recurrent
    graph = networkx.DiGraph()
    if recurrent:
        graph.add_nodes_from(range(n_post))
    for side, count in () if recurrent else (("pre", n_pre), ("post", n_post)):
        graph.add_nodes_from(((side, k) for k in range(count)), bipartite=int(side == "post"))
    for post, pre, value in zip(pattern.rows.tolist(), pattern.indices.tolist(), values.tolist(), strict=True):
        graph.add_edge(*((pre, post) if recurrent else (("pre", pre), ("post", post))), weight=value)
    return graph


def _values(weights: Weights | Pattern, w: Array | None) -> tuple[Pattern, np.ndarray]:
    if isinstance(weights, Pattern):
        if w is not None:
            raise InputError("packed weights belong to a storage; pass make_weights(pattern), or leave them out")
        return weights, np.ones(weights.nnz)
    return weights.pattern, np.ones(weights.nnz) if w is None else to_numpy(weights.values(w))


def _matrix_of_graph(graph: Any) -> Any:
    """Return the edges of a NetworkX graph as a SciPy matrix (post, pre); every edge is stored."""
    from scipy.sparse import coo_array

    if graph.is_multigraph():
        raise InputError("two neurons have one synapse each way; make a networkx.DiGraph of the multigraph first")
    sides = [graph.nodes[node].get("bipartite") for node in graph]
    two = bool(sides) and set(sides) <= {0, 1}
    pre, post = ({n: i for i, n in enumerate(n for n, s in zip(graph, sides, strict=True) if not two or s == side)}
                 for side in (0, 1))  # fmt: skip
    edges = [(post.get(v), pre.get(u), data.get("weight", 1.0)) for u, v, data in graph.to_directed().edges(data=True)]
    edges = edges if graph.is_directed() or not two else [edge for edge in edges if None not in edge[:2]]
    if any(None in edge[:2] for edge in edges):
        raise InputError("an edge leaves a neuron that only receives; edges go from bipartite=0 to bipartite=1")
    rows, columns, values = zip(*edges, strict=True) if edges else ((), (), ())
    return coo_array((np.array(values, float), (np.array(rows, int), np.array(columns, int))), (len(post), len(pre)))
