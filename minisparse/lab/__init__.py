"""What runs experiments and records them; nothing of the library imports it."""
