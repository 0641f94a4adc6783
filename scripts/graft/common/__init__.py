"""What every package uses: errors for users, whole files, fingerprints, the job around a script, devices, locks.

It knows nothing of data or networks.
"""
