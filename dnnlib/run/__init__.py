"""One run of a program: its directory, context, log and signals."""
