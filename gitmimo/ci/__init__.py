"""CI: test a branch again from scratch and report the result in the formats that forges read."""
