from aiohttp import web


def moves(fake) -> list[str]:
    """The tenants whose moves were asked for."""
    return [path.split("/")[3] for method, path, _ in fake.requests if method == "POST"]


def test_tenants_of_another_embedder_are_moved_to_where_they_are(carrel, fake):
    fake.embedder = "onnx:better:9"
    fake.add_tenant("new")
    fake.move_ends = {"status": "done", "report": {"chunks": 1234}}
    done = carrel("reindex")
    assert done.status == 0
    assert moves(fake) == ["ten_1"], "the other one has the embedder already"
    assert fake.requests[2][2] == {"isolation": "shared", "server": None}
    assert "1,234 chunks of 1 tenants with onnx:better:9" in done.out
    assert "CARREL_PREVIOUS_EMBEDDER__" in done.out


def test_nothing_is_done_where_nothing_is_left(carrel, fake):
    done = carrel("reindex")
    assert done.status == 0
    assert "nothing to do" in done.out
    assert moves(fake) == []


def test_a_move_under_way_is_joined(carrel, fake):
    fake.embedder = "onnx:better:9"
    fake.move = {"id": "mov_1", "isolation": "shared", "status": "copying"}
    fake.move_ends = {"status": "done", "report": {"chunks": 5}}
    conflict = {"error": {"code": "conflict", "message": "the tenant is being moved"}}
    answers = iter([None, None, web.json_response(conflict, status=409)])
    fake.refuse = lambda: next(answers, None)
    done = carrel("reindex")
    assert done.status == 0
    assert "5 chunks" in done.out


def test_a_tenant_that_fails_is_named_and_the_others_go_on(carrel, fake):
    fake.embedder = "onnx:better:9"
    fake.move_ends = {"status": "failed", "error": "the document is not whole"}
    done = carrel("reindex", "--at-once", "2")
    assert done.status == 1
    assert "ten_1 (acme): the document is not whole" in done.err
