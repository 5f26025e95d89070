"""How hard properties are tried."""

from hypothesis import HealthCheck, settings


def effort(examples: int) -> settings:
    """So many examples of a property; with `--hypothesis-profile=thorough` many times as many (see conftest)."""
    return settings(
        max_examples=examples * settings().max_examples // 100,  # 100 are the default's
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
