from carrel.domain.ids import new_id


def test_ids_differ_and_sort_by_the_time_of_their_making():
    made = [new_id("doc") for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(each.startswith("doc_") and len(each) == 30 for each in made)
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)
