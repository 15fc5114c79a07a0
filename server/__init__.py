"""daifu's server: a pure core (`domain`), use cases around it, and one room for every kind of adapter."""
