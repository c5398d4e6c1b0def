"""Where a raw tweet stands in Kafka: the identity that makes repeats recognisable."""

from pydantic import BaseModel, ConfigDict, Field


class Source(BaseModel):
    """Topic, partition and offset of one raw tweet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: str = Field(min_length=1)
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    topic_id: str | None = Field(
        None, description="Kafka's id of the topic, another one once that is made anew; null where a broker tells none."
    )

    @property
    def id(self) -> str:
        """``topic-partition-offset``: the id of the event or dead letter that this tweet becomes."""
        return f"{self.topic}-{self.partition}-{self.offset}"
