from .cells import Cell as Cell, RecurrentCell as RecurrentCell
from .checks import checked_width as checked_width, checked_widths as checked_widths
from .dilations import (
    checked_dilations as checked_dilations,
    checked_integer as checked_integer,
    checked_seasons as checked_seasons,
    common_divisor as common_divisor,
    dilation_schedule as dilation_schedule,
    resolve_dilations as resolve_dilations,
)
from .fusion import OutputFusion as OutputFusion
from .layer import DilatedCell as DilatedCell, DilatedRNNLayer as DilatedRNNLayer
from .paths.costs import (
    parameter_count as parameter_count,
    receptive_field as receptive_field,
    serial_steps as serial_steps,
)
from .paths.graph import shortest_path as shortest_path, stack_edges as stack_edges
from .paths.length import (
    graph_recurrent_length as graph_recurrent_length,
    mean_recurrent_length as mean_recurrent_length,
)
from .paths.recommendation import recommend_dilations as recommend_dilations
from .recurrence import (
    compile_kernels as compile_kernels,
    kernels_are_compiling as kernels_are_compiling,
    settle_backend as settle_backend,
)
from .segments import SegmentEmbedding as SegmentEmbedding
from .stack import DilatedRNN as DilatedRNN
