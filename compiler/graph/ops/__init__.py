"""Every operation a Graph can hold, one dataclass each, by family.

Constructor order: operands first, then the attributes in declaration order. `verify()` of each class is the
specification of its operands, attributes and results.
"""

from .collectives import (
    AllGather,
    AllReduce,
    AllToAll,
    Collective,
    CollectiveBroadcast,
    CollectivePermute,
    PartitionId,
    RaggedAllToAll,
    ReduceScatter,
    ReplicaId,
)
from .control import Call, Case, While
from .elementwise import (
    BINARY_KINDS,
    COMPARE_DIRECTIONS,
    UNARY_KINDS,
    Binary,
    BitcastConvert,
    Compare,
    Convert,
    ReducePrecision,
    Select,
    Unary,
)
from .indexing import SCATTER_KINDS, DynamicSlice, DynamicUpdateSlice, Gather, GatherSlices, Scatter, ScatterSlices
from .irregular import (
    AicpuKernel,
    Draw,
    Foreign,
    GeneralSort,
    HostCall,
    OptimizationBarrier,
    RngBitGenerator,
    Sort,
    TopK,
)
from .linalg import Convolution, Dot
from .reduction import REDUCE_KINDS, ArgReduce, GeneralReduce, Reduce, ReduceWindow, SelectAndScatter
from .shape import BroadcastInDim, Concatenate, Constant, Iota, Pad, Reshape, Reverse, Slice, Transpose
from .sharding import ManualComputation, Reshard

__all__ = [
    "BINARY_KINDS",
    "COMPARE_DIRECTIONS",
    "REDUCE_KINDS",
    "SCATTER_KINDS",
    "UNARY_KINDS",
    "AicpuKernel",
    "AllGather",
    "AllReduce",
    "AllToAll",
    "ArgReduce",
    "Binary",
    "BitcastConvert",
    "BroadcastInDim",
    "Call",
    "Case",
    "Collective",
    "CollectiveBroadcast",
    "CollectivePermute",
    "Compare",
    "Concatenate",
    "Constant",
    "Convert",
    "Convolution",
    "Dot",
    "Draw",
    "DynamicSlice",
    "DynamicUpdateSlice",
    "Foreign",
    "Gather",
    "GatherSlices",
    "GeneralReduce",
    "GeneralSort",
    "HostCall",
    "Iota",
    "ManualComputation",
    "OptimizationBarrier",
    "Pad",
    "PartitionId",
    "RaggedAllToAll",
    "Reduce",
    "ReducePrecision",
    "ReduceScatter",
    "ReduceWindow",
    "ReplicaId",
    "Reshape",
    "Reshard",
    "Reverse",
    "RngBitGenerator",
    "Scatter",
    "ScatterSlices",
    "Select",
    "SelectAndScatter",
    "Slice",
    "Sort",
    "TopK",
    "Transpose",
    "Unary",
    "While",
]
