"""Between the network and HTTP: who may connect, how long a client may keep us waiting, and how much work may wait.

Belongs here: sockets, connections, their limits, queues of work. Not here: what a request says (`serving/http/`).
"""
