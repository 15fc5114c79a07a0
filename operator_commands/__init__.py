"""`run.py orders`, `notifies` and `reconcile`: what an operator asks of daifu, and how the answers are drawn."""
