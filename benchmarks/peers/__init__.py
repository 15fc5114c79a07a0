"""
Toys that daifu is measured against: each does the least that could be called the same work, in one framework.

They stand apart from the server (nothing of it is imported), run in an environment of their own and say on GET /healthz
which of them they are and which process.
"""
