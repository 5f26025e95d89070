"""Each route of the earlier front ends answers as they read it: one test of every kind per row of the tables, and no row missing."""

import importlib
import json
import re

import httpx
import pytest

from db.base.accounts import UserRole
from tests.contract.clients import CALLS, calls_of
from tests.contract.route import ADMINS, NOBODY, Route, World

AREAS = {area: importlib.import_module(f"tests.contract.routes_{area}") for area in CALLS}
ROUTES: list[Route] = [route for module in AREAS.values() for route in module.ROUTES]
BAD = [(route, body, status) for route in ROUTES for body, status in route.bad]
REFUSALS = [(route, arrange, status) for route in ROUTES for arrange, status in route.refusals]


def named(*routes: Route) -> list[object]:
    return [pytest.param(route, id=route.name) for route in routes]


def call(world: World, route: Route, role: UserRole | None, arguments, sent=None) -> httpx.Response:
    carried = route.sent(arguments) if sent is None else sent
    headers = {**({} if role is None else world.bearer(role)), **carried.pop("headers", {})}
    return world.client.request(route.method, route.url(arguments), headers=headers, **carried)


def says_why(answer: httpx.Response, status: int) -> bool:
    """As earlier clients read an error: its status, and a document with a message."""
    assert answer.status_code == status, answer.text
    message = answer.json()["message"]
    return isinstance(message, str) and bool(message)


def actor(route: Route) -> UserRole:
    """Who may, and can the least besides."""
    return next(
        role
        for role in (UserRole.SEARCH, UserRole.CREATIVE, UserRole.PICKONE, UserRole.ADMIN, UserRole.SUPERADMIN)
        if role in route.who
    )


@pytest.mark.parametrize("route", named(*ROUTES))
def test_it_answers_with_exactly_these_keys(world: World, route: Route):
    role = None if route.who == NOBODY else actor(route)
    arguments = route.arrange(world, world.user(role or UserRole.SEARCH))
    answer = call(world, route, role, arguments)
    assert answer.status_code == route.success, answer.text
    if route.keys is not None:
        shown = answer.json()
        assert isinstance(shown, list) == route.a_list
        assert shown != []
        for document in shown if route.a_list else [shown]:
            assert set(document) == set(route.keys)
    if route.also is not None:
        route.also(world, arguments, answer)


@pytest.mark.parametrize("route", named(*(route for route in ROUTES if route.who != NOBODY)))
def test_it_asks_who_it_is(world: World, route: Route):
    arguments = route.arrange(world, world.user(actor(route)))
    assert says_why(call(world, route, None, arguments), 401)


@pytest.mark.parametrize(
    ("route", "role"),
    [
        pytest.param(route, role, id=f"{route.name}-{role}")
        for route in ROUTES
        if route.who != NOBODY
        for role in UserRole
        if role not in route.who
    ],
)
def test_it_refuses_other_roles(world: World, route: Route, role: UserRole):
    arguments = route.arrange(world, world.user(role))
    assert says_why(call(world, route, role, arguments), 403)


@pytest.mark.parametrize("route", named(*(route for route in ROUTES if route.others is not None)))
def test_it_keeps_a_row_from_others(world: World, route: Route):
    owner = world.new_user(actor(route))
    arguments = route.arrange(world, owner)
    for role in sorted(route.who & (ADMINS | {actor(route)})):
        assert says_why(call(world, route, role, arguments), route.others or 0)


@pytest.mark.parametrize(
    ("route", "body", "status"), [pytest.param(*one, id=f"{one[0].name}-{n}") for n, one in enumerate(BAD)]
)
def test_it_says_what_is_wrong(world: World, route: Route, body: object, status: int):
    role = None if route.who == NOBODY else actor(route)
    arguments = route.arrange(world, world.user(role or UserRole.SEARCH))
    assert says_why(call(world, route, role, arguments, route.carried(body)), status)


@pytest.mark.parametrize(
    ("route", "arrange", "status"), [pytest.param(*one, id=f"{one[0].name}-{n}") for n, one in enumerate(REFUSALS)]
)
def test_it_refuses_what_cannot_be_done(world: World, route: Route, arrange, status: int):
    role = None if route.who == NOBODY else actor(route)
    arguments = arrange(world, world.user(role or UserRole.SEARCH))
    assert says_why(call(world, route, role, arguments), status)


@pytest.mark.parametrize("route", named(*(route for route in ROUTES if route.is_signed)))
def test_a_callback_of_which_a_byte_was_changed_is_refused_and_one_without_a_signature(world: World, route: Route):
    arguments = route.arrange(world, world.user(UserRole.SEARCH))
    sent = route.sent(arguments)
    changed = re.sub(rb"[1-9]", lambda digit: b"2" if digit[0] == b"1" else b"1", sent["content"], count=1)
    assert changed != sent["content"]
    assert says_why(call(world, route, None, arguments, {**sent, "content": changed}), 403)
    assert says_why(call(world, route, None, arguments, {"json": json.loads(sent["content"])}), 403)


def bare(path: str) -> str:
    return re.sub(r"\{\w+\}|:\w+", ":", path.removeprefix("/api"))


@pytest.mark.parametrize("area", CALLS)
def test_every_call_of_an_area_has_its_row(world: World, area: str):
    module = AREAS[area]
    described = {bare(route.name.replace(" /api", " ")) for route in module.ROUTES}
    wanted = {bare(call) for call in calls_of(area)}
    awaited = {bare(call) for call in module.AWAITED}
    assert wanted - described == awaited
    there = {
        bare(f"{method.upper()} {path.removeprefix('/api')}")
        for path, item in world.client.app.openapi()["paths"].items()
        for method in item
        if path.startswith("/api/")
    }
    assert awaited & there == set(), "these have come: write their rows"
    assert described - there == set()


def test_there_are_seventy_five():
    assert sum(len(calls_of(area)) for area in CALLS) == 75
