"""Adapters: other people's rows → contract events, each row accounted for.

`rows` reads lines. `taobao` and `uci` turn the lines into events. `accounts` counts every row. `timeline` sorts the
events by time. `intake` makes them records. `kafka` delivers the records by means of `sending`. No adapter guesses: it
refuses a row that it cannot use, with the line and the reason. `letters` and `resend` take dead letters back to Kafka.
"""
