"""Networks that tell the state of a nucleus from volumes around it, a few frames at once."""
