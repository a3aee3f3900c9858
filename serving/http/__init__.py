"""Between the socket and a route: who asks, how much at once, in which form.

Belongs here: middleware, authentication, idempotency, queries, answers as bytes. Not here: what a single route does.
"""
