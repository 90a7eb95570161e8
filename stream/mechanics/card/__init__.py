"""The room's card: who hosts it, what is for sale in it and which of it is on show, and which rooms it leads to."""
