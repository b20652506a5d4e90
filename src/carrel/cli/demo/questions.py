"""The demo's questions: each is put to both tenants, and each tenant must give its own answer.

What a correct answer must contain stands nowhere in the other tenant's
documents, so an answer that passes can't have come from them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question, and text that a correct answer of each tenant contains.

    None: the tenant's documents hold no answer, and it must say so.
    """

    question: str
    acme_contains: str | None
    globex_contains: str | None


QUESTIONS: tuple[DemoQuestion, ...] = (
    DemoQuestion(
        "Within how many days can customers ask for a refund?",
        acme_contains="30 days",
        globex_contains="14 days",
    ),
    DemoQuestion(
        "What is the price of the Pro plan per month?",
        acme_contains="$89",
        globex_contains="€240",
    ),
    DemoQuestion(
        "What are the support hours?",
        acme_contains="07:00 to 19:00",
        globex_contains="06:00 to 22:00",
    ),
    DemoQuestion(
        "Who is called when the on-call engineer does not answer?",
        acme_contains="Priya Raman",
        globex_contains="Joost van Dijk",
    ),
    DemoQuestion(
        "Who approves purchases above 10,000?",
        acme_contains="Maria Lindqvist",
        globex_contains="Tomas Okafor",
    ),
    DemoQuestion(
        "How many weeks of parental leave do employees get?",
        acme_contains="16 weeks",
        globex_contains="22 weeks",
    ),
    DemoQuestion(
        "What is the API rate limit?",
        acme_contains="600 requests per minute",
        globex_contains="250 requests per minute",
    ),
    DemoQuestion(
        "What uptime is promised?",
        acme_contains="99.9%",
        globex_contains="99.95%",
    ),
    DemoQuestion(
        "What is the print resolution of the LX-600?",
        acme_contains="600 dpi",
        globex_contains=None,
    ),
    DemoQuestion(
        "How long does the battery of a RoadLink tracker last?",
        acme_contains=None,
        globex_contains="five years",
    ),
)
