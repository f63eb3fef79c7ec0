"""`wstest -m fuzzingserver` on a free port of 127.0.0.1, which it prints. Python 2.7, as the suite itself.

The suite would listen on every interface and not say which port it was given.
"""

from __future__ import print_function

import sys

from autobahntestsuite import choosereactor, wstest  # installs the reactor, so it comes first
from twisted.internet import reactor

listen = reactor.listenTCP


def listen_and_tell(port, factory, backlog=50, interface=""):
    listener = listen(port, factory, backlog, "127.0.0.1")
    print("listening on ws://127.0.0.1:%d/" % listener.getHost().port, file=sys.stderr)
    return listener


reactor.listenTCP = listen_and_tell
sys.argv = ["wstest", "-m", "fuzzingserver", "-u", "0", "-s", sys.argv[1]]
wstest.run()
