"""Images on their way between registries, engines and files: `lreg copy`, `pull` and `bundle`."""
