"""Bringing people in from elsewhere (HK-8): readers of files, pure, and the import itself (`intake.py`).

    file ─▶ read_csv | read_pskc | read_otpauth ─▶ Reading: candidates and faults, by line ─▶ Intake: check, write

A reader never raises on a file's content, whatever it is: what is wrong is a fault with its line.
"""
