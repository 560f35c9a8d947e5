"""What operators see: the log, the metrics and the health pages. Nothing here decides, and no secret gets in (TW-10)."""
