"""Images made here: `lreg build`, and the example of `lreg serve`."""
