"""Searches over recipes: sweeps, walks along a line, proposals, a guard, what costs which task.

Every point is a recipe that is really merged and scored, on the tuning half. The reporting half is
looked at once, for the point that was chosen.
"""
