"""The six emotions, in the one order that every array of probabilities follows."""

from typing import Final, Literal, get_args

Emotion = Literal["sadness", "joy", "love", "anger", "fear", "surprise"]

EMOTIONS: Final[tuple[Emotion, ...]] = get_args(Emotion)
"""Index order of every probability row; the order of the ``dair-ai/emotion`` data set (Saravia et al. 2018, CARER)."""
