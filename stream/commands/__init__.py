"""The commands of `snapup`, one module each: parse, build, run. No rule lives here."""
