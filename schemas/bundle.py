"""What a bundle says of itself: ``manifest.json``."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.emotions import EMOTIONS, Emotion

FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "manifest.json"


class DataRef(BaseModel):
    """A data set or split that took part, named by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    split: str
    rows: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Metrics(BaseModel):
    """Figures of the served path (bundle loaded by the worker's own code) on one split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataRef
    accuracy: float = Field(ge=0, le=1)
    macro_f1: float = Field(ge=0, le=1)
    macro_precision: float = Field(ge=0, le=1)
    weighted_f1: float = Field(ge=0, le=1)
    ece: float = Field(ge=0, le=1, description="Expected calibration error after temperature, 15 equal-width bins.")


class Agreement(BaseModel):
    """What the served precision changed against the unquantised model, measured at export."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=0)
    same_label: float = Field(ge=0, le=1)
    accuracy_lost: float = Field(description="Accuracy of the unquantised model minus that of the served one.")
    max_probability_change: float = Field(ge=0, le=1)
    flipped_by_rebatching: int = Field(ge=0)
    max_change_by_rebatching: float = Field(ge=0, le=1)


class Profile(BaseModel):
    """What the training data looked like to the model, for a person who reads the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_shares: dict[Emotion, float]
    tokens_per_tweet: dict[str, float] = Field(description="Quantiles, e.g. p50, p90, p99.")
    unknown_token_rate: float = Field(ge=0, le=1)
    mean_confidence: float = Field(ge=0, le=1)


class BundleManifest(BaseModel):
    """All that the worker must know to serve a model and to refuse one that does not fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.+_-]*$")
    created_at: datetime
    kind: Literal["lstm", "distilbert", "encoder"]
    base_model: str = Field(description="What the weights started from, e.g. 'glove.6B.100d'.")
    labels: tuple[Emotion, ...] = Field(default=EMOTIONS, description="In index order.")
    cleaner_id: str
    max_tokens: int = Field(gt=0)
    precision: Literal["fp32", "bf16", "int8"]
    temperature: float = Field(gt=0)
    abstain_threshold: float = Field(ge=0, le=1)
    metrics: tuple[Metrics, ...] = ()
    agreement: Agreement | None = None
    profile: Profile | None = None
    architecture: dict[str, Any] = Field(default_factory=dict, description="Sizes that the engine needs.")
    libraries: dict[str, str] = Field(default_factory=dict, description="Versions that made the bundle.")
    files: dict[str, str] = Field(description="sha256 of every other file in the folder, by its name.")
