"""Run peer cores on virtual time: a second driver for the same cores and the same bytes, all chance from one seed."""
