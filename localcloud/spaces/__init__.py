"""DigitalOcean Spaces: the S3 API over files, with keys, signatures and lifecycle rules that have their effect.

`app.py` answers requests; `store.py` keeps buckets and objects in the state folder. The package knows nothing of the
rest of the local cloud but the keys it is given.
"""
