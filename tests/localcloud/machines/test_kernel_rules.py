"""The kernel's programs on a control group, tried on one without a machine."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud.machines import cgroup, kernel_rules
from localcloud.machines.cgroup import Cgroup
from localcloud.machines.kernel_rules import instruction

pytestmark = pytest.mark.droplets

ADMIT = instruction(0xB7, to=0, value=1) + instruction(0x95)


def test_two_changes_at_a_time_leave_one_program_at_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kernel_rules._attached

    def late(group: int, place: tuple[int, int]) -> int | None:
        before = found(group, place)
        time.sleep(0.05)
        return before

    monkeypatch.setattr(kernel_rules, "_attached", late)
    hierarchy = cgroup.hierarchy()
    assert hierarchy is not None
    group = Cgroup(hierarchy / f"localcloud-test-{os.getpid()}")
    group.folder.mkdir()
    try:
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda _: kernel_rules.hold(group.folder, (ADMIT, ADMIT)), range(2)))
        # The kernel says so where there is more than one to be replaced.
        kernel_rules.hold(group.folder, (ADMIT, ADMIT))
    finally:
        group.remove()
