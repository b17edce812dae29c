"""Images out of the internet into the registry here: `lreg cache`, `preload`, `missing`, `has`."""
