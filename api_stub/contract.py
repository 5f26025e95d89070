"""What the routes under /api have in common: rows in camel case, ids, pages. Earlier clients read exactly these keys.

Errors need nothing here: `api_stub.problems` gives each of them a `message`, and 400 where /v1 would say 422.
"""

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

LARGEST_ID = 2**31 - 1
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Cursor = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="The last id of the page before.")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
Limit = Annotated[int | None, Query(ge=1, le=200, description="Without it, everything.")]


class Shown(BaseModel):
    """A row as clients see it: these columns and no others, in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Sent(BaseModel):
    """A body as clients send it, in camel case. They send back whole rows, so what is not asked for is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class Success(Shown):
    """It is done."""

    success: bool = True
