"""What `gateway doctor` looks at, a file for each subject. Every check returns findings and changes nothing: it makes no
database, no key and no table, logs nobody in, and says how to mend what it finds.
"""
