"""Commands for traders: place, change and follow orders, look at books."""
