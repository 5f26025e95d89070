"""The API's description of itself: its links lead somewhere."""

from fastapi import FastAPI

from api_stub.description import NAMES


def test_a_job_can_be_followed_from_where_it_is_posted_to_its_end(app: FastAPI):
    links = app.openapi()["paths"]["/v1/jobs"]["post"]["responses"]["202"]["links"]
    assert {"get_job", "cancel_job", "retry_job"} <= links.keys()


def test_every_link_names_an_operation_and_a_parameter_of_its_path(app: FastAPI):
    paths = app.openapi()["paths"]
    operations = {operation["operationId"]: (path, operation) for path, item in paths.items() for operation in item.values()}
    assert NAMES.keys() <= operations.keys()
    linked = 0
    for _, operation in operations.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                path, _ = operations[link["operationId"]]
                assert [f"{{{name}}}" in path for name in link["parameters"]] == [True]
                linked += 1
    assert linked > 100
