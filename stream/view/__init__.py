"""Views for a terminal: documents and books → rich renderables. No I/O, no clock."""
