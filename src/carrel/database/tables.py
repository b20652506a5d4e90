"""The metadata schema. Every row that belongs to a tenant carries its id, first in every index."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on both databases; SQLite stores none of the zone by itself."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("isolation", String(16), nullable=False),
    # The tenant's own Qdrant server, by its name in the settings. One server has one tenant.
    Column("server", String(40), unique=True),
    # The tenant's own collection; null: the one that tenants share.
    Column("collection", String(40)),
    # What made the tenant's vectors: an embedder's identity.
    Column("embedder", String(500), nullable=False),
    Column("status", String(16), nullable=False),
    # The job that the tenant's other jobs wait for.
    Column("held_by", String(64)),
    # The last time that a worker took a job of the tenant: whose is longest ago goes first.
    Column("turn_at", UtcDateTime),
    Column("limits", JSON, nullable=False),
    # What the tenant may keep here, and have in the queue.
    Column("quotas", JSON, nullable=False, server_default="{}"),
    Column("budget", JSON(none_as_null=True)),
    # Whether questions and answers are logged: the tenant's own wish.
    Column("log_content", Boolean, nullable=False, server_default=false()),
    # Whether answers to questions that mean the same are given: off, strict or relaxed.
    Column("semantic_cache", String(16), nullable=False, server_default="off"),
    # Rises with every change of what the tenant's searches can return.
    Column("corpus_version", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

moves = Table(
    "moves",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("isolation", String(16), nullable=False),
    # Where to; what is left behind is known once the move has switched.
    Column("server", String(40)),
    Column("collection", String(40)),
    Column("embedder", String(500), nullable=False),
    Column("left_server", String(40)),
    Column("left_collection", String(40)),
    Column("left_embedder", String(500)),
    Column("status", String(16), nullable=False),
    Column("progress", Float, nullable=False),
    Column("report", JSON, nullable=False),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_moves_tenant_id", "tenant_id"),
)

# What was erased, and what a sweep found afterwards. It outlives the tenant that it tells of.
erasures = Table(
    "erasures",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    # Null: the whole tenant.
    Column("document_id", String(256)),
    Column("status", String(16), nullable=False),
    # How many things there were in each place, and how many the last sweep saw.
    Column("found", JSON, nullable=False),
    Column("left", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_erasures_tenant_id", "tenant_id", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    # No tenant: an admin key.
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE")),
    Column("name", String(200), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("budget", JSON(none_as_null=True)),
    # Set by a rotation, which makes one successor only.
    Column("replaced_by", String(64)),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_keys_tenant_id", "tenant_id"),
)

documents = Table(
    "documents",
    metadata,
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String(256), primary_key=True),
    # The version that searches may show; 0: none yet.
    Column("live_version", Integer, nullable=False),
    Column("newest_version", Integer, nullable=False),
    # Versions up to this one are deleted: invisible at once, removed soon. Numbers are not reused
    # while anything of them is left, so a new upload is never taken for what was deleted.
    Column("deleted_through", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_documents_tenant_id_created_at", "tenant_id", "created_at", "id"),
)

# A document without rows here is for everyone of its tenant.
document_groups = Table(
    "document_groups",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("document_id", String(256), primary_key=True),
    Column("group", String(200), primary_key=True),
    ForeignKeyConstraint(
        ["tenant_id", "document_id"],
        ["documents.tenant_id", "documents.id"],
        ondelete="CASCADE",
        name="fk_document_groups_document",
    ),
)

versions = Table(
    "versions",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("document_id", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    # Empty until the document was fetched from its URL.
    Column("original", String(64), nullable=False),
    Column("url", Text),
    Column("content_hash", String(64), nullable=False),
    Column("title", String(500), nullable=False),
    Column("filename", String(500)),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("metadata", JSON, nullable=False),
    # What its points are published to. A document's groups may be others by then.
    Column("groups", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", Text),
    Column("progress", Float, nullable=False),
    Column("chunks", Integer, nullable=False),
    # How its chunks were cut; null where it has none, or from before this was recorded.
    Column("chunking", String(40)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "document_id"],
        ["documents.tenant_id", "documents.id"],
        ondelete="CASCADE",
        name="fk_versions_document",
    ),
)

chunks = Table(
    "chunks",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("document_id", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("id", String(36), nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("heading", Text, nullable=False),
    Column("content_hash", String(64), nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "document_id", "version"],
        ["versions.tenant_id", "versions.document_id", "versions.version"],
        ondelete="CASCADE",
        name="fk_chunks_version",
    ),
    Index("ix_chunks_tenant_id_id", "tenant_id", "id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    # Of a tenant's jobs the lowest number goes first.
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("run_after", UtcDateTime, nullable=False),
    # Free when null or past. A worker renews its lease while it works.
    Column("lease_until", UtcDateTime),
    Column("lease_owner", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("traceparent", String(55)),
    Index("ix_jobs_run_after", "run_after"),
    Index("ix_jobs_tenant_id", "tenant_id", "document_id"),
    Index("ix_jobs_tenant_id_priority", "tenant_id", "priority", "run_after", "id"),
    Index("ix_jobs_tenant_id_lease_until", "tenant_id", "lease_until"),
)

# Jobs that were given up, and why: an administrator may have them tried again.
dead_jobs = Table(
    "dead_jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("died_at", UtcDateTime, nullable=False),
    Index("ix_dead_jobs_tenant_id", "tenant_id", "document_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", String(64), ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    # Null while the first request is under way.
    Column("document_id", String(256)),
    Column("version", Integer),
    Column("created_at", UtcDateTime, nullable=False),
)

usage_events = Table(
    "usage_events",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("route", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("cache_status", String(16), nullable=False),
    # The answer failed, its reader left, or its process was killed.
    Column("unfinished", Boolean, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("embedding_tokens", BigInteger, nullable=False),
    # Null: the model's price is not known.
    Column("cost_micro_usd", BigInteger),
    Column("saved_micro_usd", BigInteger, nullable=False),
    # The cost is part of them: what was spent is summed without a visit to the rows.
    Index("ix_usage_events_tenant_id_at", "tenant_id", "at", "cost_micro_usd"),
    Index("ix_usage_events_key_id_at", "key_id", "at", "cost_micro_usd"),
    Index("ix_usage_events_at", "at"),
)

# What administrators did. Its rows outlive their tenant, without the details: no foreign key.
audit = Table(
    "audit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(256), nullable=False),
    Column("tenant_id", String(64)),
    Column("details", JSON, nullable=False),
    Column("request_id", String(64)),
    Index("ix_audit_tenant_id_id", "tenant_id", "id"),
)
