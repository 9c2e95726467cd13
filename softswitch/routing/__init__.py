"""Where a call goes: the snapshot that it reads and the pure function that decides.

``model`` holds the immutable snapshot, ``plan`` what is decided, ``route`` decides. No I/O, no
clock: the route tester asks the same function as a real call.
"""
