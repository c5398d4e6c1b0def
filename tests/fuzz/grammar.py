"""Seeded records of every kind: tweets of a grammar, damaged JSON, bytes. Fast, so that a million takes minutes."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from worker.records import RawRecord

NOW_S = 1_800_000_000.0
_LINES = (
    "so happy not sad i am ANGRY love this never afraid it's can't won't y'all'd've o'clock rock'n'roll",
    "#HappyDay #ITSover9000 #\u00fcber # @someone @ https://t.co/x http:// www.a.b/c?d=e&f#g ://",
    ":) :-( ;D <3 >:( :'( XD ^_^ ... !!! ?!?! $$ 12,000 3.14 1\u20442 \u2167",
    "sooooo yaaaaay hahahahaha \U0001d4f1\U0001d4ea\U0001d4f9\U0001d4f9\U0001d502 \uff48\uff41\uff50\uff50\uff59",
    "\ufb01ne na\u00efve \u00c3\u00a9 \u00e2\u20ac\u2122 \u00f0\u0178\u02dc\u201a \u1e9e \u0130stanbul \u01c4",
    "&amp;amp; &lt;3 &#128514; &#x1F602; &#xD800; &#0; &#99999999999; &notanentity; &amp &;",
    "\u4eca\u65e5 \u0e2a\u0e38\u0e02 \ud55c\uad6d \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u0939\u093f",
    "\U0001f602 \u2764\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
    "1\ufe0f\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e007f \u200d \ufe0f \U0001f1e9 \U0001f3fd",
    "\x00 \x07 \x1b[0m \ufffd \ufffe \uffff \U0010ffff \ue000 \u200b \u2060 \u202e \u2066 \ufeff \u00ad",
    "\ud83d \ude02 \ud83d\ud83d \ude02\ud83d e\u0301 z\u0334\u0310\u0356 \u0301\u0301\u0301 \u1160 \u3164",
    '\\ " / \\u0000 \\ud800 { } [ ] null true NaN -0 1e999',
)
_PIECES = [piece for line in _LINES for piece in line.split()]
_SPACES = (" ", " ", " ", "", "\n", "\t", "\u00a0", "\u2028", "\u3000", "\r\n", "\x1c")
_LONG = ("ha", "&amp;", *"a@#&:'< \x00\u0301\u00e9\U0001f602\ufdfa\ud83d")
_ODD = (
    *(None, True, False, 0, -1, 2**63, -(2**64), 10**300, 10**4299, 9e99, -1e-320, 1e11, 1e16),
    *(float("nan"), float("inf"), float("-inf"), -0.0, "", "x", "x" * 499, "x" * 500, "x" * 501, "x" * 5_000),
    *("9999-99-99", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now", "Fri Jan 15 08:00:00 +9999 2027"),
)
_NAMES = ("text", "full_text", "data", "user", "id", "id_str", "extended_tweet", "created_at", "lang", "\x00", "\ud83d")
_RARE = 2_000
"""One record in so many is long or deep: these take milliseconds."""


class Grammar:
    """An endless row of records; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._kinds: tuple[Callable[[], bytes | None], ...] = (
            self._tweet,
            self._tweet,
            self._damaged,
            self._damaged,
            self._odd_json,
            self._plain,
            self._bytes,
            self._encoded,
        )

    def records(self) -> Iterator[RawRecord]:
        """Offsets count from 0."""
        random, offset = self._random, 0
        while True:
            kind = self._rare if random.randrange(_RARE) == 0 else random.choice(self._kinds)
            yield RawRecord("raw", 0, offset, self._key(), kind(), self._headers(), self._timestamp_s())
            offset += 1

    def _text(self) -> str:
        random = self._random
        parts: list[str] = []
        for _ in range(int(random.expovariate(0.15)) + 1):
            parts.append(random.choice(_PIECES) if random.random() < 0.93 else self._any_character())
            parts.append(random.choice(_SPACES))
        if random.random() < 0.05:
            parts.append(random.choice(_LONG) * random.randrange(200))
        return "".join(parts)

    def _any_character(self) -> str:
        return chr(self._random.randrange(self._random.choice((0x80, 0x3000, 0x110000))))

    def _tweet(self) -> bytes:
        return self._dumped(self._shaped(self._text()))

    def _shaped(self, text: str) -> Any:
        random = self._random
        fields = {"id": self._odd_or(str(random.randrange(10**18))), "lang": self._odd_or("en")}
        fields["created_at"] = self._odd_or(
            random.choice((NOW_S, "2027-01-15T08:00:00Z", "Fri Jan 15 08:00:00 +0000 2027"))
        )
        match random.randrange(6):
            case 0:
                return text
            case 1:
                return {"data": {"text": text, **fields, "author_id": self._odd_or("9")}}
            case 2:
                return {"full_text": text, "id_str": self._odd_or("7"), "user": self._odd_or({"id": 5}), **fields}
            case 3:
                return {"text": "cut\u2026", "extended_tweet": self._odd_or({"full_text": text}), **fields}
            case _:
                return {"text": text, **fields}

    def _odd_or(self, usual: Any) -> Any:
        return usual if self._random.random() < 0.9 else self._odd(3)

    def _odd(self, depth: int) -> Any:
        random = self._random
        match random.randrange(8 if depth else 6):
            case 0 | 1 | 2:
                return random.choice(_ODD)
            case 6:
                return [self._odd(depth - 1) for _ in range(random.randrange(4))]
            case 7:
                return {random.choice(_NAMES): self._odd(depth - 1) for _ in range(random.randrange(4))}
            case _:
                return self._text()

    def _odd_json(self) -> bytes:
        return self._dumped(self._odd(4))

    def _dumped(self, value: Any) -> bytes:
        escaped = self._random.random() < 0.5
        return self._utf8(json.dumps(value, ensure_ascii=escaped))

    def _utf8(self, text: str) -> bytes:
        """Half characters become question marks, or stand as they are, which is no UTF-8."""
        return text.encode("utf-8", "surrogatepass" if self._random.random() < 0.1 else "replace")

    def _damaged(self) -> bytes:
        random = self._random
        value = bytearray(self._tweet())
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(value) + 1)
            match random.randrange(5):
                case 0:
                    value[at : at + 1] = random.randbytes(1)
                case 1:
                    del value[at : at + random.randrange(1, 9)]
                case 2:
                    value[at:at] = random.choice(
                        (b'"', b"\\", b"{", b"}", b"[", b",", b"\x00", b"\\ud800", b"\\u", b"\xff")
                    )
                case 3:
                    value[at:at] = value[at : at + random.randrange(20)]
                case _:
                    del value[at:]
        return bytes(value)

    def _plain(self) -> bytes:
        return self._utf8(self._text())

    def _bytes(self) -> bytes | None:
        size = int(self._random.expovariate(0.03))
        return self._random.choice((None, b"")) if size == 0 else self._random.randbytes(size)

    def _encoded(self) -> bytes:
        encoding = self._random.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp037"))
        return self._text().encode(encoding, "replace")

    def _rare(self) -> bytes:
        random = self._random
        match random.randrange(6):
            case 0:
                deep = random.choice((100, 1_000, 10_000, 200_000))
                return random.choice((b"[", b'{"text":', b'{"a":[')) * deep
            case 1:
                deep = random.choice((100, 900, 2_000, 100_000))
                return b'{"text": "happy", "more": ' + b"[" * deep + b"]" * deep + b"}"
            case 2:
                return b'{"text": "happy", "id": ' + b"9" * random.choice((20, 4_300, 4_301, 100_000)) + b"}"
            case 3:
                return self._dumped({"text": self._long(1_000_000)})
            case 4:
                return random.randbytes(1_000_000)
            case _:
                return self._dumped({"text": self._long(24_000)})

    def _long(self, characters: int) -> str:
        unit: str = self._random.choice((*_LONG, self._text()))
        return (unit * (characters // len(unit) + 1))[:characters]

    def _key(self) -> bytes | None:
        random = self._random
        if random.random() < 0.5:
            return None
        return random.randbytes(random.choice((0, 1, 8, 30)) if random.random() < 0.999 else 30_000)

    def _headers(self) -> tuple[tuple[str, bytes | None], ...]:
        if self._random.random() < 0.9:
            return ()
        return (
            (self._text()[:50].encode(errors="replace").decode(), self._random.choice((None, b"", b"\xff\x00"))),
        ) * 2

    def _timestamp_s(self) -> float:
        return (
            NOW_S - 1
            if self._random.random() < 0.9
            else self._random.choice((-0.001, 0.0, 9.2e15, -9.2e15, NOW_S + 1e6))
        )
