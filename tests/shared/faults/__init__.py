"""What the event backbone must bear: kills, broken connections, poison; each process of these tests is a real one."""
