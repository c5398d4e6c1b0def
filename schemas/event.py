"""What the worker says of a tweet: the value of every record on the emotion topic."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.emotions import EMOTIONS, Emotion, ForEach, Probability
from schemas.source import Source


class BundleRef(BaseModel):
    """The bundle that made an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str


class Timings(BaseModel):
    """How long the tweet waited and was worked on, milliseconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    queued_ms: float = Field(
        ge=0, description="From the Kafka timestamp of the raw record to the start of its batch; 0 if that is absurd."
    )
    scored_ms: float = Field(ge=0, description="Cleaning and inference of the whole batch the tweet was in.")


class EmotionEvent(BaseModel):
    """One labelled tweet. ``id`` and ``source`` are the same however often the tweet is processed.

    Fields may be added; none is removed or changes its type. Ignore what you do not know.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(description="topic-partition-offset of the raw record.")
    tweet_id: str = Field(description="The platform's id; the event's id where the raw value had none.")
    source: Source
    label: Emotion
    confidence: float = Field(ge=0, le=1, description="Calibrated probability of the label.")
    probabilities: ForEach[Probability] = Field(description="All six; they sum to 1.")
    abstained: bool = Field(description="True where the confidence is under the bundle's or the settings' threshold.")
    bundle: BundleRef
    event_time: datetime = Field(description="Decides the window the tweet is counted in.")
    scored_at: datetime
    timings: Timings
    author_id: str | None = None
    lang: str | None = None
    text: str | None = Field(None, description="The raw text, only where the settings say so.")

    @model_validator(mode="after")
    def _consistent(self) -> "EmotionEvent":
        if set(self.probabilities) != set(EMOTIONS):
            raise ValueError(f"probabilities must hold exactly {', '.join(EMOTIONS)}")
        if self.id != self.source.id:
            raise ValueError(f"id {self.id!r} does not belong to source {self.source.id!r}")
        return self
