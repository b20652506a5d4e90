from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from carrel.ingestion.token_count import TokenCounter, tokenizer_file

LIMIT = 10_000

exact = Tokenizer.from_file(str(tokenizer_file()))
exact.no_truncation()
exact.no_padding()
count = TokenCounter(LIMIT)

words = st.sampled_from(
    ["Refund", "the", "<unk>", "</s>", "<s>", "返金は", "a_b", "🙂", "\t", "", "12"]
)
separators = st.sampled_from([" ", "  ", "\n", "\n\n", "", " \n "])
texts = st.lists(st.tuples(words, separators)).map(lambda pairs: "".join(w + s for w, s in pairs))


@given(st.one_of(st.text(max_size=200), texts))
@example("")
@example(">1 Kim<unk>================theñ/ fif")
@example("  sasiTRUE </s>ymnasium>ická")
def test_a_count_is_never_below_the_tokenizers_own(text):
    assert count(text) >= len(exact.encode(text).ids)


@given(texts.filter(lambda text: "<" not in text))
def test_a_count_exceeds_the_tokenizers_own_by_the_first_word_at_most(text):
    assert count(text) <= len(exact.encode(text).ids) + 3


@given(texts, texts)
def test_the_counts_of_two_parts_bound_the_count_of_the_whole(first, second):
    assert count(f"{first}\n{second}") <= count(f"{first}\n") + count(second)


def test_above_the_limit_a_count_says_only_that():
    assert TokenCounter(5)("one two three four five six seven") > 5
    assert TokenCounter(5)("x" * 1_000_000) > 5


def test_the_tokenizer_is_read_without_the_weights():
    assert tokenizer_file().name.endswith(".json")
