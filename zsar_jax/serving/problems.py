"""Errors as a client sees them: a status, one sentence, and every single problem; one shape for all."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from zsar_jax.errors import InputError
from zsar_jax.serving.settings import MOST_TOLD

# Beside these, whatever the path: 400 (no HTTP), 404, 405.
STATUSES = {
  403: "Asked for by another site's page, or by a name that is not this machine's.",
  408: "The upload stalled.",
  413: "Too large.",
  415: "Not a video of a type that is read.",
  422: "Wrong fields, names without a vector, or a video that is too long or cannot be read.",
  429: "As many requests as the server takes are at work; come again after Retry-After seconds.",
  500: "A defect of the server; its log says more.",
  503: "Not ready yet, or shutting down; come again after Retry-After seconds.",
}
RETRY_SECONDS = {429: 2, 503: 5}


class ErrorBody(BaseModel):
  """What every error answers."""

  error: str = Field(description="one sentence")
  problems: list[str] = Field(description="everything that was wrong, one by one; may be empty")


class Refused(Exception):
  """A request that is not answered as asked.

  Args:
    status: of HTTP, one of `STATUSES`.
    error: one sentence.
    problems: everything that is wrong.
  """

  def __init__(self, status: int, error: str, problems: Sequence[str] = ()):
    super().__init__(error)
    self.status, self.error, self.problems = status, error, list(problems)


def wrong_input(error: InputError) -> Refused:
  """An InputError's heading and list as an answer with 422."""
  heading, *problems = str(error).splitlines() or [""]
  lines = [line.strip().removeprefix("- ") for line in problems]
  return Refused(422, heading, lines[:MOST_TOLD])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
  """Their part of the OpenAPI description."""
  return {status: {"model": ErrorBody, "description": STATUSES[status]} for status in statuses}


def answer(
  status: int, error: str, problems: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
  """An error as a response."""
  headers = dict(headers or {})
  if status in RETRY_SECONDS:
    headers["Retry-After"] = str(RETRY_SECONDS[status])
  return JSONResponse({"error": error, "problems": list(problems)}, status, headers)


def install(app: FastAPI) -> None:
  """Gives every error of the app the one shape."""

  @app.exception_handler(Refused)
  async def refused(_: Request, error: Refused) -> JSONResponse:
    return answer(error.status, error.error, error.problems)

  @app.exception_handler(RequestValidationError)
  async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    return answer(422, "the request is not as described in /docs", told(error))

  @app.exception_handler(HTTPException)
  async def http(_: Request, error: HTTPException) -> JSONResponse:
    return answer(error.status_code, str(error.detail), headers=error.headers)


def told(error: ValidationError | RequestValidationError) -> list[str]:
  """What a validation found in the words of the page, without what was given: it may be long or unprintable."""
  found: Sequence[Any]
  if isinstance(error, ValidationError):
    found = error.errors(include_url=False, include_context=True, include_input=False)
  else:
    found = error.errors()
  lines = [_told(one) for one in found[:MOST_TOLD]]
  return lines + ([f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else [])


def _told(one: Mapping[str, Any]) -> str:
  place = [part for part in one["loc"] if part != "body"]
  name = "the body" if not place else _shown(str(place[0]))
  if len(place) > 1 and isinstance(place[1], int):
    name += f", number {place[1] + 1}"
  context = one.get("ctx", {})
  reasons = {
    "missing": "is missing", "extra_forbidden": "is not known", "int_parsing": "is no whole number", "int_type": "is no whole number",
    "int_from_float": "is no whole number", "bool_parsing": "is neither true nor false", "string_type": "is no text",
    "list_type": "is no list", "json_invalid": "is no JSON", "string_too_long": "has more than {max_length} letters",
    "greater_than_equal": "must be {ge} or more", "less_than_equal": "must be {le} or less", "too_long": "has more than {max_length} names",
  }  # fmt: skip
  reason = reasons.get(one["type"])
  return f"{name}: {one['msg']}" if reason is None else f"{name} {reason.format_map(context)}"


def _shown(key: str) -> str:
  """A field's name as it is, whatever else somebody sends in quotes and not at length."""
  return key if key.isidentifier() and len(key) <= 60 else repr(key[:60])
