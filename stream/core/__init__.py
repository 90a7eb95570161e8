"""The pure core: rules only. No I/O, no clock, no logging, no Faust; time is data. It may import `stream.contract`."""
