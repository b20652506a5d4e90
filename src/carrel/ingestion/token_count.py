"""Token counts, as the default embedder's tokenizer gives them, fast enough to ask all day.

The count of a text is never below the tokenizer's own. The tokenizer merges no
token across a space before a word, a newline, or an ideograph, so a text is
counted piece by piece, and the counts of pieces are remembered.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_IDEOGRAPHS = "\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
_PIECE = re.compile(rf" +[^ \n{_IDEOGRAPHS}]*|\n+|[{_IDEOGRAPHS}]|[^ \n{_IDEOGRAPHS}]+")
_SPECIAL = re.compile(r"</?s>|<unk>")
_LONGEST_TOKEN = 16  # characters, of the 32,000 in the vocabulary: a run of spaces
_REMEMBERED_PIECE = 64  # characters; a longer one is no word, and is not worth its memory
_REMEMBERED_PIECES = 200_000


class TokenCounter:
    """Counts tokens up to a limit.

    The tokenizer is read from the files of `wordllama`, which itself is not
    imported: its weights are not needed for counting.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tokenizer = _tokenizer()
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """How many tokens *text* has; above the limit, only that it is above it."""
        if len(text) > self._limit * _LONGEST_TOKEN:
            return len(text)
        pieces: list[str] = _PIECE.findall(text)
        if not pieces:
            return 1
        known = self._known
        total = 1 + self._first(pieces[0])  # 1: the token that marks the beginning
        for piece in pieces[1:]:
            total += known.get(piece) or self._count(piece)
            if total > self._limit:
                return total
        # Written out in a text, a special token is read as one, and a space is put after it:
        # a token more, and another where the word after it is known without a space alone.
        return total + 2 * len(_SPECIAL.findall(text)) if "<" in text else total

    def _first(self, piece: str) -> int:
        # The tokenizer puts a space before a text. Where the text follows
        # another that space is absent, so the dearer of the two counts.
        return max(self._count(piece), self._count(" " + piece))

    def _count(self, piece: str) -> int:
        count = self._known.get(piece)
        if count is None:
            count = len(self._tokenizer.encode(piece, add_special_tokens=False).ids)
            if len(piece) <= _REMEMBERED_PIECE:
                if len(self._known) >= _REMEMBERED_PIECES:
                    self._known.clear()
                self._known[piece] = count
        return count


def tokenizer_file() -> Path:
    """Where the default embedder's package keeps its tokenizer."""
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0])
    return folder / "tokenizers" / "l2_supercat_tokenizer_config.json"


def _tokenizer() -> "Tokenizer":
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Replace

    tokenizer = Tokenizer.from_file(str(tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    tokenizer.normalizer = Replace(" ", "▁")  # as it was, but for the space put before a text
    return tokenizer
