import pytest

from carrel.embedding.keywords import Keywords, document_language
from carrel.embedding.languages import (
    LANGUAGES,
    language_of,
    language_within,
    likely_languages,
)
from carrel.embedding.sparse import Bm25Encoder

TEXTS = {
    "arabic": "يمكن للعملاء إرجاع المنتجات خلال ثلاثين يوما من تاريخ الشراء مع إيصال",
    "danish": "Kunder kan returnere varer inden for tredive dage efter købet, hvad de nu end har "
    "købt af os, og pengene bliver givet tilbage af den, der solgte dem; hvorfor, er meget enkelt.",
    "dutch": "Klanten kunnen hun aankoop binnen dertig dagen terugsturen, maar alleen als zij de "
    "bon nog hebben.",
    "english": "Customers may return what they bought within thirty days of the delivery.",
    "finnish": "Asiakas voi palauttaa tuotteen, mutta vain jos hänellä on kuitti eikä se ole rikki",
    "french": "Les clients peuvent retourner leurs achats dans les trente jours de la livraison.",
    "german": "Kunden können ihre Einkäufe innerhalb von dreißig Tagen nach der Lieferung "
    "zurückgeben.",
    "greek": "Οι πελάτες μπορούν να επιστρέψουν τα προϊόντα μέσα σε "  # noqa: RUF001 - Greek
    "τριάντα ημέρες από την αγορά",
    "hungarian": "A vásárlók harminc napon belül visszaküldhetik az árut, ha azt nem használták.",
    "italian": "I clienti possono restituire gli acquisti entro trenta giorni dalla consegna, ma "
    "non gli articoli che sono stati usati.",
    "norwegian": "Kunder kan returnere varer innen tretti dager etter kjøpet, men bare hvis de "
    "ikke har blitt brukt, og hun må ha med seg kvitteringen.",
    "portuguese": "Os clientes podem devolver as suas compras em até trinta dias após a entrega, "
    "mas não os artigos que já foram usados.",
    "romanian": "Clienții pot returna produsele în termen de treizeci de zile de la livrare, dar "
    "numai dacă nu au fost folosite.",
    "russian": "Покупатели могут вернуть товар в течение тридцати дней после доставки, если он не "
    "был в употреблении.",
    "spanish": "Los clientes pueden devolver sus compras en los treinta días posteriores a la "
    "entrega, pero no los artículos que ya han usado.",
    "swedish": "Kunderna kan returnera sina köp inom trettio dagar efter leverans, men inte om de "
    "har använts.",
    "turkish": "Müşteriler ürünleri teslimattan sonra otuz gün içinde iade edebilir, ama "
    "kullanılmış olanlar için bu mümkün değil.",
}


def test_every_language_has_a_text_here() -> None:
    assert set(TEXTS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_or_two_tell_the_language(language: str) -> None:
    assert language_of(TEXTS[language]) == language


def test_a_text_that_tells_nothing_is_taken_for_english() -> None:
    assert language_of("") == "english"
    assert language_of("1234 5678 ;;; ACME GmbH") == "english"


def test_a_passage_has_the_language_of_its_document_unless_it_clearly_has_another() -> None:
    assert language_within("Berlin 1989, 2001", "german") == "german"
    assert language_within("Berlin, the capital", "german") == "german"
    english = "This is what they have to do when it is not where it was, and who they are."
    assert language_within(english, "german") == "english"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How long do refunds take?", "english"),
        ("Wer gewann den Super Bowl?", "german"),
        ("Wie viele Tage dauert eine Erstattung?", "german"),
        ("Combien de temps prend un remboursement ?", "french"),
        ("¿Cuántos días tarda un reembolso?", "spanish"),
        ("Сколько дней занимает возврат?", "russian"),
        ("Hoeveel dagen duurt een terugbetaling?", "dutch"),
    ],
)
def test_a_question_is_likely_in_its_language(question: str, language: str) -> None:
    assert language in likely_languages(question)
    assert len(likely_languages(question)) <= 3


def test_a_question_of_bare_keywords_may_be_in_any_language() -> None:
    assert likely_languages("Kündigungsfrist Verträge") == LANGUAGES


def test_a_documents_language_is_read_from_all_its_parts() -> None:
    imprint = ["Copyright and all the rights of the owner are reserved"]
    assert document_language(imprint + [TEXTS["german"]] * 40) == "german"


def stems(language: str, text: str) -> set[int]:
    return set(Bm25Encoder(language).embed_document(text).indices)


def test_each_chunk_is_stored_by_the_stems_of_its_language() -> None:
    [vector] = Keywords().embed_documents(["Die Verträge der Kunden"], "german")
    assert set(vector.indices) == stems("german", "Vertrag Kunde")


def test_a_question_finds_the_stems_of_chunks_in_its_language() -> None:
    keywords = Keywords()
    for question, language, text in (
        ("Wann enden die Verträge?", "german", "Vertrag"),
        ("When do the contracts end?", "english", "contract"),
        ("Verträge", "german", "Vertrag"),  # in whichever language it is
    ):
        assert stems(language, text) <= set(keywords.embed_query(question).indices)


def test_a_question_in_a_known_language_has_no_stems_of_another() -> None:
    question = "How long do the refunds of customers take?"
    asked = Keywords().embed_query(question)
    english = Bm25Encoder().embed_query(question)
    assert dict(zip(asked.indices, asked.values, strict=True)) == dict(
        zip(english.indices, english.values, strict=True)
    )


def test_question_and_passage_are_compared_by_the_stems_of_the_question() -> None:
    keywords = Keywords()
    assert keywords.for_question("Wann enden die Verträge?").terms("Vertrag") == stems(
        "german", "Vertrag"
    )
    assert keywords.for_question("contracts").terms("contract") == stems("english", "contract")
