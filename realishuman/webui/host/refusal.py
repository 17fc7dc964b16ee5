"""A wrong value, as the exception that the hosts' APIs answer with status 422.

Forge knows no exception but FastAPI's own; every other is status 500 there, without a word.
"""

from __future__ import annotations

from realishuman.webui.field import FieldError


def refusal(error: FieldError) -> Exception:
    """The exception to raise; on the page it reads as its sentence."""
    from fastapi import HTTPException

    # FastAPI's own says nothing when it is shown as text, or only its status
    kind = type("WrongValue", (HTTPException,), {"__str__": lambda _self: str(error)})
    detail = {"field": error.name, "allowed": error.allowed, "message": str(error)}
    made: Exception = kind(status_code=422, detail=detail)
    return made
