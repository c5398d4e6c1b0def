"""Default names of the three topics."""

from typing import Final

DEFAULT_RAW: Final = "tweets.raw"
DEFAULT_EMOTION: Final = "tweets.emotion"
DEFAULT_DEAD: Final = "tweets.dead"
