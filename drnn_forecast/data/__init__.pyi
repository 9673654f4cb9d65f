from .batching.dataset import BatchedTimeSeriesDataSet as BatchedTimeSeriesDataSet
from .batching.gaps import (
    between as between,
    drawn as drawn,
    interpolated as interpolated,
    known_neighbours as known_neighbours,
)
from .batching.lengths import on_host as on_host, remember_on_host as remember_on_host
from .batching.marks import with_marks as with_marks
from .batching.moving import (
    data_bytes as data_bytes,
    moved_together as moved_together,
    on_device as on_device,
)
from .batching.renewal import renewable as renewable
from .batching.scales import (
    WindowScale as WindowScale,
    fit_windows as fit_windows,
    is_elementwise as is_elementwise,
)
from .datasets.ahead import (
    columns_ahead as columns_ahead,
    rows_ahead as rows_ahead,
    within_horizon as within_horizon,
)
from .datasets.codes import other_codes as other_codes
from .datasets.continuation import (
    continued_dataset as continued_dataset,
    continued_rows as continued_rows,
    last_windows as last_windows,
)
from .datasets.forms import in_form as in_form, without_form as without_form
from .datasets.horizon import past_the_end as past_the_end
from .datasets.labels import (
    label_columns as label_columns,
    with_known_labels as with_known_labels,
    with_new_labels as with_new_labels,
)
from .datasets.parted import PartedData as PartedData, check_long as check_long
from .datasets.splits import Splits as Splits
from .datasets.targets import target_spans as target_spans
from .datasets.unknown import (
    asked_in_parts as asked_in_parts,
    silent_encoders as silent_encoders,
)
from .frames.data import ForecastData as ForecastData
from .frames.facts import Facts as Facts
from .frames.frequency import is_counted as is_counted
from .frames.natives import as_pandas as as_pandas
from .frames.places import closest as closest
from .frames.roles import (
    BEFORE as BEFORE,
    KINDS as KINDS,
    MARK as MARK,
    OBSERVED as OBSERVED,
    Roles as Roles,
    column_tuple as column_tuple,
)
from .frames.rows import carried as carried
from .frames.seasons import (
    default_seasons as default_seasons,
    mention_no_season as mention_no_season,
)
from .frames.wide import one_below_another as one_below_another
from .frames.windows import (
    WindowPlan as WindowPlan,
    plan_windows as plan_windows,
)
from .holding import held as held
from .identity import described as described, fingerprint as fingerprint
from .parts.listing import (
    ParquetPart as ParquetPart,
    PartedTable as PartedTable,
    open_parts as open_parts,
)
from .parts.slices import (
    PartSlice as PartSlice,
    check_apart as check_apart,
    labels_in as labels_in,
    read_slice as read_slice,
    slices_of as slices_of,
)
from .parts.storage import (
    below as below,
    files_below as files_below,
    holds_parts as holds_parts,
    is_url as is_url,
    remove_partial as remove_partial,
    replaced_in as replaced_in,
    shown_place as shown_place,
    storage_of as storage_of,
)
from .reading.files import (
    SUFFIXES as SUFFIXES,
    read_table as read_table,
    write_table as write_table,
)
from .sample import load_sample as load_sample
from .whole import (
    filled as filled,
    partial_beside as partial_beside,
    replaced as replaced,
)
