"""The one cleaning function: training and serving both call it.

``clean`` is pure, total (any ``str`` in, no exception) and, on texts as long as tweets, idempotent; it takes linear
time. Most steps stand behind a cheap test that is true wherever the step could change something (ADR 21).
"""

import functools
import hashlib
import html
import re
import unicodedata

import emoji
import ftfy

URL: str = "<url>"
USER: str = "<user>"
PLACEHOLDERS: tuple[str, ...] = (URL, USER)

LONGEST_READ_CHARS = 4000
"""More than any model reads of a text: what follows is not cleaned. A post can have 25,000 (ADR 41)."""
_MAX_FURTHER_PASSES = 4

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOJIBAKE = re.compile("[ÂÃâãðÐïëì][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_NESTED_AMP = re.compile(r"&(?:amp;)+", re.IGNORECASE)
_HUGE_ENTITY = re.compile(r"&#(?:\d{8,}|x[0-9a-f]{7,});?", re.IGNORECASE)
_UNSEEN_RANGES = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffd\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff\U000e0000-\U000e0fff"
)
"""Control and invisible characters, variation selectors, skin tones, regional indicators, tags."""
_UNSEEN = re.compile(f"[{_UNSEEN_RANGES}]")
_RANGE = re.compile(".(?:-.)?", re.DOTALL)
"""One character, or one range, of `_UNSEEN_RANGES`."""
_BEHIND_THE_LAST_MARK = 0x1F000
"""Unicode has no combining marks from this code point on."""
_URL = re.compile(r"(?:https?://|(?<!\w)www\.|pic\.twitter\.com/|\bt\.co/|\bbit\.ly/)[^\s<>]*", re.IGNORECASE)
_USER = re.compile(r"@(?<![\w@]@)@*\w+")
_HASHTAG = re.compile(r"#(?<!##)#*(\w+)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|_+")
_LONG_LETTERS = re.compile(r"([^\W\d_])\1{2,}")
_LONG_MARKS = re.compile(r"([^\w\s])\1{3,}")
_LETTER_THRICE = re.compile(r"([a-z])\1\1")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SAME_BYTE_FOUR_TIMES = re.compile(rb"(.)\1{3}")
_ASCII_BUT_MARKS = bytes(code for code in range(128) if chr(code).isalnum() or chr(code).isspace() or chr(code) == "_")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‛": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "…": "..."})
_ASIDE = re.compile(r"<url>|<user>|(?<!\S):[a-z0-9][a-z0-9 '.,!()&-]*:(?!\S)")

_EMOTICONS: dict[str, tuple[str, ...]] = {
    ":smiling face:": (":)", ":-)", "=)", ":]", "(:", "(-:", ":')", ";)", ";-)", "^_^", "^^"),
    ":grinning face:": (":d", ":-d", "=d", "xd", ":dd", ";d"),
    ":frowning face:": (":(", ":-(", "=(", ":[", "):", ")-:", "=["),
    ":crying face:": (":'(", ":,(", "t_t", ";_;", "t.t", "='("),
    ":angry face:": (">:(", ">:-(", "d:<", ">:["),
    ":face with tongue:": (":p", ":-p", ";p", "=p", "xp"),
    ":face with open mouth:": (":o", ":-o", "=o", "o_o", "o.o", "0_0"),
    ":confused face:": (":/", ":-/", "=/", ":\\", ":s", ":-s", ":|", ":-|", "-_-", "-.-"),
    ":red heart:": ("<3", "<33", "<333"),
    ":broken heart:": ("</3", "<\\3"),
    ":kissing face:": (":*", ":-*", ";*"),
}
_WORD_OF_EMOTICON = {face: word for word, faces in _EMOTICONS.items() for face in faces}


def clean(text: str) -> str:
    """Lower-case words, marks and placeholders, one space between them.

    Mojibake is repaired, HTML unescaped, Unicode brought to NFKC; URLs become ``<url>``, mentions ``<user>``; hashtags
    lose their sign and are split at camel case; an emoji or emoticon becomes ``:its name:``; letters repeated more
    than twice are squeezed to two; control and invisible characters go.
    """
    text = text.lstrip()[:LONGEST_READ_CHARS]
    current = _pass(text)
    if _is_settled(text):
        return _cut_to_whole_words(current)
    for _ in range(_MAX_FURTHER_PASSES):
        if _is_settled(current):
            break
        following = _pass(current)
        if following == current:
            break
        current = following
    return _cut_to_whole_words(current)


def _cut_to_whole_words(cleaned: str) -> str:
    """The first `LONGEST_READ_CHARS`, in whole words: names of emoji and NFKC can make a text longer than it was."""
    if len(cleaned) <= LONGEST_READ_CHARS:
        return cleaned
    words, _, _ = cleaned[: LONGEST_READ_CHARS + 1].rpartition(" ")
    return words or cleaned[:LONGEST_READ_CHARS]


def _is_settled(text: str) -> bool:
    """Whether another pass changes nothing; elsewhere what one step takes away can uncover work for another."""
    return (
        text.isascii()
        and not ("&" in text or "@" in text or "#" in text or "/" in text or "\\" in text)
        and "www" not in text.lower()
    )


def _pass(text: str) -> str:
    """All steps once, in order."""
    if not text.isascii():
        text = _with_ascii_forms(text) or _repair(text)
    if "&" in text:
        text = _unescape(text)
    if not text.isascii():
        text = _to_plain_unicode(text)
    if not (text.isascii() and text.isprintable()):
        text = _UNSEEN.sub("", text)
    if "/" in text or "www." in text.lower():
        text = _URL.sub(f" {URL} ", text)
    if "&" in text:
        text = text.replace("&", " & ")  # alone it is no entity any more
    if "@" in text:
        text = _USER.sub(f" {USER} ", text)
    if "#" in text:
        text = _HASHTAG.sub(_split_hashtag, text)
    return _squeeze(text.lower().replace("\\n", " "))


def _squeeze(text: str) -> str:
    """Elongations shortened, emoticons named, one space between words."""
    is_ascii = text.isascii()
    if not is_ascii or _LETTER_THRICE.search(text):
        text = _LONG_LETTERS.sub(r"\1\1", text)
    words = text.split()
    if not _WORD_OF_EMOTICON.keys().isdisjoint(words):
        words = [_WORD_OF_EMOTICON.get(word, word) for word in words]
    text = " ".join(words)
    if not is_ascii or _SAME_BYTE_FOUR_TIMES.search(text.encode().translate(None, _ASCII_BUT_MARKS)):
        text = _LONG_MARKS.sub(r"\1\1\1", text)
    return text


def _with_ascii_forms(text: str) -> str | None:
    """A short cut for `_repair` and `_to_plain_unicode` where each character that is not ASCII has a form of its own.

    Quotes and emoji do, see `_ascii_forms`. None for any other text.
    """
    characters, forms = set(_NOT_ASCII.findall(text)), _ascii_forms()
    if "&" in text or not characters <= forms.keys():
        return None
    for character in characters:
        text = text.replace(character, forms[character])
    return text.replace("`", "'")


def _repair(text: str) -> str:
    """Surrogates joined to the character that a pair means, or dropped; mojibake decoded."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "")
    if _MOJIBAKE.search(text):
        text = ftfy.fix_encoding(text)
    return text


def _unescape(text: str) -> str:
    """HTML entities as their characters, twice, since ``&amp;amp;`` occurs."""
    text = _HUGE_ENTITY.sub(" ", _NESTED_AMP.sub("&", text))
    return html.unescape(html.unescape(text))


def _to_plain_unicode(text: str) -> str:
    """Invisible characters dropped, quotes straightened, NFKC, emoji by their names."""
    text = _UNSEEN.sub("", _SURROGATE.sub("", text)).translate(_QUOTES)
    if not text.isascii():
        # Sorting a long run of combining marks is quadratic; four on one letter are more than any language writes.
        text = unicodedata.normalize("NFKC", _mark_run().sub(r"\1", text)).translate(_emoji_names())
    return text


@functools.cache
def _mark_run() -> re.Pattern[str]:
    """A run of more than four combining marks: the characters that Unicode's canonical ordering sorts."""
    codes = range(0x300, _BEHIND_THE_LAST_MARK)
    marks = "".join(chr(code) for code in codes if unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0]))
    return re.compile(f"([{marks}]{{4}})[{marks}]+")


def _split_hashtag(match: re.Match[str]) -> str:
    return f" {_CAMEL.sub(' ', match[1])} "


@functools.cache
def _emoji_names() -> dict[int, str]:
    """Code point -> `` :name: ``; of a sequence each part is named, joiners and skin tones are dropped before."""
    names = {}
    for sequence, data in emoji.EMOJI_DATA.items():
        bare = sequence.replace("\ufe0f", "")
        if len(bare) == 1 and not bare.isascii():
            name = unicodedata.normalize("NFKC", data["en"].strip(":").replace("_", " ").lower())
            names[ord(bare)] = f" :{_ascii_name(name)}: "
    return names


@functools.cache
def _ascii_forms() -> dict[str, str]:
    """Characters that `_to_plain_unicode` replaces by the same ASCII whatever stands beside them, and that ASCII."""
    names = _emoji_names()
    named = {chr(code): name for code, name in names.items() if unicodedata.normalize("NFKC", chr(code)) == chr(code)}
    quotes = {chr(code): plain for code, plain in _QUOTES.items() if code > 127}
    ranges = _RANGE.findall(_UNSEEN_RANGES)
    unseen = (chr(code) for part in ranges for code in range(ord(part[0]), ord(part[-1]) + 1) if code > 127)
    return {**named, **quotes, **dict.fromkeys(unseen, "")}


def _ascii_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9 -]+", "", plain).strip() or "symbol"


def has_words(cleaned: str) -> bool:
    """Whether a cleaned text holds more than placeholders, names of emoji, digits and marks."""
    rest = without_asides(cleaned)
    return rest[:1].isalpha() or any(character.isalpha() for character in rest)


def without_asides(cleaned: str) -> str:
    """A cleaned text without placeholders and names of emoji."""
    if "<" in cleaned or ":" in cleaned:
        # Neighbouring names share no space once one is removed, so each match consumes only itself.
        return _ASIDE.sub(lambda found: "" if found[0] in _names() else found[0], cleaned)
    return cleaned


@functools.cache
def _names() -> frozenset[str]:
    """Placeholders, emoji and emoticons as they stand in a cleaned text."""
    return frozenset((*PLACEHOLDERS, *map(_squeeze, (*_emoji_names().values(), *_EMOTICONS))))


_ID_CASES = (
    "Soooo HAPPY today!!!! #BestDayEver :) \U0001f602",
    "@someone look https://example.org/a?b=1 &amp;amp; tell me &lt;3",
    "It\u2019s don\u2019t caf\u00c3\u00a9 \u2764\ufe0f\u200d\U0001f525 \ud83d line\\nbreak",
    "\uff26\uff55\uff4c\uff4c width\x00 \u200bzero #a_b #NBAFinals2024 www.example.org",
    "awwww...so cute! ewww. pic.twitter.com/x",
)


@functools.cache
def cleaner_id() -> str:
    """Sixteen hex digits that change when `clean` answers differently on fixed cases or the table of emoji changes."""
    outputs = [clean(case) for case in _ID_CASES] + sorted(_emoji_names().values())
    return hashlib.sha256("\n".join(outputs).encode()).hexdigest()[:16]
