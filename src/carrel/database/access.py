"""Which documents there are, and which a caller may see: conditions on the table `documents`.

A document of no group is everyone's, within its tenant. It is the one place in
SQL that knows of groups, as `vectors.schema.seen_by` is for points.
"""

from collections.abc import Collection

from sqlalchemy import BindParameter, ColumnElement, String, and_, bindparam, exists, or_

from carrel.database.tables import document_groups as granted
from carrel.database.tables import documents

_of_document = and_(
    granted.c.tenant_id == documents.c.tenant_id, granted.c.document_id == documents.c.id
)


# Some version of the document was not deleted.
is_there = documents.c.newest_version > documents.c.deleted_through


def seen_by(groups: Collection[str] | None = None) -> ColumnElement[bool]:
    """True for documents of no group, and for those of one of *groups*.

    Without an argument the groups are the statement's parameter `groups`.
    """
    value = None if groups is None else list(groups)
    names: BindParameter[str] = bindparam("groups", value=value, type_=String(), expanding=True)
    return or_(
        ~exists().where(_of_document),
        exists().where(_of_document, granted.c.group.in_(names)),
    )
