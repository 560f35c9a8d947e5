"""The compliance report (BY-9): row by row, what a profile demands, what answers it, who proves it, and whether it holds.

Reads only: settings and store come in as values, and nothing here changes either. What is said of each row stands in
config/compliance.toml; its words and tests in config/requirements.json, which is generated. No row is "met" on somebody's
word: that takes a setting or a mechanism, a citing test, and no fact that speaks against it.
"""
