"""Graph passes, one file each, named after what they do; GRAPH_PASSES is the order they run in.

A pass is `pass_name(module, target)`, changes the module's graph in place, and depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from ..graph.module import Module
from ..partition import partition
from .alias_donors import alias_donors
from .combine_collectives import combine_collectives
from .decompose_complex import decompose_complex
from .decompose_general_reduce import decompose_general_reduce
from .decompose_general_sort import decompose_general_sort
from .decompose_random_bits import decompose_random_bits
from .decompose_reduce_window import decompose_reduce_window
from .decompose_select_and_scatter import decompose_select_and_scatter
from .eliminate_common_subexpressions import eliminate_common_subexpressions
from .eliminate_dead_code import eliminate_dead_code
from .expand_bitcasts import expand_bitcasts
from .expand_total_order import expand_total_order
from .hoist_slices import hoist_slices
from .inline_calls import inline_calls
from .legalize_collectives import legalize_collectives
from .legalize_contractions import legalize_contractions
from .normalize_indexing import normalize_indexing
from .remove_barriers import remove_barriers
from .remove_empty_tensors import remove_empty_tensors
from .simplify import simplify
from .simplify_loops import simplify_loops
from .sort_last_dimension import sort_last_dimension
from .split_exchanges import split_exchanges
from .sum_over_results import sum_over_results
from .unroll_depthwise import unroll_depthwise
from .widen_small_integers import widen_small_integers

GraphPass = Callable[[Module, object], None]

GRAPH_PASSES: tuple[GraphPass, ...] = (
    partition,
    inline_calls,
    remove_empty_tensors,
    simplify,
    eliminate_common_subexpressions,
    simplify_loops,
    split_exchanges,
    legalize_collectives,
    decompose_general_reduce,
    decompose_general_sort,
    decompose_reduce_window,
    decompose_select_and_scatter,
    decompose_random_bits,
    normalize_indexing,
    unroll_depthwise,
    legalize_contractions,
    decompose_complex,
    expand_total_order,
    expand_bitcasts,
    widen_small_integers,
    sort_last_dimension,
    hoist_slices,
    simplify,
    eliminate_common_subexpressions,
    sum_over_results,
    eliminate_dead_code,
    combine_collectives,
    remove_barriers,
    alias_donors,
)


def run_graph_passes(module: Module, target: object = None) -> None:
    """Run GRAPH_PASSES in order, in place."""
    for graph_pass in GRAPH_PASSES:
        graph_pass(module, target)
