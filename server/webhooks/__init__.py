"""The way to the merchant's own server: what is signed, where it may go, and the one client that goes there."""
