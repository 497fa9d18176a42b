"""Rates and times left: nothing before something is known, and never a number that cannot be."""

import pytest

from audit.progress import Meter, duration, plain_interval
from audit.progress.meter import WINDOW


def run(meter, clock, counts, seconds=1.0):
    for done in counts:
        clock.now += seconds
        meter.count(done)


def test_what_was_there_counts_towards_no_rate(clock):
    meter = Meter(done=1000)
    run(meter, clock, [1010, 1020])
    assert meter.rate() == meter.average() == 10
    assert meter.left(1100) == 8


@pytest.mark.parametrize("counts", [[], [0], [0.5, 0.9]])
def test_nothing_is_known_before_a_step_is_done(counts, clock):
    meter = Meter()
    run(meter, clock, counts)
    assert meter.rate() is None and meter.left(10) is None and meter.average() is None


def test_no_time_has_passed(clock):
    meter = Meter()
    meter.count(5)
    assert meter.rate() is None and meter.left(10) is None


def test_a_clock_that_goes_back_or_jumps_gives_no_impossible_number(clock):
    meter = Meter()
    run(meter, clock, [10, 20])
    clock.now -= 1000
    meter.count(30)
    assert meter.rate() == 15 and meter.left(60) == 2 and meter.seconds == 2
    clock.now += 1e7
    meter.count(31)
    assert 0 <= meter.rate() < 1 and meter.left(60) > 0


def test_the_rate_follows_the_last_quarter_of_an_hour(clock):
    meter = Meter()
    run(meter, clock, range(100, 10100, 100))  # 100/s for 100 s
    run(meter, clock, range(10001, 12002), 1.0)  # 1/s for 2001 s
    assert meter.rate() == pytest.approx(1, rel=0.01)
    assert meter.average() == pytest.approx(12001 / 2101, rel=0.01)
    assert len(meter._marks) <= WINDOW + 2


def test_work_that_hangs_has_no_rate_in_the_end(clock):
    meter = Meter()
    run(meter, clock, [10, 20])
    run(meter, clock, [20] * 10)
    assert meter.rate() == pytest.approx(20 / 12)
    run(meter, clock, [20] * 2000)
    assert meter.rate() is None and meter.left(30) is None


def test_what_is_done_again_starts_the_rate_anew(clock):
    meter = Meter(done=50)
    run(meter, clock, [60, 40, 45])
    assert meter.rate() == meter.average() == 5 and meter.done == 45


def test_more_than_all_is_no_negative_time(clock):
    meter = Meter()
    run(meter, clock, [12])
    assert meter.left(10) == 0


@pytest.mark.parametrize(
    ("seconds", "wait"), [(0, 10), (600, 10), (3600, 60), (36_000, 600), (1e9, 600)]
)
def test_plain_lines_grow_rare(seconds, wait):
    assert plain_interval(seconds) == wait


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (7260, "2 h 1 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
