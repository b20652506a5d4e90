"""Questions about points, as a shard answers them, and as nothing does."""

from carrel.vectors.edge import wire
from carrel.vectors.edge.shard import Shard


def answer(question: wire.Question, shard: Shard) -> wire.Reply:
    """What *shard* answers."""
    match question:
        case wire.Search():
            return shard.search(question)
        case wire.Fetch():
            return shard.fetch(question)
        case wire.Count():
            return wire.Counted(shard.count(question))
        case wire.Inventory():
            return shard.inventory(question)
        case wire.Read():
            return shard.read(question)


def answer_nothing(question: wire.Question) -> wire.Reply:
    """What a collection that is not there answers: the same as an empty one."""
    match question:
        case wire.Search():
            return wire.Found([], [])
        case wire.Fetch():
            return wire.Fetched({})
        case wire.Count():
            return wire.Counted(0)
        case wire.Inventory():
            return wire.Inventoried([], None)
        case wire.Read():
            return wire.Whole([])
