"""What the registry knows of the internet: what a name means, how fresh it is, how it gets here."""
