"""The table of names and ports."""

from deploy import topology

HANDED_OUT = 32_768
"""Where Linux begins with the ports it hands out to whoever connects, until its administrator says otherwise."""


def test_no_port_of_ours_may_be_somebody_s_who_just_connects() -> None:
    fixed = {name: port for name, port in vars(topology).items() if name.endswith("_PORT")}
    of_services = {process.name: process.port for service in topology.SERVICES for process in service.processes()}

    assert {name: port for name, port in (fixed | of_services).items() if port >= HANDED_OUT} == {}
