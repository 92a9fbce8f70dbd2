"""The rules: one file each, one line each in `table.py`.

A rule measures through `detectors/`, and judges what it measured in a pure function. What its breaches lead to is not its
business: that is the table of causes (`daemon.policy`).
"""
