"""`run.py orders`, `notifies`, `reconcile`, `stats`: what an operator asks of daifu, and how answers are drawn."""
