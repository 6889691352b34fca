"""Time limits that tests share, in seconds.

A limit for what must come is far above what a busy machine needs, and below the 60 s that pytest
gives a test. A limit that proves promptness is below the time that the slow way takes.
"""

from __future__ import annotations

#: For what must come.
LONG = 30.0
#: For what many processes do together: a run of pytest, the boots of a peer for every occupation.
LONGER = 50.0

#: For a stop that does not wait: a peer told to halt is killed after 5.
AT_ONCE = 3.0
#: For a failure that needs no boot limit: a boot is given up after 15.
NO_BOOT_LIMIT = 5.0
#: The same over TCP, where a boot is given up after 30.
NO_TCP_BOOT_LIMIT = 10.0
#: For a call that does not wait for another one.
SOON = 10.0
#: For the end of a process that has lost its origin. The promise is 1 on an idle machine.
PROMPTLY_GONE = 2.0
#: The same while many such processes keep the machine busy: tells a late end from none.
GONE = 10.0

#: How long a peer is busy: longer than any test.
AGES = 600
