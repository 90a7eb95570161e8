"""Adapters: other people's rows → contract events, each row accounted for.

`rows` reads lines, `taobao` and `uci` turn them into events, `accounts` counts every row, `timeline` puts the events in
the order of time, `intake` joins them into records, `kafka` delivers records by means of `sending`. No adapter guesses:
what it cannot use it refuses, with the line and the reason. `letters` and `resend` take dead letters back to Kafka.
"""
