"""`run.py orders` and `run.py notifies`: what an operator asks of daifu, and how the answers are drawn."""
