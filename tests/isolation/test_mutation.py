import pytest
from tests.isolation.mutation import SOURCE, Misfit, Mutation
from tests.isolation.predicates import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.predicate)
def test_each_predicate_that_can_be_removed_is_there(mutation: Mutation) -> None:
    text = (SOURCE / mutation.path).read_text()
    mutated = mutation.apply(text)
    assert mutated != text
    compile(mutated, mutation.path, "exec")


def test_no_predicate_is_listed_twice() -> None:
    assert len({mutation.predicate for mutation in MUTATIONS}) == len(MUTATIONS)


def test_an_edit_that_fits_nowhere_is_an_error() -> None:
    mutation = Mutation("none", "", "def a(", "x == y")
    for text in ("def b(): x == y", "def a(): pass\ndef b(): x == y", "def a(): x == y or x == y"):
        with pytest.raises(Misfit):
            mutation.apply(text)
    assert mutation.apply("def a(): x == y") == "def a(): "
