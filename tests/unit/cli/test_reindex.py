from collections import deque

from aiohttp import web


def moves(fake) -> list[str]:
    """The tenants whose moves were asked for."""
    return [
        path.split("/")[3] for _, path, body in fake.requests if path.endswith("/moves") and body
    ]


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


def test_documents_that_were_cut_otherwise_are_cut_again(carrel, fake):
    some = [{"left": 2}, {"left": 1, "waiting": 1, "queued": 1}, {"left": 1}]
    others = [{"waiting": 1, "queued": 1}, {"waiting": 1}, {}]
    fake.chunking = deque([*some, *others])
    done = carrel("reindex")
    assert done.status == 0
    assert "Cut 2 documents of 1 tenants again." in done.out


def test_documents_whose_newest_version_failed_are_counted(carrel, fake):
    fake.chunking.appendleft({"failed": 3})
    done = carrel("reindex")
    assert done.status == 1
    assert "ten_1 (acme): 3 documents" in done.err


def test_workers_that_cut_otherwise_are_told_of_rather_than_asked_for_ever(carrel, fake):
    fake.chunking = deque([{"left": 3, "queued": 3}])
    done = carrel("reindex")
    assert done.status == 1
    assert "CARREL_INGESTION__CHUNK_" in done.err
