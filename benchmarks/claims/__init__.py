"""The articles' claims, measured: `python -m benchmarks.claims`.

A claim is a file: what the article says, what is compared, and what the numbers should then show.
Studies are of two kinds, trainings (`accuracy.py`) and timings (`timing.py`); each is cut into
cells whose results are kept (`store.py`). The verdicts follow from the numbers by one rule
(`verdict.py`), and `page.py` writes docs/claims.md.
"""
