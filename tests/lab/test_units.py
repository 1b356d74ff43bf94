"""How a time and a number of bytes are said."""

from minisparse.lab import units


def test_a_time_is_said_in_the_unit_that_suits_it():
    said = [units.duration(seconds) for seconds in (0.2, 59, 99, 100, 600, 7560, 250_000)]
    assert said == ["under 1 s", "59 s", "99 s", "2 min", "10 min", "2.1 h", "2.9 days"]


def test_bytes_are_said_to_two_digits():
    assert [units.size(count) for count in (0, 1_234_567, 999e6, 1.26e9, 123e9)] == [
        "0 MB", "1.2 MB", "1,000 MB", "1.3 GB", "120 GB"
    ]  # fmt: skip
