"""Random and malformed requests, made from the API's own description and from broken forms: never a 500."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
  content_type_conformance,
  response_schema_conformance,
  status_code_conformance,
)

from zsar_jax.serving.problems import STATUSES

EXPECTED = (
  not_a_server_error,
  status_code_conformance,
  content_type_conformance,
  response_schema_conformance,
)
UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.fixture(scope="session")
def description(served):
  return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_requests_from_the_description(description, mode):
  seen = 0
  for result in description.get_all_operations():
    operation = result.ok()

    @settings(max_examples=15, **UNHURRIED)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
      case.validate_response(case.call(), checks=EXPECTED)

    if mode is schemathesis.GenerationMode.POSITIVE or operation.body:
      check()
      seen += 1
  assert seen > 1


def test_description_is_of_a_version_that_its_page_can_show(served):
  found = served.client.get("/openapi.json").json()
  assert found["openapi"].startswith("3.0")
  assert '"type": "null"' not in str(found).replace("'", '"')
  statuses = {int(code) for code in found["paths"]["/v1/classify"]["post"]["responses"]}
  assert statuses == {200, *STATUSES}


_FORM = (
  b'--b\r\nContent-Disposition: form-data; name="classes"\r\n\r\nbow, dart\r\n'
  b'--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n\x00\x00\x00\x18ftypmp42\r\n--b--\r\n'
)


@st.composite
def broken_forms(draw):
  """A form with bytes cut out, changed or put in."""
  form = bytearray(_FORM)
  for _ in range(draw(st.integers(0, 4))):
    at = draw(st.integers(0, len(form)))
    form[at : at + draw(st.integers(0, 30))] = draw(st.binary(max_size=30))
  return bytes(form)


@settings(max_examples=30, **UNHURRIED)
@given(
  body=broken_forms() | st.binary(max_size=200),
  kind=st.just("multipart/form-data; boundary=b")
  | st.sampled_from(
    [
      "multipart/form-data",
      'multipart/form-data; boundary=""',
      "multipart/form-data; boundary=" + "b" * 300,
      "text/plain",
      "",
      "multipart/form-data; boundary*=utf-8''%ff",
    ]
  ),
)
def test_broken_forms_are_refused_in_words(served, body, kind):
  answer = httpx.post(f"{served.url}/v1/classify", content=body, headers={"Content-Type": kind})
  assert answer.status_code in STATUSES, answer.text
  assert set(answer.json()) == {"error", "problems"}


@settings(max_examples=20, **UNHURRIED)
@given(
  body=st.binary(max_size=60)
  | st.sampled_from(
    [b'{"classes": ' + b"[" * 5000, b'{"classes": ["\\ud800", "a"]}', b'{"classes": [1e999]}']
  )
)
def test_broken_json_is_refused_in_words(served, body):
  answer = httpx.post(f"{served.url}/v1/classes", content=body, headers={"Content-Type": "application/json"})
  assert answer.status_code in (200, 422), answer.text
