"""The endpoints."""

import asyncio
import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

import zsar_jax
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving import answers, openapi, problems
from zsar_jax.serving.guard import Guard
from zsar_jax.serving.settings import Settings
from zsar_jax.serving.shapes import Classified, Health, Model, Names, NamesChecked
from zsar_jax.serving.work import Work

STATIC = pathlib.Path(__file__).parent / "static"
CLIENT_GONE = 499  # nobody reads it; the log and the metrics do


def make_app(recognizer: Recognizer, settings: Settings) -> tuple[FastAPI, Work]:
  """The ASGI app and what works behind it. Nothing starts before the app's lifespan does."""
  work = Work(recognizer, settings)

  @contextlib.asynccontextmanager
  async def lifespan(_: FastAPI):
    async with work.open():
      yield

  app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
  problems.install(app)
  openapi.install(app, f"zsar-jax: {recognizer.bundle.facts.name}", zsar_jax.__version__)
  _add_pages(app)
  _add_endpoints(app, work)
  _add_probes(app, work)
  app.add_middleware(Guard, metrics=work.metrics, settings=settings, stopping=lambda: work.stopping)
  return app, work


def _add_pages(app: FastAPI) -> None:
  app.mount("/static", StaticFiles(directory=STATIC))

  @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
  async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


def _add_endpoints(app: FastAPI, work: Work) -> None:
  @app.post(
    "/v1/classify",
    response_model=Classified,
    responses=problems.responses(403, 408, 413, 415, 422, 429, 500, 503),
    openapi_extra=openapi.form_body(),
    tags=["videos"],
    summary="Name a video among classes",
  )
  async def classify(request: Request) -> Any:
    try:
      answer = await work.classify(request)
      return await _written(lambda: answers.classified(work.recognizer.bundle, answer))
    except ClientDisconnect:
      return Response(status_code=CLIENT_GONE)

  @app.post(
    "/v1/classes",
    response_model=NamesChecked,
    responses=problems.responses(403, 408, 413, 422, 429, 500, 503),
    openapi_extra=openapi.json_body(Names),
    tags=["videos"],
    summary="Look at class names before a video is sent",
  )
  async def classes(request: Request) -> Any:
    try:
      found = await work.check_names(request)
      return await _written(lambda: found)
    except ClientDisconnect:
      return Response(status_code=CLIENT_GONE)

  @app.get(
    "/v1/model", tags=["videos"], responses=problems.responses(403), summary="The model and the limits"
  )
  async def model() -> Model:
    return answers.model(work.recognizer.bundle, work.settings)


async def _written(make: Callable[[], BaseModel]) -> Response:
  """What `make` makes, as JSON; in a thread, for a thousand names take long."""
  return Response(await asyncio.to_thread(lambda: make().model_dump_json()), media_type="application/json")


def _add_probes(app: FastAPI, work: Work) -> None:
  described: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": problems.STATUSES[503]},
    **problems.responses(403),
  }

  @app.head("/health", include_in_schema=False)
  @app.get(
    "/health", tags=["server"], response_model=Health, responses=described, summary="Whether videos are taken"
  )
  async def health() -> JSONResponse:
    ready = work.ready and not work.stopping
    return JSONResponse({"live": True, "ready": ready}, 200 if ready else 503)

  text = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}

  @app.get(
    "/metrics",
    response_class=Response,
    responses={200: text, **problems.responses(403)},
    tags=["server"],
    summary="Counts and times for Prometheus",
  )
  async def metrics() -> Response:
    return Response(work.metrics.text(), media_type=work.metrics.content_type)
