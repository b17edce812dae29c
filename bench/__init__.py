"""lreg beside its peers under the same loads, on one machine, in one run: ``python -m bench``.

The peers are distribution 3 and 2.8, zot, and nginx on the same files; where images are copied,
skopeo and crane. Servers are driven in turn (A B A B …) while the others are stopped by SIGSTOP, so
what slows the machine for a while slows all alike; a ratio is the median of the ratios of each
turn. The client shares the machine's cores and is part of what is measured.
"""
