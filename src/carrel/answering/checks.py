"""Checks of an answer while it is written: its links and its marks, before anyone reads them.

What has been let through is never taken back, so the text that was streamed is the
answer. Words pass at once. What could be a link or a mark waits, with what follows, until
the next mark is whole, the line ends, or `_LONGEST_WAIT`: only then is it known what
the sentence cites, and whether its link stands there.
"""

import re
from collections.abc import Sequence

from carrel.answering.links import addresses, may_link, without_foreign
from carrel.answering.marks import MARK, numbers_of, said_before, supports, words_of
from carrel.domain.document import Passage
from carrel.lately import Lately

_LONGEST_WAIT = 4_000  # characters

_MARKS = re.compile(rf"(?:{MARK.pattern})+")
_UNDECIDED = re.compile(r"\s?(?:\[[\d,\s]*)?$")  # after a mark: another one may follow
_TRIGGER = re.compile(
    r"\s?\[|\](?=\(|$)|<(?=[a-z/!]|$)|[/\\]{2}|@|\bwww\.|[a-z0-9-]\.[a-z]{2}", re.IGNORECASE
)
# What may belong to a mark, to an image or to an address that is yet to come.
_HELD_BACK = re.compile(r"[\s!]$|(?<!\w)(?:h|ht|htt|https?:?/?|w|ww|www)$", re.IGNORECASE)
# Words after spaces, as most tokens are: nothing begins in them, nor goes on from what was before.
_PLAIN = re.compile(r"(?: [^\W_]+)+,?")
# Of passages that many ask about: it takes longer to find them than all else does.
_known_lately: Lately[str, frozenset[str]] = Lately(1_024)
_held_lately: Lately[tuple[str, str, str], set[str]] = Lately(1_024)
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")


class AnswerChecks:
    """Checks one answer. `links` counts those taken out, `marks` the numbers taken out of marks."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.links = 0
        self.marks = 0
        self._passages = passages
        self._cited: set[int] = set()
        # Of passages that were cited, by number: found once, as it takes longer than all else.
        self._known: dict[int, frozenset[str]] = {}
        self._held: dict[int, set[str]] = {}
        self._waiting = ""
        self._line = ""  # of the line under way, what was let through
        self._fenced = False

    def feed(self, text: str) -> str:
        """What can be shown now that *text* was written: often *text* itself, sometimes nothing."""
        if not self._waiting and _PLAIN.fullmatch(text) and not _HELD_BACK.search(text):
            self._line += text
            return text
        self._waiting += text
        return self._let_through(last=False)

    def close(self) -> str:
        """What was still waiting at the end."""
        return self._let_through(last=True)

    def _let_through(self, *, last: bool) -> str:
        pieces: list[str] = []
        while self._waiting:
            at = self._trigger()
            if at is None:
                held = None if last else _HELD_BACK.search(self._waiting)
                at = held.start() if held else len(self._waiting)
                if at == 0:
                    break
            if at > 0:
                pieces.append(self._pass(self._waiting[:at], self._waiting[:at]))
                continue
            end = self._end(last=last)
            if end is None:
                break
            pieces.append(self._pass(self._waiting[:end], self._checked(self._waiting[:end])))
        return "".join(pieces)

    def _trigger(self) -> int | None:
        """Where the waiting text could begin a link or a mark; None: nowhere."""
        run = self._run()
        text = run + self._waiting
        for found in _TRIGGER.finditer(text):
            # What goes on where something like a link ended may make another of it.
            if found.end() > len(run) or not self._waiting[0].isspace():
                before = text[: found.start() + 1]
                word = max(before.rfind(" "), before.rfind("\n", 0, found.start()))
                return max(word, len(run)) - len(run)
        return None

    def _end(self, *, last: bool) -> int | None:
        """How much of the waiting text is to be checked together; None: more must be known."""
        line_end = self._waiting.find("\n", 1) + 1
        for marks in _MARKS.finditer(self._waiting):
            after = self._waiting[marks.end() :]
            if 0 < line_end <= marks.start():
                break
            if after.startswith("("):
                continue
            if last or not _UNDECIDED.fullmatch(after):
                return marks.end()
            return None
        if line_end:
            return line_end
        return len(self._waiting) if last or len(self._waiting) > _LONGEST_WAIT else None

    def _checked(self, text: str) -> str:
        # A fenced block comes before what is said of it: any source's link may stand there.
        marked = text if self._fenced else self._with_supported_marks(text)
        sources = range(1, len(self._passages) + 1) if self._fenced else self._cited
        run = self._run()
        if not may_link(run + marked):
            return marked
        clean = without_foreign(
            run + marked,
            {each for number in sources for each in self._addresses(number)},
            in_code=self._line.removesuffix(run).count("`") % 2 == 1,
            fenced=self._fenced,
        )
        if clean == run + marked:
            return marked
        self.links += 1
        # A link that began in what is already shown is broken off by what takes its place.
        pairs = enumerate(zip(clean, run, strict=False))
        return clean[next((at for at, (left, right) in pairs if left != right), len(run)) :]

    def _with_supported_marks(self, text: str) -> str:
        """*text* with those marks alone whose source exists and supports what they mark."""

        def kept(mark: re.Match[str]) -> str:
            if self._in_code_at(text[: mark.start()]) or text.startswith("(", mark.end()):
                return mark[0]
            claim = said_before(self._line + text[: mark.start()])
            stay = [number for number in numbers_of(mark) if self._supports(number, claim)]
            self._cited.update(stay)
            if len(stay) == len(numbers_of(mark)):
                return mark[0]
            self.marks += len(numbers_of(mark)) - len(stay)
            space = mark[0][: mark[0].index("[")]
            if stay:
                return f"{space}[{', '.join(map(str, stay))}]"
            return space if text.startswith("[", mark.end()) else ""

        return MARK.sub(kept, text)

    def _supports(self, number: int, claim: str) -> bool:
        if not 1 <= number <= len(self._passages):
            return False
        if number not in self._held:
            passage = self._passages[number - 1]
            key = passage.title, passage.heading, passage.text
            self._held[number] = _held_lately.of(key, lambda: words_of(passage))
        return supports(self._held[number], claim)

    def _in_code_at(self, before: str) -> bool:
        return (self._line + before).rpartition("\n")[2].count("`") % 2 == 1

    def _addresses(self, number: int) -> frozenset[str]:
        if number not in self._known:
            passage = self._passages[number - 1]
            text = f"{passage.title}\n{passage.heading}\n{passage.text}"
            self._known[number] = _known_lately.of(text, lambda: frozenset(addresses(text)))
        return self._known[number]

    def _run(self) -> str:
        """What was let through and may go on as one address: since the last space or mark."""
        word = self._line[max(self._line.rfind(" "), self._line.rfind("\t")) + 1 :]
        *_, end = (0, *(mark.end() for mark in MARK.finditer(word)))
        return word[end:]

    def _pass(self, taken: str, shown: str) -> str:
        self._waiting = self._waiting[len(taken) :]
        *lines, rest = (self._line + shown).split("\n")
        for line in lines:
            if _FENCE.match(line):
                self._fenced = not self._fenced
        self._line = rest
        return shown
