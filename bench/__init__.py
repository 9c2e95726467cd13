"""What the switch costs, beside its peers, on one machine in one session: ``make bench``.

Never a test: figures move with the machine. The server under test has one core, the generators the
other; every figure is the median of three runs.
"""
