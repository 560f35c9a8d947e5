"""The writing thread over real pipes: readers that read, that stall, that are gone."""

import os

import pytest

from gateway.observe.outlet import LIMIT, Outlet

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def hang_up(pipe: list[int]) -> None:
    os.close(pipe[0])
    pipe[0] = -1


def read(pipe: list[int], size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := os.read(pipe[0], size - len(data))):
        data += chunk
    return data


def test_lines_go_out_whole_and_in_order_before_the_end(pipe):
    outlet = Outlet(pipe[1], lambda _: None)
    lines = [f"{number}\n" for number in range(5000)]
    for line in lines:
        outlet.write(line)
    outlet.close()

    assert read(pipe, len("".join(lines))).decode() == "".join(lines)


def test_a_reader_who_stalls_holds_nobody_up_and_learns_later_how_many_lines_it_missed(pipe):
    told: list[int] = []
    outlet = Outlet(pipe[1], told.append)
    for _ in range(2 * LIMIT):  # far more than pipe, batch and queue hold: write() comes back all the same
        outlet.write(LINE)
    missed = outlet._lost

    came = read(pipe, (2 * LIMIT - missed) * len(LINE))

    assert missed > 0
    assert came == LINE.encode() * (2 * LIMIT - missed)
    outlet.close()
    assert told == [missed]


def test_a_reader_who_is_gone_costs_the_lines_and_nothing_else(pipe):
    told: list[int] = []
    outlet = Outlet(pipe[1], told.append)
    hang_up(pipe)
    for _ in range(1000):
        outlet.write(LINE)
    outlet.close()

    assert not outlet._thread.is_alive()
    assert told == []
    assert outlet._lost == 1000


def test_what_cannot_be_encoded_is_written_all_the_same(pipe):
    outlet = Outlet(pipe[1], lambda _: None)
    outlet.write("a\udcff\n")
    outlet.close()

    assert read(pipe, 8) == b"a\\udcff\n"
