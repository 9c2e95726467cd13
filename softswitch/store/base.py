"""The MetaData that every table lives in, and the declarative base of the models."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from billing.schema import define

# Names that migrations can rely on, in both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all models; relationships, where there are any, are ``lazy="raise"``."""

    metadata = MetaData(naming_convention=NAMING)


billing_tables = define(Base.metadata)
