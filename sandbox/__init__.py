"""A simulated WeChat: pay, login, cashier and notifies on one port, to be met on the wire only."""
