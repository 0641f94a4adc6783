"""What every room uses: errors for users, whole files, fingerprints, the job around a script, devices, locks.

It knows nothing of data or networks.
"""
