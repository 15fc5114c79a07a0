"""Is this installation fit to take money? Every check returns findings and changes nothing that is stored."""
