from db.schema.entries import Entry
from db.schema.plan.objects import plan_objects
from db.schema.plan.parts import Plan

FUNCTION = Entry("FUNCTION", "public", "f()", "CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;")
ACCESS = Entry(
    "ACL",
    "public",
    "FUNCTION f()",
    "REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;\nGRANT ALL ON FUNCTION public.f() TO askstephen_tenant;",
)


def planned(*there: Entry) -> list[str]:
    plan = Plan()
    plan_objects(plan, [FUNCTION, ACCESS], list(there), {}, [], adopted=bool(there))
    return [statement for step in plan.change for statement in step.sql]


def test_a_function_is_closed_to_everybody_before_some_may_call_it():
    assert planned() == [
        FUNCTION.sql,
        "REVOKE ALL ON FUNCTION public.f() FROM PUBLIC",
        "GRANT ALL ON FUNCTION public.f() TO askstephen_tenant",
    ]
    assert planned(FUNCTION) == planned()[1:]
    assert planned(FUNCTION, ACCESS) == []
