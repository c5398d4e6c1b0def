"""The six emotions, in the one order that every array of probabilities follows."""

from typing import Annotated, Final, Literal, TypeVar, get_args

from pydantic import Field

Emotion = Literal["sadness", "joy", "love", "anger", "fear", "surprise"]

EMOTIONS: Final[tuple[Emotion, ...]] = get_args(Emotion)
"""Index order of every probability row; the order of the ``dair-ai/emotion`` data set (Saravia et al. 2018, CARER)."""

Probability = Annotated[float, Field(ge=0, le=1)]

T = TypeVar("T")
ForEach = Annotated[dict[Emotion, T], Field(json_schema_extra={"required": [*EMOTIONS]})]
"""An object with all six as keys."""
