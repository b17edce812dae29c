"""What the admin API says: frozen values and their JSON, for the server and for the commands.

Each value goes over the wire as an object with its fields' names. A field that has a default may be
left out, and one that is not known is passed over: the two ends need not be of one version.
"""
