"""`worker.inference.cleaning.clean` without its short cuts: every step in plain sight, on every text.

The two must agree on every text; bundles name the cleaner that they were trained with.
"""

import functools
import html
import re
import unicodedata

import emoji
import ftfy

URL: str = "<url>"
USER: str = "<user>"
PLACEHOLDERS: tuple[str, ...] = (URL, USER)

LONGEST_READ_CHARS = 4000
_MOST_PASSES = 4

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOJIBAKE = re.compile("[ÂÃâãðÐïëì][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_NESTED_AMP = re.compile(r"&(?:amp;)+", re.IGNORECASE)
_HUGE_ENTITY = re.compile(r"&#(?:\d{8,}|x[0-9a-f]{7,});?", re.IGNORECASE)
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffd\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff\U000e0000-\U000e0fff]"
)
_URL = re.compile(r"(?:https?://|(?<!\w)www\.|pic\.twitter\.com/|\bt\.co/|\bbit\.ly/)[^\s<>]*", re.IGNORECASE)
_USER = re.compile(r"(?<![\w@])@+\w+")
_HASHTAG = re.compile(r"(?<!#)#+(\w+)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|_+")
_LONG_LETTERS = re.compile(r"([^\W\d_])\1{2,}")
_LONG_MARKS = re.compile(r"([^\w\s])\1{3,}")
_MAY_NEED_MORE = re.compile(r"[&@#/\\]|www|[^\x00-\x7f]", re.IGNORECASE)
"""What one step takes away can uncover work for another; a text with none of these is done after one pass."""
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
_EMOTICON = re.compile(
    r"(?<!\S)(?:" + "|".join(re.escape(face) for face in sorted(_WORD_OF_EMOTICON, key=len, reverse=True)) + r")(?!\S)"
)
_EMOTICON_HINT = re.compile(r"[:;=^<>_|]|x[dp]|t\.t|o\.o|-\.-|\(")


def clean(text: str) -> str:
    """Lower-case words, marks and placeholders, one space between them.

    Mojibake is repaired, HTML unescaped, Unicode brought to NFKC; URLs become ``<url>``, mentions ``<user>``; hashtags
    lose their sign and are split at camel case; an emoji or emoticon becomes ``:its name:``; letters repeated more
    than twice are squeezed to two; control and invisible characters go.
    """
    text = text.lstrip()[:LONGEST_READ_CHARS]
    current = _pass(text)
    if not _MAY_NEED_MORE.search(text):
        return _first_words(current)
    for _ in range(_MOST_PASSES):
        following = _pass(current)
        if following == current:
            break
        current = following
    return _first_words(current)


def _first_words(cleaned: str) -> str:
    if len(cleaned) <= LONGEST_READ_CHARS:
        return cleaned
    head = cleaned[:LONGEST_READ_CHARS]
    if cleaned[LONGEST_READ_CHARS] == " " or " " not in head:
        return head
    return head[: head.rindex(" ")]


def _pass(text: str) -> str:
    if not text.isascii():
        text = _repair(text)
    if "&" in text:
        text = _unescape(text)
    if not text.isascii():
        text = _to_plain_unicode(text)
    text = _UNSEEN.sub("", text)
    if "/" in text or "www." in text.lower():
        text = _URL.sub(f" {URL} ", text)
    if "&" in text:
        text = text.replace("&", " & ")  # alone it is no entity any more
    if "@" in text:
        text = _USER.sub(f" {USER} ", text)
    if "#" in text:
        text = _HASHTAG.sub(_split_hashtag, text)
    text = text.lower().replace("\\n", " ")
    text = _LONG_LETTERS.sub(r"\1\1", text)
    if _EMOTICON_HINT.search(text):
        text = _EMOTICON.sub(lambda match: _WORD_OF_EMOTICON[match[0]], text)
    text = _LONG_MARKS.sub(r"\1\1\1", text)
    return " ".join(text.split())


def _repair(text: str) -> str:
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "")
    if _MOJIBAKE.search(text):
        text = ftfy.fix_encoding(text)
    return text


def _unescape(text: str) -> str:
    """Twice, since ``&amp;amp;`` occurs."""
    text = _HUGE_ENTITY.sub(" ", _NESTED_AMP.sub("&", text))
    return html.unescape(html.unescape(text))


def _to_plain_unicode(text: str) -> str:
    text = _UNSEEN.sub("", _SURROGATE.sub("", text)).translate(_QUOTES)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _at_most_four_marks(text)).translate(_emoji_names())
    return text


def _at_most_four_marks(text: str) -> str:
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) else 0
        if run <= 4:
            kept.append(character)
    return "".join(kept)


def _split_hashtag(match: re.Match[str]) -> str:
    return f" {_CAMEL.sub(' ', match[1])} "


@functools.cache
def _emoji_names() -> dict[int, str]:
    """Code point -> `` :name: ``; sequences fall into their parts, whose joiners and skin tones are dropped."""
    names = {}
    for sequence, data in emoji.EMOJI_DATA.items():
        bare = sequence.replace("\ufe0f", "")
        if len(bare) == 1 and not bare.isascii():
            name = unicodedata.normalize("NFKC", data["en"].strip(":").replace("_", " ").lower())
            names[ord(bare)] = f" :{_ascii_name(name)}: "
    return names


def _ascii_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9 -]+", "", plain).strip() or "symbol"
