"""`fleet`: rounds, updates and proofs of many offices, over several workers that PostgreSQL and Procrastinate keep in step.

A job is one verb for one office. A worker starts each in a process of its own (`execution`), which outlives the worker and
writes down itself how the verb ended: so a worker may be killed at any moment, and whoever takes its job finds the end, or waits
for it. The extra `fleet` brings what this room needs; nothing else of ours imports it.
"""
