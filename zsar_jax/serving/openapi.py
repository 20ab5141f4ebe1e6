"""The API's description, and the page that shows it without reaching for another server."""

import pathlib
from typing import Any

import swagger_ui_bundle
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel

from zsar_jax.serving.shapes import Form

VERSION = "3.0.3"  # the newest that the bundled page can show

_ERRORS = (
  "Every error answers in one shape, `error` and `problems`: also 400 (what was sent is no HTTP), 404 (no such address) and 405 (another "
  "method), which any address may answer. An error's answer may close the connection."
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>zsar-jax: the API</title><link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="api"></div><script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/static/docs.js"></script></body></html>
"""


def form_body() -> dict[str, Any]:
  """The part of the description that a streamed form needs written by hand."""
  schema = Form.model_json_schema()
  video = {"type": "string", "format": "binary", "description": "the file; its name's suffix counts"}
  schema["properties"] = {"video": video, **schema["properties"]}
  schema["required"] = ["video", *schema["required"]]
  return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_body(shape: type[BaseModel]) -> dict[str, Any]:
  """The same for a body of JSON that is read within a limit."""
  content = {"application/json": {"schema": shape.model_json_schema()}}
  return {"requestBody": {"required": True, "content": content}}


def install(app: FastAPI, title: str, version: str) -> None:
  """Adds `/docs`, and makes the description one of OpenAPI 3.0."""

  def openapi() -> dict[str, Any]:
    if not app.openapi_schema:
      made = get_openapi(
        title=title, version=version, openapi_version=VERSION, routes=app.routes, description=_ERRORS
      )
      app.openapi_schema = _as_older(made)
    return app.openapi_schema

  app.openapi = openapi  # type: ignore[method-assign]
  for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
    _add_file(app, name)

  @app.get("/docs", include_in_schema=False)
  async def docs() -> HTMLResponse:
    return HTMLResponse(_PAGE)


def _add_file(app: FastAPI, name: str) -> None:
  path = pathlib.Path(swagger_ui_bundle.swagger_ui_path) / name

  @app.get(f"/docs/assets/{name}", include_in_schema=False)
  async def asset() -> FileResponse:
    return FileResponse(path)


def _as_older(part: Any) -> Any:
  """JSON schema as OpenAPI 3.0 writes it: `nullable`, one `example`."""
  if isinstance(part, list):
    return [_as_older(each) for each in part]
  if not isinstance(part, dict):
    return part
  part = {key: _as_older(value) for key, value in part.items()}
  if isinstance(part.get("examples"), list):
    part["example"] = part.pop("examples")[0]
  kinds = part.get("anyOf", [])
  if {"type": "null"} in kinds:
    rest = [kind for kind in kinds if kind != {"type": "null"}]
    del part["anyOf"]
    if part.get("default", 0) is None:
      del part["default"]
    part |= rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"allOf": rest}
    part["nullable"] = True
  return part
