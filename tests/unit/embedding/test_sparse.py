from carrel.embedding.sparse import AVERAGE_LENGTH, Bm25Encoder


def test_a_query_weighs_each_distinct_stem_once() -> None:
    vector = Bm25Encoder().embed_query("printers printer printers")
    assert vector.values == [1.0]


def test_inflected_words_share_a_stem_and_stop_words_have_none() -> None:
    terms = Bm25Encoder().terms
    assert terms("the refunds of customers") == terms("customer refund")
    assert terms("what is the") == frozenset()


def test_stems_and_stop_words_are_those_of_the_language() -> None:
    german = Bm25Encoder("german").terms
    assert german("die Verträge") == german("Vertrag")
    assert Bm25Encoder().terms("die Verträge") != Bm25Encoder().terms("Vertrag")


def test_a_repeated_stem_weighs_more_but_not_twice_as_much() -> None:
    encoder = Bm25Encoder()
    (once,) = encoder.embed_document("refund").values
    (twice,) = encoder.embed_document("refund refund").values
    assert once < twice < 2 * once


def test_a_stem_weighs_less_in_a_longer_text() -> None:
    encoder = Bm25Encoder()
    short = encoder.embed_document("refund")
    filler = " ".join(f"word{number}" for number in range(int(2 * AVERAGE_LENGTH)))
    long = encoder.embed_document(f"refund {filler}")
    weights = dict(zip(long.indices, long.values, strict=True))
    assert weights[short.indices[0]] < short.values[0]


def test_documents_are_encoded_in_order() -> None:
    encoder = Bm25Encoder()
    texts = ["alpha", "beta gamma", ""]
    assert encoder.embed_documents(texts) == [encoder.embed_document(text) for text in texts]
    assert encoder.embed_document("").indices == []


def test_a_query_holds_synonyms_with_less_weight_than_its_own_words() -> None:
    bm25 = Bm25Encoder()
    query = bm25.embed_query("refunds")
    (refund,), back = bm25.terms("refund"), bm25.terms("money back")
    weights = dict(zip(query.indices, query.values, strict=True))
    assert weights[refund] == 1.0
    assert all(0 < weights[stem] < 1 for stem in back)
