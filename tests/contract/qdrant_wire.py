"""A gRPC server that answers as Qdrant does, out of the client's local mode.

The adapter's requests cross a real connection and are decoded from real messages, so what gRPC
makes of dates, numbers and names is tested; what a server makes of them is not.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from qdrant_client import grpc as wire
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from tests.contract.local_qdrant import LocalQdrant


class WireQdrant(wire.PointsServicer, wire.CollectionsServicer, wire.QdrantServicer):
    """The server's three services. `failure` is what each request on points meets, if set."""

    def __init__(self, version: str = "1.20.0") -> None:
        self.local = LocalQdrant(version)
        self.messages: list[Any] = []
        self.peers: set[str] = set()
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.failures_left = 10**9
        self.retry_after: str | None = None
        self.silent = False

    async def HealthCheck(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.HealthCheckReply(title="qdrant", version=(await self.local.info()).version)

    async def CollectionExists(self, request: Any, context: Any) -> Any:  # noqa: N802
        exists = await self.local.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        if await self.local.collection_exists(request.collection_name):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "already exists")
        self.messages.append(request)
        await self.local.create_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(
                request.sparse_vectors_config
            ),
        )
        return wire.CollectionOperationResponse(result=True)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802
        info = await self.local.get_collection(request.collection_name)
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    async def CreateFieldIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._done(request, context)

    async def Upsert(self, request: Any, context: Any) -> Any:  # noqa: N802
        done = await self._done(request, context)
        await self.local.upsert(
            request.collection_name,
            [GrpcToRest.convert_point_struct(point) for point in request.points],
            update_filter=GrpcToRest.convert_filter(request.update_filter),
        )
        return done

    async def SetPayload(self, request: Any, context: Any) -> Any:  # noqa: N802
        done = await self._done(request, context)
        await self.local.set_payload(
            request.collection_name,
            payload=GrpcToRest.convert_payload(request.payload),
            points=GrpcToRest.convert_points_selector(request.points_selector),
        )
        return done

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Of points, or of a collection: two services with one name for it.
        if isinstance(request, wire.DeleteCollection):
            self.messages.append(request)
            done = await self.local.delete_collection(request.collection_name)
            return wire.CollectionOperationResponse(result=done)
        done = await self._done(request, context)
        await self.local.delete(
            request.collection_name, GrpcToRest.convert_points_selector(request.points)
        )
        return done

    async def QueryBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._heard(request, context)
        found = await self.local.query_batch_points(
            request.collection_name,
            [GrpcToRest.convert_query_points(query) for query in request.query_points],
        )
        results = [
            wire.BatchResult(result=[RestToGrpc.convert_scored_point(p) for p in each.points])
            for each in found
        ]
        return wire.QueryBatchResponse(result=results)

    async def Scroll(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._heard(request, context)
        records, following = await self.local.scroll(
            request.collection_name,
            scroll_filter=GrpcToRest.convert_filter(request.filter),
            limit=request.limit,
            offset=(
                GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None
            ),
            with_payload=GrpcToRest.convert_with_payload_selector(request.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return wire.ScrollResponse(
            result=[RestToGrpc.convert_retrieved_point(record) for record in records],
            next_page_offset=(
                None if following is None else RestToGrpc.convert_extended_point_id(following)
            ),
        )

    async def Count(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._heard(request, context)
        counted = await self.local.count(
            request.collection_name, GrpcToRest.convert_filter(request.filter), exact=request.exact
        )
        return wire.CountResponse(result=wire.CountResult(count=counted.count))

    async def _done(self, request: Any, context: Any) -> Any:
        await self._heard(request, context)
        result = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
        return wire.PointsOperationResponse(result=RestToGrpc.convert_update_result(result))

    async def _heard(self, request: Any, context: Any) -> None:
        self.messages.append(request)
        self.peers.add(context.peer())
        if self.silent:
            await asyncio.Event().wait()
        if self.failure and self.failures_left:
            self.failures_left -= 1
            if self.retry_after:
                context.set_trailing_metadata((("retry-after", self.retry_after),))
            await context.abort(*self.failure)


class _Door:
    """Asks every caller for the API key, where there is one, and passes local mode's errors on.

    gRPC has interceptors for this; they leave cycles behind, collected in some later test.
    """

    def __init__(self, qdrant: WireQdrant, api_key: str | None) -> None:
        self._qdrant = qdrant
        self._api_key = api_key

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._qdrant, name)

        async def answer(request: Any, context: Any) -> Any:
            shown = dict(context.invocation_metadata()).get("api-key")
            if self._api_key not in (None, shown):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key")
            try:
                return await method(request, context)
            except grpc.aio.AioRpcError as error:
                failure = error.code(), error.details()
            return await context.abort(*failure)

        return answer if inspect.iscoroutinefunction(method) else method


@asynccontextmanager
async def listening(
    qdrant: WireQdrant,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    certificate: tuple[bytes, bytes] | None = None,
    api_key: str | None = None,
) -> AsyncIterator[int]:
    """The port of *host* that *qdrant* answers on, with a *certificate* (key, chain) over TLS."""
    server, door = grpc.aio.server(), _Door(qdrant, api_key)
    wire.add_PointsServicer_to_server(door, server)
    wire.add_CollectionsServicer_to_server(door, server)
    wire.add_QdrantServicer_to_server(door, server)
    if certificate is None:
        bound = server.add_insecure_port(f"{host}:{port}")
    else:
        bound = server.add_secure_port(f"{host}:{port}", grpc.ssl_server_credentials([certificate]))
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)
