"""What daifu does, a verb each: get the order, apply an event, replace it, tell its watchers."""
