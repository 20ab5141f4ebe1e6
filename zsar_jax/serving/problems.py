"""Errors as a client sees them: a status, one sentence, and every single problem; one shape for all."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from zsar_jax.errors import InputError

STATUSES = {
  403: "Asked for by another site's page, or by a name that is not this machine's.",
  408: "The upload stalled.",
  413: "Too large.",
  415: "Not a video of a type that is read.",
  422: "Wrong fields, names without a vector, or a video that is too long or cannot be read.",
  429: "As many requests as the server takes are at work; come again after Retry-After seconds.",
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
  return Refused(422, heading, [line.strip().removeprefix("- ") for line in problems])


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
    return answer(422, "the request is not as described in /docs", told(error.errors()))

  @app.exception_handler(HTTPException)
  async def http(_: Request, error: HTTPException) -> JSONResponse:
    return answer(error.status_code, str(error.detail), headers=error.headers)

  @app.exception_handler(Exception)
  async def defect(_: Request, __: Exception) -> JSONResponse:
    return answer(500, "the server has a defect; its log says more")


def told(errors: Sequence[Any]) -> list[str]:
  """What a validation found, without what was given: it may be long or unprintable."""
  return [f"{'.'.join(str(part) for part in one['loc'] if part != 'body')}: {one['msg']}".lstrip(": ") for one in errors]  # fmt: skip
