"""Who was erased or objected, receipts of erasure, the audit trail.

Belongs here: what a person can demand of the store. All other rooms of the store ask `blocked`.
"""
