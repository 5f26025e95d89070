from workers.times import StepTimes

PING = ("p", "ping")


def counted(times: StepTimes, runs: int, seconds: float) -> StepTimes:
    for _ in range(runs):
        times.add(*PING, seconds)
    return times


def test_a_step_that_nobody_was_told_of_is_news_once():
    times = counted(StepTimes(), 2, 0.5)
    assert times.has_news()
    assert times.take() == {PING: (2, 1.0)}
    assert not times.has_news()
    assert times.take() == {}


def test_a_few_runs_that_take_another_time_are_no_news_but_many_are():
    times = counted(StepTimes(), 1, 0.5)
    times.take()
    assert not counted(times, 7, 0.001).has_news()
    assert counted(times, 1, 0.001).has_news()


def test_runs_that_take_about_as_long_as_told_are_no_news():
    times = counted(StepTimes(), 1, 0.5)
    times.take()
    assert not counted(times, 100, 0.4).has_news()
