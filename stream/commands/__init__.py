"""The commands of `snapup`, one module each: parse, build, run. The rules live elsewhere."""
