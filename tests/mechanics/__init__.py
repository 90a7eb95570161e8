"""What holds for every mechanic that there is."""
