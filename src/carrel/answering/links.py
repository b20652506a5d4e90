"""Links of an answer: those that its sources hold stay, all others are taken out.

A model can be talked into writing a link by a document that it reads. Whatever it
writes, no image is left to load, and no address that a source does not hold.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator

REMOVED = "[link removed]"
_ROUNDS = 8  # a link within a link's text shows once the inner one is gone

# Endings that chat interfaces make links of, without a scheme before the name.
_TLD = (
    r"(?:com|net|org|info|biz|edu|gov|mil|int|name|pro|shop|app|dev|io|ai|co|me|xyz|site|online"
    r"|top|club|link|live|cloud|tech|store|click|page|zip|mov|example|test|invalid|onion"
    r"|de|at|ch|uk|eu|fr|es|it|nl|be|pl|ru|cn|in|jp|br|us|ca|au)"
)
_REST = r"""[^\s<>"'`|()\[\]]"""  # of an address, up to what may enclose it
_ADDRESS = rf"""
      (?:[a-z][a-z0-9+.-]{{0,15}}:)? [/\\]{{2}} (?:\[[^\s\]]+\]|{_REST})
          {_REST}* (?:\([^\s()]*\){_REST}*)*
    | www\.{_REST}+
    | (?<![\w.+%-]) (?:mailto:|tel:)? [\w.+%-]+ @ [\w-]+ (?:\.[\w-]+)+
    | (?<![\w-]) (?:[\w-]+\.)+
      (?: {_TLD} (?![\w-]) (?:[:/?\#]{_REST}*)? | [a-z]{{2,}} / {_REST}+ )
"""
_TAG = (
    r"</?(?:a|img|iframe|frame|object|embed|script|link|base|meta|form|input|button|video|audio"
    r"|source|track|svg|image|style|area|body|table|td|div|span|p|input|portal|math)\b[^>]*>?"
)
_LINK = re.compile(
    rf"""
      (?P<inline> (?P<image>!?) \[ (?P<text> (?:[^\[\]] | \[[^\[\]]*\]){{0,400}} ) \]
          \( (?P<target> [^()]* (?:\([^()]*\)[^()]*)* ) \)? )
    | (?P<shown> !\[ (?P<alt> [^\[\]]{{0,400}} ) \] (?:\[[^\[\]]*\])? )
    | (?P<open> \]\( (?P<rest> [^()\s]* ) [^()]* \)? )
    | (?P<defined> ^[ ]{{0,3}} \[ [^\[\]\n]+ \]: [ \t]* (?P<definition> \S+ ) )
    | (?P<tag> {_TAG} )
    | (?P<auto> < (?P<inside> [a-z][a-z0-9+.-]*: [^\s<>]* ) >? )
    | (?P<address> {_ADDRESS} )
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_SIGN = re.compile(r"[(!<:/\\@.]")
_ADDRESSES = re.compile(_ADDRESS, re.IGNORECASE | re.VERBOSE)
_ENDING = re.compile(r"[.,;:!?*_~]+$")
_SCHEME = re.compile(r"^(?:(?:https?:)?[/\\]{2}|mailto:)(?:www\.)?|^www\.", re.IGNORECASE)


def addresses(text: str) -> Iterator[str]:
    """The addresses that *text* names (of pages and of mailboxes), in one spelling."""
    for found in _ADDRESSES.finditer(text):
        yield spelled(found[0])


def spelled(address: str) -> str:
    """*address* in the spelling that compares: without scheme, `www.`, or what ends a sentence."""
    plain = _ENDING.sub("", html.unescape(address).strip().strip("<>"))
    return _SCHEME.sub("", plain).rstrip("/").casefold()


def may_link(text: str) -> bool:
    """Whether *text* could hold a link at all: none is without one of these signs."""
    return _SIGN.search(text) is not None


def without_foreign(
    text: str, allowed: Iterable[str], *, in_code: bool = False, fenced: bool = False
) -> str:
    """*text* without images, and without links to any but the *allowed* addresses (`spelled`).

    A link with a text of its own leaves that text; a bare one leaves `REMOVED`. HTML tags
    that load or link something go, but for those in code, which no one renders: *text* may begin
    *in_code*, or be within a *fenced* block.
    """
    known = frozenset(allowed)
    clean = _Cleaner(known, in_code=in_code, fenced=fenced)
    for _ in range(_ROUNDS):
        again = _LINK.sub(clean, text)
        if again == text:
            return text
        text = again
    return _LINK.sub("", text)  # nested deeper than any honest answer


class _Cleaner:
    """What is left of each link."""

    def __init__(self, known: frozenset[str], *, in_code: bool, fenced: bool) -> None:
        self._known = known
        self._in_code = in_code
        self._fenced = fenced
        self._by_kind: dict[str, Callable[[re.Match[str]], str]] = {
            "inline": self._inline,
            # What was put in place of an address, after an exclamation mark, is no image.
            "shown": lambda link: REMOVED if f"[{link['alt']}]" == REMOVED else link["alt"],
            "open": lambda link: link[0] if self._may(link["rest"]) else "]",
            "defined": self._defined,
            "tag": self._tag,
            "auto": lambda link: link[0] if self._may(link["inside"]) else REMOVED,
            "address": self._address,
        }

    def __call__(self, link: re.Match[str]) -> str:
        kind = next(name for name in self._by_kind if link[name] is not None)
        return self._by_kind[kind](link)

    def _tag(self, link: re.Match[str]) -> str:
        ticks = link.string.count("`", 0, link.start())
        return link[0] if self._fenced or (ticks % 2 == 1) != self._in_code else " "

    def _may(self, target: str) -> bool:
        return spelled(target) in self._known

    def _inline(self, link: re.Match[str]) -> str:
        words = link["target"].split(maxsplit=1)
        if link["image"] or not words or not self._may(words[0]):
            return link["text"]
        return link[0]

    def _defined(self, link: re.Match[str]) -> str:
        target = _ENDING.sub("", link["definition"])
        if self._may(target) or not re.search(r"[/\\.:@?#]", target):
            return link[0]
        return link[0].removesuffix(link["definition"]) + REMOVED

    def _address(self, link: re.Match[str]) -> str:
        if self._may(link[0]):
            return link[0]
        ending = _ENDING.search(link[0])
        return REMOVED + (ending[0] if ending else "")
