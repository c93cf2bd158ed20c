"""The nouns of a call-centre floor, their state tables, and the two vocabularies: facts and commands.

Everything here is a frozen value or a table. `now` is always UTC in microseconds.
"""
