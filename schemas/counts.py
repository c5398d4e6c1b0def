"""The answer of ``GET /counts``: how many tweets of each emotion in a window, from all partitions."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from schemas.emotions import ForEach, Probability


class PartitionProgress(BaseModel):
    """How far one partition of the raw topic has been counted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    partition: int = Field(ge=0)
    counted_offset: int | None = Field(description="Highest raw offset in the table; null before the first.")
    lag_messages: int | None = Field(description="Raw records not counted yet; null while the end is unknown.")
    late_s: float = Field(
        ge=0,
        description="Seconds for which the oldest record that is not counted has waited, as far as this worker has "
        "seen; 0 at lag 0.",
    )
    stale: bool = Field(
        description="True where that is longer than the bound, or where what stood there when this worker started is "
        "not counted yet."
    )


class WindowCounts(BaseModel):
    """Counts of one rolling window, a sum of whole buckets: from ``since`` to the end of the bucket of ``as_of``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    as_of: datetime
    window_s: float = Field(gt=0, description="The window asked for, rounded up to whole buckets.")
    since: datetime = Field(description="Start of the oldest bucket in the sum.")
    bucket_s: float = Field(gt=0)
    counts: ForEach[int]
    shares: ForEach[Probability] = Field(description="counts / total; all 0 where the total is 0.")
    total: int = Field(ge=0, description="Labelled tweets in the window.")
    mean_confidence: ForEach[Probability | None]
    abstained: int = Field(
        ge=0, description="How many of the total were below the confidence threshold; they count under their label."
    )
    dead: int = Field(ge=0, description="Dead letters in the window, not part of the total.")
    late_s: float = Field(ge=0, description="How late the slowest partition is.")
    complete: bool = Field(description="True where every partition is known and none is stale.")
    partitions: tuple[PartitionProgress, ...]
