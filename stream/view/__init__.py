"""What people see in a terminal: documents and books → rich renderables. No I/O, no clock."""
