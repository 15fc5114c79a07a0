"""`run.py orders`, `notifies`, `reconcile` and `stats`: what an operator asks of daifu, and how the answers are drawn."""
