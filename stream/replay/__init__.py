"""Replay: a past run folded again, from a recording at the pace of its log, or from Kafka as the journal says.

`recording` folds a recording. `journaled` folds one partition as its journal says. `journal_log` reads that journal
and its inputs from Kafka.
"""
